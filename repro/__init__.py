"""repro: rebuild Debian-based live images from pinned inputs and prove whether the bits are the same."""

__version__ = "0.1.0"
