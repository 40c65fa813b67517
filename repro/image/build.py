"""Building an order: the stages in one sandbox, each taken from the cache where its id is known."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from repro.image import iso, root, squash
from repro.image.order import Order
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

ISO = "image.iso"
_PRELOAD = (toolchain.MODULE, toolchain.UNPACK, root.MODULE, root.NORMALIZE)
_LABELS = {"root": "root file system", "squashfs": "squashfs", "iso": "ISO image"}
_OUTPUTS = {"root": ("root.tar", "vmlinuz", "initrd.img"), "squashfs": (squash.NAME,), "iso": (ISO,)}
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
    runs = [StageRun(stage, ids[stage], True, 0.0) for stage in order.stages if stage in known]
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as scratch:
        have = _Outputs(store, Path(scratch), {name: blob for found in known.values() for name, blob in found.items()})
        if order.stages[-1] not in known:
            with _workshop(order, environment, backend, store=store, log=log, observer=observer) as session:
                have.lend(session)
                for stage in order.stages[len(runs) :]:
                    began = time.monotonic()
                    with observer.task(_LABELS[stage]):
                        _run(session, order, stage, store, have)
                    if cache:
                        have.keep(session, cache, ids[stage], _OUTPUTS[stage])
                    runs.append(StageRun(stage, ids[stage], False, round(time.monotonic() - began, 1)))
                have.take(session, list(_published(order)))
        files = [have.publish(name, folder / target) for name, target in _published(order).items()]
    return Built(tuple(files), have.normalized, tuple(runs), have.trace)


def _known(order: Order, ids: Mapping[str, str], cache: StageCache | None) -> dict[str, Mapping[str, Blob]]:
    """The stages that need not be done: those that publish if all of these are cached, else all before the first
    that is not."""
    known: dict[str, Mapping[str, Blob]] = {}
    if cache is None:
        return known
    publishing = [stage for stage in order.stages if not set(_OUTPUTS[stage]).isdisjoint(_published(order))]
    for stages in (publishing, order.stages):
        known = {}
        for stage in stages:
            if not (found := cache.get(ids[stage])):
                break
            known[stage] = found
        if len(known) == len(stages):
            break
    return known


def _published(order: Order) -> dict[str, str]:
    """The outputs to write: name in the sandbox → name of the file. Of a build that ends early, its tree."""
    if order.until == "root":
        return {"root.tar": f"{order.recipe.name}.tar"}
    names = {"iso": ISO, "squashfs": squash.NAME}
    return {names[kind]: f"{order.recipe.name}.{kind}" for kind in order.recipe.outputs}


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
    if stage == "root":
        have.normalized = root.make_root(session, order, _opener(store))
        if order.trace:
            have.trace = have.read(session, tracer.REPORT)
    elif stage == "squashfs":
        dated = SQUASHFS_TIME.name not in order.without
        squash.make_squashfs(session, order.recipe.compression, order.recipe.compression_level, dated=dated)
    else:
        manifest = "".join(f"{package.name} {package.version}\n" for package in order.lock.image)
        iso.make_iso(session, order.recipe, manifest, ISO, order.without)


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

    def lend(self, session: Session) -> None:
        """Put what the store has into the sandbox, where later stages expect it."""
        for name, blob in self.blobs.items():
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
