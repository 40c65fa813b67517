"""Places that serve files of archives by path: mirrors, and snapshot archives by timestamp and path."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from urllib.parse import quote, urlsplit

from repro.model.errors import Unavailable
from repro.model.pin import TIMESTAMP, Pin, parse_timestamp
from repro.snapshot.hosts import quoted, snapshot_url
from repro.snapshot.politeness import PASSING, Budget, NotAsked, Patience
from repro.snapshot.settings import Settings
from repro.system.http import Http, HttpProblem

_LISTING_LIMIT = 4 << 20
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Wanted:
    """A file of an archive: SHA-256, size in bytes, `path` below the archive's root, the pin's `timestamp`.

    `label` names it for people. `fallbacks` are other paths that may hold it, where finding other bytes is no
    surprise (an index by its plain name, when the suite has moved on). `package` is (name, version) of a .deb: by these
    a snapshot archive knows it, where its path does not lead there.
    """

    sha256: str
    size: int
    archive: str
    path: str
    timestamp: str
    label: str
    fallbacks: tuple[str, ...] = ()
    package: tuple[str, str] | None = None


class Source(Protocol):
    """A place to ask, within the `budget` of its host. `url` is where a file should be; `urls` are all places to try,
    in order, each taken only when the one before had nothing. `mirror` is whether it may be asked much."""

    name: str
    budget: Budget
    mirror: bool

    def serves(self, archive: str) -> bool: ...

    def url(self, archive: str, path: str, timestamp: str) -> str: ...

    def urls(self, wanted: Wanted, path: str) -> Iterator[str]: ...


class Mirror:
    """A mirror of one archive at the base address `base`: it has what the archive holds today."""

    mirror = True

    def __init__(self, archive: str, base: str, budget: Budget | None = None) -> None:
        self.name = base
        self.budget = budget or Budget()
        self._archive = archive

    def serves(self, archive: str) -> bool:
        return archive == self._archive

    def url(self, archive: str, path: str, timestamp: str) -> str:
        return f"{self.name}/{quoted(path)}"

    def urls(self, wanted: Wanted, path: str) -> Iterator[str]:
        yield self.url(wanted.archive, path, wanted.timestamp)


class SnapshotArchive:
    """A snapshot archive at `base`: `/archive/ARCHIVE/TIMESTAMP/PATH` is the state of an archive at a time.

    A time between two imports means the earlier one. So a pin whose timestamp is the Date of its Release may lie
    just before the import that brought that Release; the first import after it is then asked for the same path. A .deb
    that is at neither is looked for by name and version, and fetched by the SHA-1 that the archive knows it by.
    Safe to use from threads.
    """

    mirror = False

    def __init__(self, base: str, http: Http, budget: Budget | None = None, patience: Patience | None = None) -> None:
        self.name = base
        self.budget = budget or Budget(1.5, 1)
        self._http, self._patience = http, patience or Patience()
        self._asking = threading.Lock()
        self._after: dict[tuple[str, str], str | None] = {}

    def serves(self, archive: str) -> bool:
        return True

    def urls(self, wanted: Wanted, path: str) -> Iterator[str]:
        yield self.url(wanted.archive, path, wanted.timestamp)
        if later := self.import_after(wanted.archive, wanted.timestamp):
            yield self.url(wanted.archive, path, later)
        yield from self._by_hash(wanted, path)

    def url(self, archive: str, path: str, timestamp: str) -> str:
        return snapshot_url(archive, timestamp, path, self.name)

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
        with _expected(url):
            stamps = json.loads(self._get(url))["result"].get(archive, [])
            return [stamp for stamp in stamps if isinstance(stamp, str) and _is_timestamp(stamp)]

    def _by_hash(self, wanted: Wanted, path: str) -> Iterator[str]:
        """`/file/SHA1` of every file that the archive knows by the name and size of a package, by `/mr/binary/`:
        `{"fileinfo": {SHA1: [{"name", "size", …}]}}`. What it serves there counts by its SHA-256, like anything."""
        if wanted.package is None:
            return
        name, version = (quote(part, safe="") for part in wanted.package)
        url = f"{self.name}/mr/binary/{name}/{version}/binfiles?fileinfo=1"
        try:
            with _expected(url):
                known = json.loads(self._get(url))["fileinfo"]
                file = (path.rpartition("/")[2], wanted.size)
                hashes = [sha1 for sha1, rows in known.items() if file in {(row["name"], row["size"]) for row in rows}]
        except HttpProblem:
            return
        yield from (f"{self.name}/file/{sha1}" for sha1 in sorted(hashes)[:4] if _SHA1.fullmatch(sha1))

    def _get(self, url: str) -> bytes:
        return get_patiently(self._http, self, url, _LISTING_LIMIT, self._patience)


@contextmanager
def _expected(url: str) -> Iterator[None]:
    """Raises HttpProblem where an answer is not of the form that is read from it."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HttpProblem(f"{url}: not the expected answer ({type(error).__name__})", 200) from error


def get_patiently(http: Http, source: Source, url: str, limit: int, patience: Patience | None = None) -> bytes:
    """The body at `url` of `source`, at most `limit` bytes. Raises as `Http.get` does, once patience ends."""
    patience = patience or Patience()
    failures, delay = 0, 0.0
    while True:
        try:
            with source.budget.turn(delay):
                body = http.get(url, limit=limit)
        except HttpProblem as error:
            failures += 1
            delay = told(source, error, patience.after(error, failures))
        else:
            source.budget.good()
            return body


def told(source: Source, error: HttpProblem, again: float | None) -> float:
    """Let the budget of `source` know how a request went wrong; the seconds to wait before the next one. Raises
    `error` where there is to be none."""
    if again is None:
        if error.status not in PASSING:
            source.budget.good()
        elif not isinstance(error, NotAsked):
            source.budget.bad(error)
        raise error
    if error.retry_after is not None:
        source.budget.hold_off(again)
    return again


def sources(settings: Settings, http: Http) -> tuple[Source, ...]:
    """Every mirror, archive by archive, then the snapshot archive. Mirrors on one host share its budget."""
    budgets: dict[str, Budget] = {}

    def budget(base: str) -> Budget:
        return budgets.setdefault(urlsplit(base).netloc, settings.budget(base))

    found: list[Source] = [
        Mirror(archive, base, budget(base)) for archive, bases in settings.mirrors.items() for base in bases
    ]
    return (*found, snapshot_archive(settings, http))


def snapshot_archive(settings: Settings, http: Http) -> SnapshotArchive:
    """The snapshot archive that the user chose."""
    return SnapshotArchive(settings.snapshot, http, settings.budget(settings.snapshot), settings.patience)


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
