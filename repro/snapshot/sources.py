"""Places that serve files of archives by path: mirrors, and snapshot archives by timestamp and path."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from urllib.parse import quote

from repro.model.errors import Unavailable
from repro.model.pin import TIMESTAMP, Pin, parse_timestamp
from repro.snapshot.hosts import Mirrors, quoted, snapshot_url
from repro.system.http import Http, HttpProblem

POLITE = 1.5  # seconds between two requests that a snapshot archive tolerates, by experience
ATTEMPTS = 5  # requests to one address in a row that bring nothing new…
ATTEMPTS_SILENT = 3  # …and where not even an answer came
LONGEST_WAIT = 120.0  # seconds: a source that asks for more patience is passed over
_RETRY = (0, 408, 416, 425, 429, 500, 502, 503, 504, 509)
_LISTING_LIMIT = 4 << 20


@dataclass(frozen=True)
class Wanted:
    """A file of an archive: SHA-256, size in bytes, `path` below the archive's root, the pin's `timestamp`.

    `label` names it for people. `fallbacks` are other paths that may hold it, where finding other bytes is no
    surprise (an index by its plain name, when the suite has moved on).
    """

    sha256: str
    size: int
    archive: str
    path: str
    timestamp: str
    label: str
    fallbacks: tuple[str, ...] = ()


class Source(Protocol):
    """A place to ask. `polite` sources get few, spaced requests; `urls` are tried in order."""

    name: str
    polite: bool

    def serves(self, archive: str) -> bool: ...

    def urls(self, archive: str, path: str, timestamp: str) -> Iterator[str]: ...

    def wait(self, seconds: float = 0) -> None: ...


class Mirror:
    """A mirror of one archive at the base address `base`: it has what the archive holds today."""

    polite = False

    def __init__(self, archive: str, base: str) -> None:
        self.name = base
        self._archive = archive

    def serves(self, archive: str) -> bool:
        return archive == self._archive

    def urls(self, archive: str, path: str, timestamp: str) -> Iterator[str]:
        yield f"{self.name}/{quoted(path)}"

    def wait(self, seconds: float = 0) -> None:
        """Sleep `seconds`, spread a little so that workers do not come back all at once."""
        if seconds:
            time.sleep(seconds * random.uniform(0.75, 1.25))


class SnapshotArchive:
    """A snapshot archive at `base`: `/archive/ARCHIVE/TIMESTAMP/PATH` is the state of an archive at a time.

    A time between two imports means the earlier one. So a pin whose timestamp is the Date of its Release may lie
    just before the import that brought that Release; the first import after it is then asked for the same path.
    Safe to use from threads; at most one request every `POLITE` seconds leaves a process.
    """

    polite = True

    def __init__(self, base: str, http: Http, pause: float = POLITE) -> None:
        self.name = base
        self._http, self._pause = http, pause
        self._turn, self._asking = threading.Lock(), threading.Lock()
        self._next = 0.0
        self._after: dict[tuple[str, str], str | None] = {}

    def serves(self, archive: str) -> bool:
        return True

    def urls(self, archive: str, path: str, timestamp: str) -> Iterator[str]:
        yield self.url(archive, path, timestamp)
        if later := self.import_after(archive, timestamp):
            yield self.url(archive, path, later)

    def url(self, archive: str, path: str, timestamp: str) -> str:
        return snapshot_url(archive, timestamp, path, self.name)

    def wait(self, seconds: float = 0) -> None:
        """Sleep until it is this caller's turn, and at least `seconds` if that is longer."""
        with self._turn:
            turn = max(self._next, time.monotonic() + seconds * random.uniform(1, 1.5))
            self._next = turn + self._pause
        time.sleep(max(0.0, turn - time.monotonic()))

    def import_after(self, archive: str, timestamp: str) -> str | None:
        """The first import of `archive` at or after `timestamp`, None where the service does not say."""
        with self._asking:
            if (archive, timestamp) not in self._after:
                until = (parse_timestamp(timestamp) + timedelta(days=30)).strftime(TIMESTAMP)
                try:
                    later = [stamp for stamp in self._imports(archive, timestamp, until) if stamp >= timestamp]
                except HttpProblem:
                    later = []
                self._after[archive, timestamp] = min(later, default=None)
            return self._after[archive, timestamp]

    def import_at(self, archive: str, timestamp: str) -> str:
        """The canonical time of the import that `timestamp` means. Raises Unavailable where there is none."""
        since = (parse_timestamp(timestamp) - timedelta(days=30)).strftime(TIMESTAMP)
        earlier = [stamp for stamp in self._imports(archive, since, timestamp) if stamp <= timestamp]
        if not earlier:
            raise Unavailable(f"{self.name} has no import of {archive} at {timestamp}, nor in the 30 days before")
        return max(earlier)

    def _imports(self, archive: str, after: str, before: str) -> list[str]:
        """Import times of `archive` between the two, by `/mr/timestamp/`: `{"result": {ARCHIVE: [TIME…]}}`."""
        url = f"{self.name}/mr/timestamp/?archive={quote(archive)}&after={after}&before={before}"
        try:
            stamps = json.loads(get_patiently(self._http, self, url, _LISTING_LIMIT))["result"].get(archive, [])
            return [stamp for stamp in stamps if isinstance(stamp, str) and _is_timestamp(stamp)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HttpProblem(f"{url}: not the expected answer ({type(error).__name__})", 200) from error


def patience(error: HttpProblem, failures: int) -> float | None:
    """Seconds to wait before asking again after `failures` fruitless requests, the last ending in `error`; None for
    giving up. Retry-After is honoured, else the wait doubles each time."""
    delay = 0.5 * 2**failures if error.retry_after is None else error.retry_after
    most = ATTEMPTS if error.status else ATTEMPTS_SILENT
    return delay if error.status in _RETRY and failures < most and delay <= LONGEST_WAIT else None


def get_patiently(http: Http, source: Source, url: str, limit: int) -> bytes:
    """The body at `url` of `source`, at most `limit` bytes. Raises as `Http.get` does, once patience ends."""
    failures, delay = 0, 0.0
    while True:
        source.wait(delay)
        try:
            return http.get(url, limit=limit)
        except HttpProblem as error:
            failures += 1
            again = patience(error, failures)
            if again is None:
                raise
            delay = again


def sources(mirrors: Mirrors, snapshot: str, http: Http) -> tuple[Source, ...]:
    """Every mirror, archive by archive, then the snapshot archive at `snapshot`."""
    found: list[Source] = [Mirror(archive, base) for archive, bases in mirrors.items() for base in bases]
    return (*found, SnapshotArchive(snapshot, http))


def wanted_suite_file(pin: Pin, path: str, size: int, sha256: str) -> Wanted:
    """A file below `dists/SUITE/` of `pin`: by its hash, or else by its plain name, which is overwritten whenever the
    suite moves."""
    named = f"dists/{pin.suite}/{path}"
    hashed = f"{named.rpartition('/')[0]}/by-hash/SHA256/{sha256}"
    return Wanted(sha256, size, pin.archive, hashed, pin.timestamp, f"{pin.name} {path}", (named,))


def _is_timestamp(text: str) -> bool:
    try:
        parse_timestamp(text)
    except ValueError:
        return False
    return True
