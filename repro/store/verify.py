"""Hash everything in a store again."""

from __future__ import annotations

import os
from dataclasses import dataclass

from repro.model.errors import ReproError, Unavailable
from repro.store.blobs import Blob, Store
from repro.system.pool import parallel
from repro.system.progress import Observer


@dataclass(frozen=True)
class Verification:
    """How many blobs and bytes were hashed; `damaged` holds (sha256, what is wrong), sorted."""

    blobs: int
    bytes: int
    damaged: tuple[tuple[str, str], ...]


def verify_store(store: Store, observer: Observer) -> Verification:
    """Hash every blob; those with wrong bytes are moved to `quarantine/` and named in the result."""
    blobs = list(store.blobs())
    total = sum(blob.size for blob in blobs)
    with observer.task("hashing the store", total, unit="bytes") as task:

        def check(blob: Blob) -> tuple[str, str] | None:
            try:
                store.open_verified(blob.sha256).close()
            except Unavailable as error:
                return None if not store.has(blob.sha256) else (blob.sha256, error.message)
            except ReproError as error:
                return blob.sha256, error.message
            finally:
                task.advance(blob.size)
            return None

        results = parallel(check, blobs, os.cpu_count() or 1)
    return Verification(len(blobs), total, tuple(sorted(result for result in results if result)))
