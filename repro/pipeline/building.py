"""Build a recipe once and say in a record what went in and what came out."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from repro import __version__
from repro.image.build import Built
from repro.image.build import build as build_image
from repro.image.order import Base, Order, program_digest, read_tree
from repro.lock.index import subset
from repro.model import lock as locks
from repro.model import trace as traces
from repro.model.artifact import Artifact
from repro.model.errors import InvalidInput
from repro.model.lock import Lock
from repro.model.record import BuildRecord, Claim, Run
from repro.model.statement import stamp
from repro.model.trace import Trace
from repro.pipeline.loading import Loaded, Workplace, stored_indexes
from repro.sandbox.backend import Backend, choose
from repro.sandbox.environment import Environment
from repro.store import StageCache, Store
from repro.system.hashing import sha256_file
from repro.system.memory import PeakMemory


@dataclass(frozen=True)
class Artifacts:
    """What is to be made: `kinds` (empty: what the recipe publishes), and what a kit among them upgrades from."""

    kinds: tuple[str, ...] = ()
    base: Base | None = None


AS_PUBLISHED = Artifacts()


@dataclass(frozen=True)
class Rebuild:
    """One finished build: the `files` it wrote, in the order in which they were wanted, its record, and who wrote what
    in the root tree, where that was asked for."""

    files: tuple[Path, ...]
    record: BuildRecord
    trace: Trace | None = None


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
    without: frozenset[str] = frozenset(),
    trace: bool = False,
    artifacts: Artifacts = AS_PUBLISHED,
) -> Rebuild:
    """Build `loaded` from `lock` into `folder`; what its programs say goes to `TITLE.log` in `logs` (or `folder`).

    `cached` lets stages come from and go to the store; where `environment` names a backend, that one is taken.
    `without` names normalizers that are switched off, `artifacts` what is made. With `trace`, which takes no stage
    from the store, it is taken down who wrote what. Raises BuildFailed, IntegrityFailure or Unavailable.
    """
    backend = choose(environment.backend) if environment.backend else backend
    order = image_order(loaded, lock, place.store)
    order = replace(order, without=without, trace=trace, outputs=artifacts.kinds, base=artifacts.base)
    started = datetime.now(UTC)
    began = time.monotonic()
    cache = StageCache(place.store, place.observer.note) if cached and not trace else None
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
        id=secrets.token_hex(16),
        started=stamp(started),
        seconds=round(time.monotonic() - began, 1),
        peak_bytes=memory.bytes,
        backend=backend.name,
        version=__version__,
        program=program_digest(),
        stages=built.stages,
    )
    record = BuildRecord(_claim(order, loaded, environment, built), run)
    root_seconds = next(stage.seconds for stage in built.stages if stage.name == "root") if trace else 0.0
    seen = traces.made(built.trace, loaded.recipe.name, root_seconds) if trace else None
    return Rebuild(built.files, record, seen)


def image_order(loaded: Loaded, lock: Lock, store: Store) -> Order:
    """All that goes into the image of `loaded`, whose indexes must be in `store`. Raises InvalidInput."""
    return Order(
        recipe=loaded.recipe,
        lock=lock,
        index=subset(stored_indexes(lock, store), lock.image),
        overlay=read_tree(loaded.folder / "overlay"),
        hooks=read_tree(loaded.folder / "hooks"),
    )


def _claim(order: Order, loaded: Loaded, environment: Environment, built: Built) -> Claim:
    artifacts = (
        Artifact(path.name, kind, path.stat().st_size, sha256_file(path))
        for path, kind in zip(built.files, order.wanted, strict=True)
    )
    return Claim(
        recipe=order.recipe.name,
        recipe_sha256=order.recipe_sha256,
        lock_sha256=locks.digest(order.lock),
        toolchain_sha256=order.toolchain_sha256,
        pins={pin.name: pin.timestamp for pin in loaded.pins.pins},
        environment={**environment.facts(), **({"without": sorted(order.without)} if order.without else {})},
        normalizers={name: len(paths) for name, paths in built.normalized.items()},
        artifacts=tuple(artifacts),
    )


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open(path, "wb") as stream:
            yield stream
    except OSError as error:
        if error.filename != str(path):
            raise
        raise InvalidInput(f"cannot write {path}: {error.strerror}", hint="name another folder with -o") from error
