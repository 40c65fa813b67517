"""`repro/baseline/v1`: known divergences, each with its reason, its owner and the last day on which it holds.

TOML for people (docs/gate.md). Names are written as reports show them (`repro.model.text.printable`), because TOML
holds no byte that is not UTF-8; in memory they are `os.fsdecode` strings, as in a comparison.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from repro.model import reading
from repro.model.aspects import ASPECTS
from repro.model.errors import InvalidInput
from repro.model.reading import one_of, positive, some, word
from repro.model.text import unescaped

SCHEMA = "repro/baseline/v1"
KEYS = ("location", "glob", "aspects", "structures", "members", "reason", "owner", "expires")
_HINT = "docs/gate.md has the format"

Value = TypeVar("Value")


@dataclass(frozen=True)
class Entry:
    """One `[[known]]`: at `place`, a location or where `glob` a pattern of some, at most `aspects` may differ.

    `structures`: the only ones whose bytes may differ (`Range.structure`), None for any. `members`: how many may match
    the pattern in one comparison. `expires` is the last day on which it holds. Tuples of words are sorted.
    """

    place: tuple[str, ...]
    glob: bool
    aspects: tuple[str, ...]
    structures: tuple[str, ...] | None
    members: int
    reason: str
    owner: str
    expires: date

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others: the same in two entries would be said twice."""
        return self.place, self.glob, self.aspects, self.structures


@dataclass(frozen=True)
class Baseline:
    """The entries in the order of the file, no two of which say the same; `sha256` is that of the file's bytes."""

    entries: tuple[Entry, ...]
    sha256: str


EMPTY = Baseline((), hashlib.sha256(b"").hexdigest())


def decode(data: bytes, where: str) -> Baseline:
    """The baseline in `data`; `where` names the file in messages.

    Raises InvalidInput with the line, or the entry and the key, that is wrong.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        message = f"{where}: byte {error.start} is not UTF-8"
        raise InvalidInput(message, hint="write a name as the reports show it, with \\xff for the byte FF") from error
    raw = reading.toml(text, SCHEMA, where, hint=_HINT)
    tables = raw.pop("known", [])
    if raw:
        raise InvalidInput(f"{where}: unknown key {min(raw)}", hint=_HINT)
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidInput(f"{where}: known is not a list of tables", hint=_HINT)
    entries: dict[tuple[object, ...], Entry] = {}
    numbers: dict[tuple[object, ...], int] = {}
    for number, table in enumerate(tables, 1):
        found = _Reader(table, f"{where}: entry {number}").entry()
        if found.key in entries:
            same = f"{where}: entry {number} says the same as entry {numbers[found.key]}"
            raise InvalidInput(same, hint="keep one of them")
        entries[found.key], numbers[found.key] = found, number
    return Baseline(tuple(entries.values()), hashlib.sha256(data).hexdigest())


class _Reader:
    """Typed access to one table, with the key named in every complaint."""

    def __init__(self, raw: dict[str, Any], where: str) -> None:
        self._raw, self._where = raw, where

    def entry(self) -> Entry:
        if unknown := sorted(self._raw.keys() - set(KEYS)):
            raise InvalidInput(f"{self._where}: unknown key {unknown[0]}", hint=f"known keys: {', '.join(KEYS)}")
        glob = "glob" in self._raw
        if glob == ("location" in self._raw):
            raise InvalidInput(f"{self._where}: there must be either location or glob", hint=_HINT)
        if not glob and "members" in self._raw:
            raise InvalidInput(f"{self._where}: key members belongs to a glob: a location is one member", hint=_HINT)
        return Entry(
            place=self._read("glob", _pattern) if glob else self._read("location", _location),
            glob=glob,
            aspects=self._read("aspects", lambda value: _sorted(value, lambda item: one_of(item, ASPECTS))),
            structures=self._read("structures", lambda value: _sorted(value, word))
            if "structures" in self._raw
            else None,
            members=self._read("members", positive) if glob else 1,
            reason=self._read("reason", _said),
            owner=self._read("owner", _said),
            expires=self._read("expires", _day),
        )

    def _read(self, key: str, read: Callable[[Any], Value]) -> Value:
        if key not in self._raw:
            raise InvalidInput(f"{self._where}: key {key} is missing", hint=_HINT)
        try:
            return read(self._raw[key])
        except reading.WRONG as error:
            raise InvalidInput(f"{self._where}: key {key}: {error}", hint=_HINT) from error


def _location(value: Any) -> tuple[str, ...]:
    return reading.rows(value, lambda part: unescaped(word(part)))


def _pattern(value: Any) -> tuple[str, ...]:
    found = _location(value)
    if not found:
        raise ValueError("an empty pattern (the artifact itself is location = [])")
    return found


def _structures(value: Any) -> tuple[str, ...]:
    return _sorted(value, word)


def _sorted(value: Any, read: Callable[[Any], str]) -> tuple[str, ...]:
    return tuple(sorted(some(value, read)))


def _said(value: Any) -> str:
    """Text that says something: not only white space."""
    if not reading.text(value).strip():
        raise ValueError("an empty text")
    return reading.text(value)


def _day(value: Any) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError(f"{value!r} is not a date as 2027-01-31, without quotes and without a time")
    return value
