"""One module a container format: its members, its metadata, and which byte belongs to what."""
