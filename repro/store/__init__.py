"""Content-addressed blobs and stage results: every byte is hashed when it enters and again when it is used."""

from repro.store.blobs import Blob, Partial, Store
from repro.store.stages import StageCache

__all__ = ["Blob", "Partial", "StageCache", "Store"]
