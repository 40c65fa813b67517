"""What can be said of a build in forms that others read and sign: provenance, bills of materials, statements."""
