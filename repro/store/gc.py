"""Remove from a store what nobody needs."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from repro.store.blobs import Blob, Store
from repro.store.files import writing
from repro.store.stages import stage_blobs

DAY = 86400


@dataclass(frozen=True)
class Garbage:
    """What may go: blobs that are not needed, downloads under way and blobs set aside, results of stages, and how many
    bytes that is; `kept` blobs stay."""

    kept: tuple[Blob, ...]
    blobs: tuple[Blob, ...]
    leftovers: tuple[Path, ...]
    stages: tuple[Path, ...]
    bytes: int


def garbage(store: Store, needed: Collection[str], stage_days: int) -> Garbage:
    """What of `store` is neither among the `needed` blobs nor a result of a stage of the last `stage_days` days."""
    oldest = time.time() - stage_days * DAY
    stages = list(_files(store.root / "stages"))
    old = tuple(path for path in stages if path.stat().st_mtime < oldest or not stage_days)
    wanted = set(needed).union(*(stage_blobs(path) for path in stages if path not in old))
    blobs = list(store.blobs())
    unneeded = tuple(blob for blob in blobs if blob.sha256 not in wanted)
    leftovers = tuple(path for name in ("partial", "quarantine") for path in _files(store.root / name))
    size = sum(blob.size for blob in unneeded) + sum(path.stat().st_size for path in (*leftovers, *old))
    return Garbage(tuple(blob for blob in blobs if blob.sha256 in wanted), unneeded, leftovers, old, size)


def remove(store: Store, found: Garbage) -> None:
    """Remove `found` from `store`, which the caller has alone; a result of a stage goes before its blobs."""
    with writing(store.root):
        for path in (*found.stages, *found.leftovers, *(store.path(blob.sha256) for blob in found.blobs)):
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*")) if path.is_file() and not path.is_symlink())
