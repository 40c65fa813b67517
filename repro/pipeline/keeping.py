"""What locks need of a store: to keep it, to mend it, to carry it elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from repro.model import lock as locks
from repro.model.errors import InvalidInput, ReproError, Unavailable
from repro.model.lock import Lock
from repro.model.project import Project
from repro.pipeline.loading import Loaded, Workplace, load, read_lock, recipe_names
from repro.snapshot.fetch import wanted_packages
from repro.snapshot.index import fetch_index
from repro.snapshot.server.catalogue import Catalogue
from repro.store.blobs import Blob, Store
from repro.store.bundle import Moved, export


@dataclass(frozen=True)
class Mended:
    """Of blobs that were damaged: those that are whole again by their label, those that could not be had and why, and
    those that no lock names."""

    again: Mapping[str, str]
    lost: Mapping[str, str]
    unnamed: tuple[str, ...]


def locks_below(folders: Iterable[Path]) -> dict[Path, Lock]:
    """Every recipe.lock in and below `folders`.

    Raises InvalidInput where a folder is none, or a lock cannot be read: what it needs would not be known.
    """
    found = {}
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInput(f"{folder} is not a folder")
        for path in sorted(folder.rglob("recipe.lock")):
            try:
                found[path] = locks.decode(path.read_text(encoding="utf-8"), str(path))
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidInput(f"{path}: {error}") from error
    return found


def labels_of(lock: Lock) -> dict[Blob, str]:
    """What `lock` needs, each .deb and each index (uncompressed), with a name for people."""
    needed = {Blob(p.sha256, p.size): f"{p.name} {p.version} {p.arch}" for p in lock.packages}
    return needed | {Blob(index.sha256, index.size): f"{index.pin} {index.path}" for index in lock.indexes}


def imported(store: Store) -> set[str]:
    """SHA-256 of what the snapshot archive of `store` serves."""
    return set(Catalogue(store.root).sums())


def forget_imports(store: Store) -> None:
    """Empty the snapshot archive of `store`; its blobs stay."""
    Catalogue(store.root).path.unlink(missing_ok=True)


def mend(project: Project, damaged: Collection[str], place: Workplace) -> Mended:
    """Fetch those of the `damaged` blobs (which are in the store no more) anew that recipes of `project` name."""
    again: dict[str, str] = {}
    lost: dict[str, str] = {}
    for loaded, lock in _locked(project, place):
        names = {blob.sha256: label for blob, label in labels_of(lock).items() if blob.sha256 in damaged}
        for sha256, label in names.items():
            if sha256 in again:
                continue
            try:
                _fetch_again(sha256, loaded, lock, place)
                again[sha256] = label
                lost.pop(sha256, None)
            except ReproError as error:
                lost[sha256] = f"{label}: {error.message}"
    return Mended(again, lost, tuple(sorted(set(damaged) - set(again) - set(lost))))


def _locked(project: Project, place: Workplace) -> Iterator[tuple[Loaded, Lock]]:
    for name in recipe_names(project):
        try:
            loaded = load(project, name)
            yield loaded, read_lock(loaded, current=False)
        except ReproError as error:
            place.observer.note(f"recipe {name} is passed over: {error.message}")


def _fetch_again(sha256: str, loaded: Loaded, lock: Lock, place: Workplace) -> None:
    place.fetcher.ensure([each for each in wanted_packages(lock, loaded.pins) if each.sha256 == sha256], place.observer)
    for index in lock.indexes:
        if index.sha256 == sha256:
            proof = loaded.proofs[index.pin]
            fetch_index(proof.pin, proof.release, index.path, place.fetcher, place.observer)
    if not place.store.has(sha256):
        raise Unavailable("the pins name another index by now")


def export_locks(wanted: Sequence[tuple[Loaded, Lock]], place: Workplace, target: IO[bytes]) -> Moved:
    """Write the closures of locks to `target`. Raises Unavailable where the store lacks something, naming it, before
    anything is written; and what `repro.store.bundle.export` raises."""
    labels: dict[Blob, str] = {}
    for _, lock in wanted:
        labels |= labels_of(lock)
    if missing := [label for blob, label in labels.items() if not place.store.has(blob.sha256, blob.size)]:
        names = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
        recipes = " and ".join(f"`repro fetch {loaded.recipe.name}`" for loaded, _ in wanted)
        raise Unavailable(f"{len(missing)} inputs are not in the store: {names}", hint=f"run {recipes} first")
    rows = [
        {
            "recipe": loaded.recipe.name,
            "lock_sha256": locks.digest(lock),
            "pins": {pin.name: {"timestamp": pin.timestamp, "sha256": pin.sha256} for pin in loaded.pins.pins},
        }
        for loaded, lock in wanted
    ]
    return export(place.store, {"recipes": rows}, labels, target, place.observer)
