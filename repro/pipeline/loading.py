"""The first verbs: load a recipe with its proven pins, read or make its lock, fetch what the lock names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from repro.lock.apt import Repository, Room, host_room
from repro.lock.resolve import resolve, stale, used_architectures
from repro.model import lock as locks
from repro.model import recipe as recipes
from repro.model.errors import InvalidInput, Unavailable
from repro.model.lock import Lock, LockedIndex
from repro.model.pin import PinSet
from repro.model.project import Project
from repro.model.recipe import Recipe
from repro.sandbox import toolchain
from repro.sandbox.backend import choose
from repro.sandbox.environment import Environment
from repro.sandbox.session import open_session
from repro.snapshot.fetch import fetch_lock, fetch_lock_indexes, wanted_packages
from repro.snapshot.fetcher import Fetched, Fetcher
from repro.snapshot.index import fetch_index, packages_path
from repro.snapshot.pins import PinProof, load_pin_set, verify_pin_set
from repro.store import Store
from repro.system.progress import Observer


@dataclass(frozen=True)
class Loaded:
    """A recipe as it lies in its folder, with its pins, each of them proven."""

    recipe: Recipe
    folder: Path
    pins: PinSet
    proofs: Mapping[str, PinProof]

    @property
    def lock_path(self) -> Path:
        return self.folder / "recipe.lock"


@dataclass(frozen=True)
class Workplace:
    """What every verb works with: the store and the sources behind it, and who is told of progress."""

    store: Store
    fetcher: Fetcher
    observer: Observer


def recipe_names(project: Project) -> list[str]:
    """The names of the recipes of `project`, sorted."""
    return sorted(path.parent.name for path in project.recipes.glob("*/recipe.toml"))


def read_recipe(project: Project, name: str) -> Recipe:
    """The recipe `name` of `project`. Raises InvalidInput where it is unknown or not valid."""
    if name not in (known := recipe_names(project)):
        raise InvalidInput(f"there is no recipe {name!r}", hint=f"there are: {', '.join(known) or 'none'}")
    path = project.recipes / name / "recipe.toml"
    return recipes.decode(name, _text(path), str(path))


def load(project: Project, name: str) -> Loaded:
    """The recipe `name` of `project`, with its pins.

    Raises InvalidInput where it is unknown or not valid, IntegrityFailure where a pin's evidence does not hold.
    """
    recipe = read_recipe(project, name)
    pins = load_pin_set(project.snapshots, recipe.pins)
    proofs = {proof.pin.name: proof for proof in verify_pin_set(project.snapshots, pins)}
    return Loaded(recipe, project.recipes / name, pins, proofs)


def read_lock(loaded: Loaded, *, current: bool = True) -> Lock:
    """The committed lock of `loaded`; with `current` one that does not fit recipe and pins any more is refused.

    Raises InvalidInput where it is missing, not valid, or stale.
    """
    name = loaded.recipe.name
    if not loaded.lock_path.exists():
        raise InvalidInput(f"{loaded.lock_path} is not there", hint=f"write it with `repro lock {name}`")
    lock = locks.decode(_text(loaded.lock_path), str(loaded.lock_path))
    if current and (why := stale(lock, loaded.recipe, loaded.pins, toolchain.PACKAGES)):
        hint = f"write it again with `repro lock {name}`, and review the difference"
        raise InvalidInput(f"{loaded.lock_path} is stale: {why}", hint=hint)
    return lock


def make_lock(loaded: Loaded, place: Workplace, backend: str) -> Lock:
    """Resolve the lock of `loaded` anew, with apt of the locked toolchain where there is one, else the host's.

    Raises InvalidInput where apt finds no solution, and what fetching raises.
    """
    indexes: dict[LockedIndex, Repository] = {}
    for pin in loaded.pins.pins:
        release = loaded.proofs[pin.name].release
        for component, architecture in product(pin.components, used_architectures(loaded.recipe, pin)):
            path = packages_path(component, architecture)
            entry = fetch_index(pin, release, path, place.fetcher, place.observer)
            index = LockedIndex(pin.name, entry.path, entry.size, entry.sha256)
            indexes[index] = Repository(place.store.read(entry.sha256, entry.size), release.facts)
    newest = max(proof.release.date for proof in loaded.proofs.values())
    with _apt(loaded, place, backend) as room, place.observer.task(f"resolving {loaded.recipe.name} with apt"):
        return resolve(loaded.recipe, loaded.pins, toolchain.PACKAGES, indexes, int(newest.timestamp()), room)


@contextlib.contextmanager
def _apt(loaded: Loaded, place: Workplace, backend: str) -> Iterator[Room]:
    """A room for apt: the toolchain of the committed lock if its packages can be had, else the host's apt."""
    old = _usable_lock(loaded, place)
    if old is None:
        place.observer.note("no locked toolchain yet: apt of the host resolves")
        with host_room() as room:
            yield room
        return
    environment = Environment(old.source_date_epoch)
    modules = (toolchain.MODULE, toolchain.UNPACK)
    with open(os.devnull, "wb") as log, open_session(environment, choose(backend), log=log, preload=modules) as session:
        packages = old.toolchain
        toolchain.install(session, packages, lambda p: place.store.open_verified(p.sha256, p.size), place.observer)
        yield Room(
            "/apt",
            lambda path, data: session.put_bytes(data, path),
            lambda argv, env: session.run(argv, env=dict(env), what="apt").output,
        )


def _usable_lock(loaded: Loaded, place: Workplace) -> Lock | None:
    if not loaded.lock_path.exists():
        return None
    try:
        old = read_lock(loaded, current=False)
        place.fetcher.ensure(wanted_packages(replace(old, image=()), loaded.pins), place.observer)
    except (InvalidInput, Unavailable) as error:
        place.observer.note(f"the locked toolchain cannot be used ({error.message})")
        return None
    return old if any(package.name == "apt" for package in old.toolchain) else None


def fetch(loaded: Loaded, lock: Lock, place: Workplace) -> Fetched:
    """Have everything that `lock` names in the store, before anything is built. Raises as `fetch_lock` does."""
    return fetch_lock(lock, loaded.pins, loaded.proofs, place.fetcher, place.observer)


def read_indexes(loaded: Loaded, lock: Lock, place: Workplace) -> dict[str, bytes]:
    """The indexes that `lock` names, by pin, those of one pin joined; fetched where the store has them not.

    Raises InvalidInput where the signed Release names other ones, and what fetching raises.
    """
    fetch_lock_indexes(lock, loaded.proofs, place.fetcher, place.observer)
    return stored_indexes(lock, place.store)


def stored_indexes(lock: Lock, store: Store) -> dict[str, bytes]:
    """As `read_indexes`, of what is in the store already."""
    indexes: dict[str, bytes] = {}
    for index in lock.indexes:
        indexes[index.pin] = indexes.get(index.pin, b"") + store.read(index.sha256, index.size) + b"\n\n"
    return indexes


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from error
