"""Content-addressed blobs and stage results."""
