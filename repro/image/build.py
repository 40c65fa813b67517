"""Building an order: the stages in one sandbox, each taken from the cache where its id is known."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from repro.image import archives, iso, kit, root, usb
from repro.image.order import Order
from repro.image.squash import make_squashfs
from repro.image.stages import ISO, KIT, OCI, ROOT, SQUASHFS, STAGES, TAR, USB
from repro.image.steps import SQUASHFS_TIME
from repro.model.errors import Unavailable
from repro.model.lock import LockedPackage
from repro.model.record import StageRun
from repro.sandbox import toolchain, tracer
from repro.sandbox.backend import Backend
from repro.sandbox.environment import Environment
from repro.sandbox.session import Session, open_session
from repro.store import Blob, StageCache, Store
from repro.system.progress import Observer

_INSIDE = ("files_inside", "kit_inside", "medium_inside")
_PRELOAD = (
    *(toolchain.MODULE, toolchain.UNPACK, root.MODULE, root.NORMALIZE),
    *(f"repro.image.{name}" for name in _INSIDE),
)
_MAKE = {ISO: iso.make_iso, USB: usb.make_usb, TAR: archives.make_tarball, OCI: archives.make_oci, KIT: kit.make_kit}
PIDS = 7919  # by how many process ids a repeated build is ahead: those that reach the bits are told apart
_NORMALIZED = "normalized.json"  # kept with every stage, so that the last one alone tells all


@dataclass(frozen=True)
class Built:
    """What a build gave: the files written, what each normalizer changed (paths), how each stage went."""

    files: tuple[Path, ...]
    normalized: Mapping[str, list[str]]
    stages: tuple[StageRun, ...]
    trace: bytes = b""  # what `sandbox.tracer` took down, where it was asked for


def build(
    order: Order,
    environment: Environment,
    backend: Backend,
    *,
    store: Store,
    cache: StageCache | None,
    folder: Path,
    log: IO[bytes],
    observer: Observer,
) -> Built:
    """Build `order` and write its outputs into `folder`; with no `cache` every stage is done anew.

    Raises BuildFailed where a step fails, IntegrityFailure where a package's bytes are not the locked ones,
    Unavailable where the disk is full.
    """
    ids = order.stage_ids(environment)
    known = _known(order, ids, cache)
    done = {stage: StageRun(stage, ids[stage], True, 0.0) for stage in known}
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as scratch:
        have = _Outputs(store, Path(scratch), {name: blob for found in known.values() for name, blob in found.items()})
        if missing := [stage for stage in order.stages if stage not in done and _is_needed(order, stage, known)]:
            with _workshop(order, environment, backend, store=store, log=log, observer=observer) as session:
                have.lend(session, order.base.squashfs if order.base and KIT in missing else None)
                for stage in missing:
                    began = time.monotonic()
                    with observer.task(STAGES[stage].label):
                        _run(session, order, stage, store, have)
                    if cache:
                        have.keep(session, cache, ids[stage], STAGES[stage].outputs)
                    done[stage] = StageRun(stage, ids[stage], False, round(time.monotonic() - began, 1))
                have.take(session, [name for name in _published(order) if name not in have.blobs])
        files = [have.publish(name, folder / target) for name, target in _published(order).items()]
    runs = tuple(done[stage] for stage in order.stages if stage in done)
    return Built(tuple(files), have.normalized, runs, have.trace)


def _known(order: Order, ids: Mapping[str, str], cache: StageCache | None) -> dict[str, Mapping[str, Blob]]:
    """The stages that need not be done, as the cache has them: of those that are looked for, what publishes first."""
    known: dict[str, Mapping[str, Blob]] = {}
    if cache is None:
        return known
    for stage in reversed(order.stages):
        if _is_needed(order, stage, known) and (found := cache.get(ids[stage])):
            known[stage] = found
    return known


def _is_needed(order: Order, stage: str, known: Iterable[str]) -> bool:
    """Whether what `stage` gives is published, or read by a stage that has to be done since it is not `known`."""
    if STAGES[stage].published in _published(order):
        return True
    readers = (each for each in order.stages if stage in STAGES[each].needs and each not in known)
    return any(_is_needed(order, each, known) for each in readers)


def _published(order: Order) -> dict[str, str]:
    """The outputs to write: name in the sandbox → name of the file. Of a build that ends early, what it ends with."""
    wanted = (order.until,) if order.until else order.wanted
    return {STAGES[name].published: f"{order.recipe.name}{STAGES[name].suffix}" for name in wanted}


@contextlib.contextmanager
def _workshop(
    order: Order, environment: Environment, backend: Backend, *, store: Store, log: IO[bytes], observer: Observer
) -> Iterator[Session]:
    """A sandbox with the locked toolchain in it."""
    with open_session(
        environment,
        backend,
        log=log,
        preload=_PRELOAD,
        timeout=order.recipe.timeout,
        size=order.recipe.scratch,
        fuse=environment.directory_order != "native",
        last_pid=PIDS * order.repeat,
    ) as session:
        toolchain.install(session, order.lock.toolchain, _opener(store), observer)
        yield session


def _run(session: Session, order: Order, stage: str, store: Store, have: _Outputs) -> None:
    if stage == ROOT:
        have.normalized = root.make_root(session, order, _opener(store))
        if order.trace:
            have.trace = have.read(session, tracer.REPORT)
    elif stage == SQUASHFS:
        recipe, dated = order.recipe, SQUASHFS_TIME.name not in order.without
        files = f"{root.OUTPUT}/root.tar", f"{root.OUTPUT}/{STAGES[stage].published}"
        make_squashfs(session, *files, recipe.compression, recipe.compression_level, dated=dated)
    else:
        _MAKE[stage](session, order, STAGES[stage].published)


def _opener(store: Store) -> Callable[[LockedPackage], IO[bytes]]:
    """Opens a locked package as a file whose hash was checked just now."""
    return lambda package: store.open_verified(package.sha256, package.size)


@dataclass
class _Outputs:
    """The outputs of stages wherever they are: in the store, in the sandbox, or as files in `scratch`."""

    store: Store
    scratch: Path
    blobs: dict[str, Blob]
    normalized: Mapping[str, list[str]] = field(default_factory=dict)
    trace: bytes = b""

    def __post_init__(self) -> None:
        if blob := self.blobs.get(_NORMALIZED):
            self.normalized = json.loads(self.store.read(blob.sha256, blob.size))

    def lend(self, session: Session, base: Blob | None) -> None:
        """Put what the store has into the sandbox, where later stages expect it, and the base of a kit."""
        for name, blob in (self.blobs | ({kit.BASE: base} if base else {})).items():
            with self.store.open_verified(blob.sha256, blob.size) as stream:
                session.put(stream, f"{root.OUTPUT}/{name}")

    def take(self, session: Session, names: list[str]) -> None:
        """Bring outputs out of the sandbox into scratch files."""
        for name in names:
            with open(self.scratch / name, "wb") as target:
                session.get(f"{root.OUTPUT}/{name}", target)

    def read(self, session: Session, path: str) -> bytes:
        """The file at `path` inside."""
        with tempfile.TemporaryFile(dir=self.scratch) as target:
            session.get(path, target)
            target.seek(0)
            return target.read()

    def keep(self, session: Session, cache: StageCache, stage: str, names: tuple[str, ...]) -> None:
        """Bring the outputs of a stage that just ran into the cache."""
        there = [name for name in names if session.call(root.MODULE, "exists", path=f"{root.OUTPUT}/{name}")]
        self.take(session, there)
        outputs: dict[str, Path | Blob | bytes] = {name: self.scratch / name for name in there}
        cache.put(stage, {**outputs, _NORMALIZED: json.dumps(self.normalized).encode()})
        for name in there:
            (self.scratch / name).unlink()

    def publish(self, name: str, target: Path) -> Path:
        """Give the output `name` its final name, whole or not at all."""
        path = self.scratch / name
        try:
            if not path.exists():
                blob = self.blobs[name]
                with self.store.open_verified(blob.sha256, blob.size) as source, open(path, "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            os.replace(path, target)
        except OSError as error:
            raise Unavailable(f"cannot write {target}: {error.strerror}", hint="free some space, or use -o") from error
        return target
