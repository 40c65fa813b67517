"""Bring files by hash into a store: what is there already, then mirrors, then the snapshot archive.

The bytes decide: whatever a source serves is hashed, a source with wrong bytes is named and the next one asked.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, Protocol

from repro.model.errors import IntegrityFailure, Unavailable
from repro.model.text import human_size
from repro.snapshot.meter import Meter
from repro.snapshot.politeness import Patience, Stopped
from repro.snapshot.sources import Source, Wanted, told
from repro.system.http import Body, Http, HttpProblem
from repro.system.pool import parallel
from repro.system.progress import Observer, Task

WORKERS = 4
_SHOWN = 8
_SIZEABLE = 1 << 20  # bytes: a request that brings so many, or a good part of the file, was not fruitless


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
    """What `ensure` did: counts of files and bytes; `rates` are bytes a second by source."""

    present: int
    fetched: int
    bytes_fetched: int
    rates: Mapping[str, float] = field(default_factory=dict)


class WrongBytes(Exception):
    """A source served something else than asked for; the message says what."""


class Late(Exception):
    """The deadline has passed."""


@dataclass(frozen=True)
class _Failure:
    wanted: Wanted
    said: tuple[str, ...]
    wrong: bool


class Fetcher:
    """Fetches into `store` from `sources`, in their order. Safe to use from threads."""

    def __init__(
        self, store: BlobStore, http: Http, sources: Sequence[Source], patience: Patience | None = None
    ) -> None:
        self.store, self.http, self.sources = store, http, tuple(sources)
        self.patience = patience or Patience()

    def plan(self, wanted: Sequence[Wanted]) -> Plan:
        """Classify `wanted` without opening a socket; each hash once."""
        unique = list({item.sha256: item for item in wanted}.values())
        present = [item for item in unique if self.store.has(item.sha256, item.size)]
        here = {item.sha256 for item in present}
        missing = [item for item in unique if item.sha256 not in here]
        served = [item for item in missing if not self.http.offline and self.serving(item.archive)]
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
        until = time.monotonic() + self.patience.deadline if self.patience.deadline else math.inf
        stop = threading.Event()
        with observer.task(label, plan.bytes_to_fetch, unit="bytes") as task:
            run = _Run(task, observer, Meter(), stop, until)
            results = parallel(lambda item: self._one(item, run), plan.obtainable, WORKERS, stop)
        if failures := [result for result in results if result]:
            raise _error(failures)
        return Fetched(len(plan.present), len(plan.obtainable), plan.bytes_to_fetch, run.meter.rates())

    def unavailable(self, missing: Sequence[Wanted]) -> Unavailable:
        """The error that says how many inputs a plan found in no place, their names, and what to do."""
        names = ", ".join(item.label for item in missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        size = human_size(sum(item.size for item in missing))
        count = f"{len(missing)} input{'s' * (len(missing) > 1)} ({size})"
        if self.http.offline:
            return Unavailable(
                f"{count} missing from the store, and --offline was given: {names}",
                hint="run once without --offline, or bring a store that has them with --store",
            )
        return Unavailable(
            f"{count} missing, and no source serves their archive: {names}",
            hint="add a mirror of it to sources.toml, see docs/fetching.md",
        )

    def serving(self, archive: str) -> list[Source]:
        """The sources to ask for a file of `archive`, in their order."""
        return [source for source in self.sources if source.serves(archive)]

    def _one(self, wanted: Wanted, run: _Run) -> _Failure | None:
        """Fetch one file from the first source that has it; None where it is then in the store.

        Raises Stopped soon after the run is stopped; what has arrived by then stays, for the next run to resume.
        """
        with self.store.partial(wanted.sha256) as download:
            if self.store.has(wanted.sha256, wanted.size):  # by another process, while we waited for it
                run.task.advance(wanted.size)
                return None
            counter = _Counter(run, wanted.size)
            counter.at(download.size)
            if download.size >= wanted.size:
                if download.size == wanted.size and download.commit() == wanted.sha256:
                    counter.at(wanted.size)
                    return None
                download.restart()
            said: list[str] = []
            wrong = False
            try:
                for source in self.serving(wanted.archive):
                    try:
                        self._from(source, wanted, download, counter)
                    except WrongBytes as error:
                        wrong = True
                        said.append(f"{source.name}: {error}")
                        run.observer.note(f"{wanted.label}: {source.name} served wrong bytes: {error}")
                    except HttpProblem as error:
                        said.append(error.message)
                    else:
                        return None
            except Late:
                said.append(f"the deadline of {self.patience.deadline:g} s passed")
            return _Failure(wanted, tuple(said), wrong)

    def _from(self, source: Source, wanted: Wanted, download: Download, counter: _Counter) -> None:
        """Fetch from one source. Raises WrongBytes or HttpProblem, of the first path where several were tried."""
        first: WrongBytes | HttpProblem | None = None
        for number, path in enumerate((wanted.path, *wanted.fallbacks)):
            for url in source.urls(wanted, path):
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
        fruitless, delay, validator = 0, 0.0, _Validator()
        for number in range(self.patience.most_requests):
            before = download.size
            counter.demand_time(delay)
            try:
                with source.budget.turn(delay, counter.run.stop), counter.run.meter.request(source.name):
                    counter.run.task.served(source.name)
                    self._once(url, wanted, download, counter, validator)
                source.budget.good()
                counter.run.meter.got(source.name, wanted.size - before)
                return
            except WrongBytes:
                source.budget.good()
                download.restart()
                counter.at(0)
                if not resumed_from_others:
                    raise
                resumed_from_others, delay = False, 0.0  # the wrong part may be older: this source gets a clean start
            except HttpProblem as error:
                if error.status == 416:
                    download.restart()
                    counter.at(0)
                sizeable = min(_SIZEABLE, 1 + wanted.size // 16)
                fruitless = 1 if download.size >= before + sizeable else fruitless + 1
                last = number + 1 == self.patience.most_requests
                delay = told(source, error, None if last else self.patience.after(error, fruitless))
        raise HttpProblem(f"{url}: asked {self.patience.most_requests} times")

    def _once(self, url: str, wanted: Wanted, download: Download, counter: _Counter, validator: _Validator) -> None:
        with self.http.stream(url, start=download.size, validator=validator.text) as body:
            validator.text = body.validator
            if body.start == 0 and download.size:
                download.restart()
            _refuse_size(body, wanted)
            pace = _Pace(self.patience, download.size)
            for chunk in body.chunks():
                if download.size + len(chunk) > wanted.size:
                    raise WrongBytes(f"more than the expected {wanted.size} bytes")
                download.append(chunk)
                counter.at(download.size)
                if download.size < wanted.size and pace.too_slow(download.size):
                    raise HttpProblem(f"{url}: slower than {self.patience.minimum_rate:g} bytes a second")
        if download.size < wanted.size:
            if body.total is not None:
                raise WrongBytes(f"{download.size} bytes instead of {wanted.size}")
            raise HttpProblem(f"{url}: ended after {download.size} of {wanted.size} bytes")
        actual = download.commit()
        if actual != wanted.sha256:
            raise WrongBytes(f"SHA-256 {actual} instead of {wanted.sha256}")


@dataclass(frozen=True)
class _Run:
    """What the files of one `ensure` share; `until` is by the monotonic clock."""

    task: Task
    observer: Observer
    meter: Meter
    stop: threading.Event
    until: float


@dataclass
class _Validator:
    """Of the bytes that a source has sent so far: its strong ETag, or nothing."""

    text: str = ""


class _Pace:
    """Whether a download is slower than anybody should wait for."""

    def __init__(self, patience: Patience, size: int) -> None:
        self._patience, self._size, self._since = patience, size, time.monotonic()

    def too_slow(self, size: int) -> bool:
        passed = time.monotonic() - self._since
        if passed < self._patience.slow_after:
            return False
        slow = size - self._size < self._patience.minimum_rate * passed
        self._size, self._since = size, time.monotonic()
        return slow


class _Counter:
    """Tells a task how far one file is, also when it falls back to an earlier offset; ends it where it should end."""

    def __init__(self, run: _Run, total: int) -> None:
        self.run, self._total, self._told = run, total, 0

    def at(self, offset: int) -> None:
        if self.run.stop.is_set():
            raise Stopped
        self.demand_time(0)
        if offset != self._told:
            self.run.task.advance(min(offset, self._total) - self._told)
            self._told = min(offset, self._total)

    def demand_time(self, seconds: float) -> None:
        if time.monotonic() + seconds > self.run.until:
            raise Late


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
        hint="try again later, or add a source to sources.toml or REPRO_SNAPSHOT_URL; what was fetched is kept",
    )
