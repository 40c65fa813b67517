"""The stages from root filesystem to ISO; the normalizers."""
