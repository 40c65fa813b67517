"""The journey as verbs: load, lock, fetch, build, verify. The one place that wires rooms together."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from repro import __version__
from repro.compare import compare_artifacts, compare_with_digest
from repro.image.build import Built
from repro.image.build import build as build_image
from repro.image.order import Order, program_digest, read_tree
from repro.lock.apt import Room, host_room
from repro.lock.index import subset
from repro.lock.resolve import resolve, stale
from repro.model import lock as locks
from repro.model import published as publishing
from repro.model import recipe as recipes
from repro.model.artifact import Artifact
from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE, Comparison
from repro.model.errors import InvalidInput, Unavailable
from repro.model.lock import Lock, LockedIndex
from repro.model.pin import PinSet
from repro.model.project import Project
from repro.model.published import Published
from repro.model.recipe import Recipe
from repro.model.record import BuildRecord, Claim, Run
from repro.sandbox import toolchain
from repro.sandbox.backend import Backend, choose
from repro.sandbox.environment import VARIATIONS, Environment, unavailable, vary
from repro.sandbox.session import open_session
from repro.snapshot.fetch import fetch_lock
from repro.snapshot.fetcher import Fetched, Fetcher
from repro.snapshot.index import fetch_index, packages_path
from repro.snapshot.pins import PinProof, load_pin_set, verify_pin_set
from repro.store import StageCache, Store
from repro.system.hashing import sha256_file
from repro.system.memory import PeakMemory
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


@dataclass(frozen=True)
class Rebuild:
    """One finished build: the `files` it wrote, in the order of the recipe's outputs, and its record."""

    files: tuple[Path, ...]
    record: BuildRecord


@dataclass(frozen=True)
class Verification:
    """The answer to `verify`: `published` says in a few words how the result relates to the published digest."""

    verdict: str
    rebuilds: Mapping[str, Rebuild]
    comparisons: tuple[Comparison, ...]
    published: str
    skipped: Mapping[str, str]


def load(project: Project, name: str) -> Loaded:
    """The recipe `name` of `project`.

    Raises InvalidInput where it is unknown or not valid, IntegrityFailure where a pin's evidence does not hold.
    """
    known = sorted(path.parent.name for path in project.recipes.glob("*/recipe.toml"))
    if name not in known:
        raise InvalidInput(f"there is no recipe {name!r}", hint=f"there are: {', '.join(known) or 'none'}")
    path = project.recipes / name / "recipe.toml"
    recipe = recipes.decode(name, _text(path), str(path))
    pins = load_pin_set(project.snapshots, recipe.pins)
    proofs = {proof.pin.name: proof for proof in verify_pin_set(project.snapshots, pins)}
    return Loaded(recipe, path.parent, pins, proofs)


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
    indexes: dict[LockedIndex, bytes] = {}
    for pin in loaded.pins.pins:
        for component in pin.components:
            path = packages_path(component, loaded.recipe.architecture)
            entry = fetch_index(pin, loaded.proofs[pin.name].release, path, place.fetcher, place.observer)
            index = LockedIndex(pin.name, entry.path, entry.size, entry.sha256)
            indexes[index] = place.store.read(entry.sha256, entry.size)
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
        fetch_lock(replace(old, image=()), loaded.pins, loaded.proofs, place.fetcher, place.observer)
    except (InvalidInput, Unavailable) as error:
        place.observer.note(f"the locked toolchain cannot be used ({error.message})")
        return None
    return old if any(package.name == "apt" for package in old.toolchain) else None


def fetch(loaded: Loaded, lock: Lock, place: Workplace) -> Fetched:
    """Have everything that `lock` names in the store, before anything is built. Raises as `fetch_lock` does."""
    return fetch_lock(lock, loaded.pins, loaded.proofs, place.fetcher, place.observer)


def build(
    loaded: Loaded,
    lock: Lock,
    place: Workplace,
    folder: Path,
    *,
    backend: Backend,
    environment: Environment,
    cached: bool,
    title: str = "build",
    logs: Path | None = None,
) -> Rebuild:
    """Build `loaded` from `lock` into `folder`; what its programs say goes to `TITLE.log` in `logs` (or `folder`).

    `cached` lets stages come from and go to the store. Raises BuildFailed, IntegrityFailure or Unavailable.
    """
    order = _order(loaded, lock, place.store)
    started = datetime.now(UTC)
    began = time.monotonic()
    cache = StageCache(place.store, place.observer.note) if cached else None
    log_path = (logs or folder) / f"{title}.log"
    with _writable(log_path) as log, PeakMemory() as memory, place.observer.task(f"{title}: {loaded.recipe.name}"):
        place.observer.note(f"{title}: backend {backend.name}, log in {log_path}")
        built = build_image(
            order,
            environment,
            backend,
            store=place.store,
            cache=cache,
            folder=folder,
            log=log,
            observer=place.observer,
        )
    run = Run(
        started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=round(time.monotonic() - began, 1),
        peak_bytes=memory.bytes,
        backend=backend.name,
        version=__version__,
        program=program_digest(),
        stages=built.stages,
    )
    return Rebuild(built.files, BuildRecord(_claim(order, loaded, environment, built), run))


def _order(loaded: Loaded, lock: Lock, store: Store) -> Order:
    indexes = {index.pin: store.read(index.sha256, index.size) for index in lock.indexes}
    return Order(
        recipe=loaded.recipe,
        lock=lock,
        index=subset(indexes, lock.image),
        overlay=read_tree(loaded.folder / "overlay"),
        hooks=read_tree(loaded.folder / "hooks"),
    )


def _claim(order: Order, loaded: Loaded, environment: Environment, built: Built) -> Claim:
    artifacts = (
        Artifact(path.name, kind, path.stat().st_size, sha256_file(path))
        for path, kind in zip(built.files, order.recipe.outputs, strict=True)
    )
    return Claim(
        recipe=order.recipe.name,
        recipe_sha256=order.recipe_sha256,
        lock_sha256=lock_digest(order.lock),
        toolchain_sha256=order.toolchain_sha256,
        pins={pin.name: pin.timestamp for pin in loaded.pins.pins},
        environment=environment.facts(),
        normalizers={name: len(paths) for name, paths in built.normalized.items()},
        artifacts=tuple(artifacts),
    )


def lock_digest(lock: Lock) -> str:
    """SHA-256 of `lock` as it is written."""
    return hashlib.sha256(locks.encode(lock).encode()).hexdigest()


def verify(
    loaded: Loaded,
    lock: Lock,
    place: Workplace,
    folder: Path,
    *,
    backend: Backend,
    rebuilds: int,
    factors: Sequence[str],
    published: Published | None,
    deep: bool,
) -> Verification:
    """Rebuild `rebuilds` times, every second time with `factors` varied; compare with the first and the published.

    No stage is shared between the rebuilds. Raises as `build` does.
    """
    skipped = {name: why for name in factors if (why := unavailable(name))}
    baseline = Environment(lock.source_date_epoch)
    varied = vary(baseline, {name: None for name in factors if name not in skipped})
    for name, why in skipped.items():
        place.observer.note(f"variation {name} is left out: {why}")
    done: dict[str, Rebuild] = {}
    for number in range(1, rebuilds + 1):
        title = f"rebuild-{number}"
        target = folder if number == 1 else _fresh(folder / title)
        environment = varied if number % 2 == 0 else baseline
        done[title] = build(
            loaded,
            lock,
            place,
            target,
            backend=backend,
            environment=environment,
            cached=False,
            title=title,
            logs=folder,
        )
    first, *others = done.values()
    comparisons: list[Comparison] = []
    for other in others:
        pairs = zip(first.files, other.files, strict=True)
        found = [compare_artifacts(left, right, deep=deep, observer=place.observer) for left, right in pairs]
        if all(comparison.verdict == IDENTICAL for comparison in found):
            shutil.rmtree(other.files[0].parent)
        comparisons += found
        if any(comparison.interrupted for comparison in found):
            break
    state, agrees = _against_published(first.record.claim, published)
    verdict = _overall([comparison.verdict for comparison in comparisons], agrees)
    return Verification(verdict, done, tuple(comparisons), state, skipped)


def verify_against(
    loaded: Loaded,
    lock: Lock,
    place: Workplace,
    folder: Path,
    *,
    backend: Backend,
    other: Path | str,
    deep: bool,
) -> Verification:
    """Rebuild once and compare with `other`: a file, or a SHA-256 of which nothing else is known."""
    rebuild = build(
        loaded,
        lock,
        place,
        folder,
        backend=backend,
        environment=Environment(lock.source_date_epoch),
        cached=False,
        title="rebuild-1",
    )
    mine = rebuild.files[0]
    if isinstance(other, str):
        comparison = compare_with_digest(mine, other)
    else:
        comparison = compare_artifacts(mine, other, deep=deep, observer=place.observer)
    return Verification(comparison.verdict, {"rebuild-1": rebuild}, (comparison,), "not asked", {})


def all_factors() -> tuple[str, ...]:
    """The names of every variation there is."""
    return tuple(VARIATIONS)


def read_published(project: Project, name: str) -> Published | None:
    """The published result of the recipe `name`, None where nothing was published. Raises InvalidInput."""
    path = project.reports / f"{name}.json"
    return publishing.decode(path.read_bytes(), str(path)) if path.exists() else None


def publish(claim: Claim, epoch: int) -> bytes:
    """The file to publish for `claim`."""
    return publishing.encode(Published(claim.recipe, claim.lock_sha256, epoch, claim.artifacts))


def _against_published(claim: Claim, published: Published | None) -> tuple[str, bool]:
    if published is None:
        return "nothing is published for this recipe", True
    if published.lock_sha256 != claim.lock_sha256:
        return "published for another lock: not comparable", True
    if published.artifacts == claim.artifacts:
        return "the published digest is the same", True
    return "the published digest is ANOTHER", False


def _overall(verdicts: Sequence[str], agrees: bool) -> str:
    if DIFFERENT in verdicts or not agrees:
        return DIFFERENT
    return INCONCLUSIVE if INCONCLUSIVE in verdicts else IDENTICAL


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from error


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open(path, "wb") as stream:
            yield stream
    except OSError as error:
        if error.filename != str(path):
            raise
        raise InvalidInput(f"cannot write {path}: {error.strerror}", hint="name another folder with -o") from error
