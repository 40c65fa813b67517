"""Statements from a web server: one by its address, or all that the index of a published folder lists."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from repro.attest.reading import LIMIT, Offered
from repro.model import publication
from repro.model.errors import InvalidInput, Unavailable
from repro.model.publication import INDEX, SUFFIXES, Entry
from repro.model.text import printable
from repro.system.http import Http, HttpProblem
from repro.system.pool import parallel
from repro.system.progress import Observer

MOST = 100_000  # statements
ALL_BYTES = 1 << 30  # of all of them together
TOO_MUCH = f"more than {MOST} statements, or {ALL_BYTES >> 20} MiB of them"
ENDINGS = tuple(SUFFIXES.values())
_INDEX_LIMIT = 256 << 20  # bytes; MOST entries are some 100 MB
_WORKERS = 8
_TRIES = 3
_LONGEST_WAIT = 10.0  # seconds between two of them
_GIVE_UP = 5  # files in a row that failed: the server is gone
_GONE = (404, 410)


def is_address(source: str) -> bool:
    """Whether `source` is a web address, and no path."""
    return source.lower().startswith(("http://", "https://"))


def fetch(source: str, http: Http, observer: Observer) -> list[Offered]:
    """The statement at `source`, or those of the folder published there. What the server has not got, or not as its
    index says, is refused.

    Raises InvalidInput where there is no such thing, Unavailable where the server cannot be reached.
    """
    try:
        place = urlsplit(source)
        place = place._replace(scheme=place.scheme.lower(), fragment="")
    except ValueError as error:
        raise InvalidInput(f"{printable(source)}: not a web address: {error}") from error
    if place.path.endswith(ENDINGS):
        return [_single(place.geturl(), http)]
    path = place.path.removesuffix(INDEX).removesuffix("index.html").rstrip("/")
    return _folder(place._replace(path=path), http, observer)


def _single(url: str, http: Http) -> Offered:
    try:
        return Offered(url, http.get(url, limit=LIMIT))
    except HttpProblem as error:
        if error.status in (400, *_GONE):
            raise InvalidInput(f"{printable(url)}: there is no such file: {_said(error, url)}") from error
        if _may_pass(error):
            raise
        return Offered(url, b"", _said(error, url))


def _folder(place: SplitResult, http: Http, observer: Observer) -> list[Offered]:
    url = _within(place, INDEX)
    try:
        data = http.get(url, limit=_INDEX_LIMIT)
    except HttpProblem as error:
        if _may_pass(error):
            raise
        hint = "give the address of a statement, or of a folder that `repro attest publish` made"
        raise InvalidInput(f"no published folder: {error.message}", hint=hint) from error
    entries = publication.decode(data, url).entries
    if len(entries) > MOST or sum(entry.size for entry in entries) > ALL_BYTES:
        raise InvalidInput(f"{url}: {TOO_MUCH}")
    return _Listed(place, http, min(_GIVE_UP, len(entries))).all(entries, observer)


@dataclass
class _Listed:
    """Fetching the files of one published folder; `patience` is how many in a row may fail."""

    place: SplitResult
    http: Http
    patience: int
    _failed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def all(self, entries: Sequence[Entry], observer: Observer) -> list[Offered]:
        """What became of each of `entries`. Raises Unavailable where the server stops to answer."""
        with observer.task("fetching statements", len(entries)) as task:
            return parallel(self._one, entries, _WORKERS, self._stop, lambda _: task.advance())

    def _one(self, entry: Entry) -> Offered:
        url = _within(self.place, entry.file)
        if entry.size > LIMIT:
            return Offered(url, b"", f"larger than {LIMIT} bytes")
        try:
            data = self._patiently(url, entry.size)
        except HttpProblem as error:
            self._note_failure(error)
            return Offered(url, b"", _said(error, url))
        self._failed = 0
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            how = f"{len(data)} of {entry.size} bytes" if len(data) != entry.size else "another SHA-256"
            return Offered(url, b"", f"not the file that the index lists: {how}")
        return Offered(url, data)

    def _patiently(self, url: str, size: int) -> bytes:
        """The file at `url`, of at most `size` bytes. Raises HttpProblem."""
        for attempt in range(1, _TRIES):
            try:
                return self.http.get(url, limit=size)
            except HttpProblem as error:
                if not _may_pass(error):
                    raise
                wait = error.retry_after if error.retry_after is not None else 0.25 * 2**attempt
                self._stop.wait(min(wait, _LONGEST_WAIT))
        return self.http.get(url, limit=size)

    def _note_failure(self, error: HttpProblem) -> None:
        """Raises Unavailable where one file after the other fails."""
        with self._lock:
            self._failed = self._failed + 1 if _may_pass(error) else 0
            if self._failed >= self.patience:
                hint = "try again later; nothing was counted"
                raise Unavailable(f"the server stopped to answer: {error.message}", hint=hint) from error


def _may_pass(error: HttpProblem) -> bool:
    """Whether another try may go well: no answer, too many requests, or a server in trouble."""
    return error.status in (0, 429) or error.status >= 500


def _said(error: HttpProblem, url: str) -> str:
    return "the server has no such file" if error.status in _GONE else error.message.removeprefix(f"{url}: ")


def _within(place: SplitResult, name: str) -> str:
    """The address of the file `name` in the folder at `place`; a query is kept, as some forges want one."""
    return place._replace(path=f"{place.path}/{name}").geturl()
