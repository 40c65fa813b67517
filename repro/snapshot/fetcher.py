"""Bring files by hash into a store: what is there already, then mirrors, then the snapshot archive.

The bytes decide: whatever a source serves is hashed, a source with wrong bytes is named and the next one asked.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Protocol

from repro.model.errors import IntegrityFailure, Unavailable
from repro.model.text import human_size
from repro.snapshot.sources import Source, Wanted, patience
from repro.system.http import Body, Http, HttpProblem
from repro.system.pool import parallel
from repro.system.progress import Observer, Task

WORKERS = 4
_SHOWN = 8


class Download(Protocol):
    """A file under way in the store, locked for us: `size` bytes are here."""

    size: int

    def append(self, data: bytes) -> None: ...

    def restart(self) -> None: ...

    def commit(self) -> str: ...


class BlobStore(Protocol):
    """What fetching asks of a store."""

    def has(self, sha256: str, size: int | None = None) -> bool: ...

    def partial(self, sha256: str) -> AbstractContextManager[Download]: ...

    def open_verified(self, sha256: str, size: int | None = None) -> AbstractContextManager[IO[bytes]]: ...

    def add_stream(self, stream: IO[bytes], *, sha256: str | None = None, size: int | None = None) -> object: ...


@dataclass(frozen=True)
class Plan:
    """Inputs before anything starts: `present` in the store, `obtainable` from a source that serves the archive (not
    asked yet), `unavailable` from none."""

    present: tuple[Wanted, ...]
    obtainable: tuple[Wanted, ...]
    unavailable: tuple[Wanted, ...]

    @property
    def bytes_to_fetch(self) -> int:
        return sum(wanted.size for wanted in self.obtainable)


@dataclass(frozen=True)
class Fetched:
    """What `ensure` did: counts of files and bytes."""

    present: int
    fetched: int
    bytes_fetched: int


class WrongBytes(Exception):
    """A source served something else than asked for; the message says what."""


class Stopped(Exception):
    """Another file failed, or somebody pressed Ctrl-C: this one is left as it is."""


@dataclass(frozen=True)
class _Failure:
    wanted: Wanted
    said: tuple[str, ...]
    wrong: bool


class Fetcher:
    """Fetches into `store` from `sources`, in their order. Safe to use from threads."""

    def __init__(self, store: BlobStore, http: Http, sources: Sequence[Source], workers: int = WORKERS) -> None:
        self.store, self._http, self._sources, self._workers = store, http, tuple(sources), workers
        self._silent: dict[str, str] = {}
        self._lock = threading.Lock()

    def plan(self, wanted: Sequence[Wanted]) -> Plan:
        """Classify `wanted` without opening a socket; each hash once."""
        unique = list({item.sha256: item for item in wanted}.values())
        present = [item for item in unique if self.store.has(item.sha256, item.size)]
        here = {item.sha256 for item in present}
        missing = [item for item in unique if item.sha256 not in here]
        served = [item for item in missing if not self._http.offline and self._serving(item.archive)]
        to_be_had = {item.sha256 for item in served}
        unavailable = [item for item in missing if item.sha256 not in to_be_had]
        return Plan(tuple(present), tuple(served), tuple(unavailable))

    def ensure(self, wanted: Sequence[Wanted], observer: Observer) -> Fetched:
        """Have all of `wanted` in the store.

        Nothing is begun where the plan says that something is unavailable; once begun, everything that can be had is
        fetched, also where something else fails. Raises IntegrityFailure where some file was served, but never with
        the right bytes; else Unavailable where one could not be had, naming the file, the sources and what each
        said; and what the store raises where it cannot be written.
        """
        plan = self.plan(wanted)
        if plan.unavailable:
            raise self.unavailable(plan.unavailable)
        if not plan.obtainable:
            return Fetched(len(plan.present), 0, 0)
        label = f"fetching {len(plan.obtainable)} file{'s' * (len(plan.obtainable) > 1)}"
        stop = threading.Event()
        with observer.task(label, plan.bytes_to_fetch, unit="bytes") as task:
            results = parallel(lambda item: self._one(item, task, observer, stop), plan.obtainable, self._workers, stop)
        if failures := [result for result in results if result]:
            raise _error(failures)
        return Fetched(len(plan.present), len(plan.obtainable), plan.bytes_to_fetch)

    def unavailable(self, missing: Sequence[Wanted]) -> Unavailable:
        """The error that says how many inputs a plan found in no place, their names, and what to do."""
        names = ", ".join(item.label for item in missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        size = human_size(sum(item.size for item in missing))
        count = f"{len(missing)} input{'s' * (len(missing) > 1)} ({size})"
        if self._http.offline:
            return Unavailable(
                f"{count} missing from the store, and --offline was given: {names}",
                hint="run once without --offline, or bring a store that has them with --store",
            )
        return Unavailable(
            f"{count} missing, and no source serves their archive: {names}",
            hint="add a mirror of it to mirrors.toml, see docs/trust.md",
        )

    def _serving(self, archive: str) -> list[Source]:
        return [source for source in self._sources if source.serves(archive)]

    def _one(self, wanted: Wanted, task: Task, observer: Observer, stop: threading.Event) -> _Failure | None:
        """Fetch one file from the first source that has it; None where it is then in the store.

        Raises Stopped soon after `stop` is set; what has arrived by then stays, for the next run to resume.
        """
        with self.store.partial(wanted.sha256) as download:
            if self.store.has(wanted.sha256, wanted.size):  # by another process, while we waited for it
                task.advance(wanted.size)
                return None
            counter = _Counter(task, wanted.size, stop)
            counter.at(download.size)
            if download.size >= wanted.size:
                if download.size == wanted.size and download.commit() == wanted.sha256:
                    counter.at(wanted.size)
                    return None
                download.restart()
            said: list[str] = []
            wrong = False
            for source in self._serving(wanted.archive):
                try:
                    self._from(source, wanted, download, counter)
                except WrongBytes as error:
                    wrong = True
                    said.append(f"{source.name}: {error}")
                    observer.note(f"{wanted.label}: {source.name} served wrong bytes: {error}")
                except HttpProblem as error:
                    said.append(error.message)
                else:
                    return None
            return _Failure(wanted, tuple(said), wrong)

    def _from(self, source: Source, wanted: Wanted, download: Download, counter: _Counter) -> None:
        """Fetch from one source. Raises WrongBytes or HttpProblem, of the first path where several were tried."""
        if why := self._silent.get(source.name):
            raise HttpProblem(f"{source.name}: not asked again ({why})")
        first: WrongBytes | HttpProblem | None = None
        for number, path in enumerate((wanted.path, *wanted.fallbacks)):
            for url in source.urls(wanted.archive, path, wanted.timestamp):
                try:
                    self._patiently(source, url, wanted, download, counter)
                    return
                except WrongBytes as error:
                    moved = number or first  # another import, or a plain name of a suite that moved on: no surprise
                    first = first or (HttpProblem(f"{url}: {error}", 200) if moved else error)
                except HttpProblem as error:
                    first = first or error
                    if error.status not in (404, 410):
                        raise first from error
        raise first or HttpProblem(f"{source.name}: nothing to ask for")

    def _patiently(self, source: Source, url: str, wanted: Wanted, download: Download, counter: _Counter) -> None:
        """GET `url` until it is whole: resumed where it broke off, later where the server asks for patience."""
        resumed_from_others = download.size > 0
        failures, delay = 0, 0.0
        while True:
            before = download.size
            source.wait(delay)
            try:
                self._once(url, wanted, download, counter)
                return
            except WrongBytes:
                download.restart()
                counter.at(0)
                if not resumed_from_others:
                    raise
                resumed_from_others, delay = False, 0.0  # the wrong part may be older: this source gets a clean start
            except HttpProblem as error:
                if error.status == 416:
                    download.restart()
                    counter.at(0)
                failures = 1 if download.size > before else failures + 1
                again = patience(error, failures)
                if again is None:
                    if error.status == 0:
                        with self._lock:
                            self._silent[source.name] = "it did not answer before"
                    raise
                delay = again

    def _once(self, url: str, wanted: Wanted, download: Download, counter: _Counter) -> None:
        with self._http.stream(url, start=download.size) as body:
            if body.start == 0 and download.size:
                download.restart()
            _refuse_size(body, wanted)
            for chunk in body.chunks():
                if download.size + len(chunk) > wanted.size:
                    raise WrongBytes(f"more than the expected {wanted.size} bytes")
                download.append(chunk)
                counter.at(download.size)
        if download.size < wanted.size:
            if body.total is not None:
                raise WrongBytes(f"{download.size} bytes instead of {wanted.size}")
            raise HttpProblem(f"{url}: ended after {download.size} of {wanted.size} bytes")
        actual = download.commit()
        if actual != wanted.sha256:
            raise WrongBytes(f"SHA-256 {actual} instead of {wanted.sha256}")


class _Counter:
    """Tells a task how far one file is, also when it falls back to an earlier offset."""

    def __init__(self, task: Task, total: int, stop: threading.Event) -> None:
        self._task, self._total, self._told, self._stop = task, total, 0, stop

    def at(self, offset: int) -> None:
        if self._stop.is_set():
            raise Stopped
        if offset != self._told:
            self._task.advance(min(offset, self._total) - self._told)
            self._told = min(offset, self._total)


def _refuse_size(body: Body, wanted: Wanted) -> None:
    if body.total is not None and body.total != wanted.size:
        raise WrongBytes(f"{body.total} bytes instead of {wanted.size}")


def _error(failures: Sequence[_Failure]) -> IntegrityFailure | Unavailable:
    wrong = [failure for failure in failures if failure.wrong]
    shown = wrong or failures
    lines = [
        f"{failure.wanted.label} ({failure.wanted.archive} {failure.wanted.path}): " + "; ".join(failure.said)
        for failure in shown[:_SHOWN]
    ]
    if len(shown) > _SHOWN:
        lines.append(f"… and {len(shown) - _SHOWN} more")
    listing = "\n  ".join(lines)
    if wrong:
        return IntegrityFailure(
            f"no source has the right bytes of {len(wrong)} file{'s' * (len(wrong) > 1)}:\n  {listing}",
            hint="add a mirror that you trust to be whole; nothing that was wrong has been kept",
        )
    return Unavailable(
        f"{len(failures)} file{'s' * (len(failures) > 1)} could not be had:\n  {listing}",
        hint="try again later, or add a source to mirrors.toml or REPRO_SNAPSHOT_URL; what was fetched is kept",
    )
