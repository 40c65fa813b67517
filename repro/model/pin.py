"""`snapshots/NAME.toml`: archive suites pinned by snapshot timestamp, InRelease hash and accepted signers.

A pin set is a TOML file with `schema = "repro/pins/v1"` and one `[[pin]]` table a suite. Beside it lie the
evidence: `NAME/ARCHIVE_SUITE.InRelease` (the very bytes) and `NAME/keys.asc` (the OpenPGP certificates). An archive
without InRelease has `release_sha256` instead of `inrelease_sha256`, and as evidence `.Release` and `.Release.gpg`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from repro.model import reading
from repro.model.errors import InvalidInput

SCHEMA = "repro/pins/v1"
TIMESTAMP = "%Y%m%dT%H%M%SZ"  # as snapshot.debian.org writes times, UTC
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")


def parse_timestamp(text: str) -> datetime:
    """`YYYYMMDDTHHMMSSZ` as an aware UTC datetime. Raises ValueError where it is none."""
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError(f"{text!r} is not of the form YYYYMMDDTHHMMSSZ")
    return datetime.strptime(text, TIMESTAMP).replace(tzinfo=UTC)


def timestamp_of(text: str) -> str:
    """The time that a person wrote, as a timestamp: `YYYYMMDDTHHMMSSZ` or any ISO 8601 form; UTC where it has no zone,
    the day's beginning where it has no time. Raises ValueError where it is none."""
    if _TIMESTAMP.fullmatch(text):
        return parse_timestamp(text).strftime(TIMESTAMP)
    time = datetime.fromisoformat(text)
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).strftime(TIMESTAMP)


@dataclass(frozen=True)
class Pin:
    """One archive suite at one snapshot timestamp.

    `archive` is the snapshot archive's name for it (`debian`, `debian-security`) or, for one that is not Debian's, the
    name that sources.toml gives it; `architectures` may hold `all`, for archives that keep an index of their own for
    it; `timestamp` is `YYYYMMDDTHHMMSSZ`; `sha256` (64 hex digits) is of the file that is signed: the InRelease or,
    where the signatures are `detached`, the Release; `signers` are the primary-key fingerprints (40 upper-case hex
    digits), each of which alone may vouch for it.
    """

    archive: str
    suite: str
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    timestamp: str
    sha256: str
    signers: tuple[str, ...]
    detached: bool = False

    @property
    def document(self) -> str:
        """The name of the file that is signed."""
        return "Release" if self.detached else "InRelease"

    @property
    def hash_key(self) -> str:
        """The key under which files have `sha256`."""
        return f"{self.document.lower()}_sha256"

    @property
    def name(self) -> str:
        """How locks and messages refer to this pin: `debian/bookworm`."""
        return f"{self.archive}/{self.suite}"

    @property
    def time(self) -> datetime:
        """`timestamp` as an aware UTC datetime."""
        return parse_timestamp(self.timestamp)


@dataclass(frozen=True)
class PinSet:
    """The pins of one file, in the order in which they are written."""

    name: str
    pins: tuple[Pin, ...]

    def pin(self, name: str) -> Pin:
        """The pin called `archive/suite`. Raises InvalidInput where there is none."""
        for pin in self.pins:
            if pin.name == name:
                return pin
        raise InvalidInput(f"pin set {self.name} has no pin {name}")


def decode(name: str, text: str, where: str) -> PinSet:
    """The pin set `name` written as TOML in `text`; `where` names the file in messages.

    Raises InvalidInput with the line or the key that is wrong.
    """
    raw = reading.toml(text, SCHEMA, where)
    tables = raw.pop("pin", None)
    if raw or not isinstance(tables, list) or not tables:
        raise InvalidInput(f"{where}: expected only [[pin]] tables, at least one; found {sorted(raw) or 'none'}")
    pins = tuple(_pin(table, f"{where}: pin {number}") for number, table in enumerate(tables, 1))
    if len({pin.name for pin in pins}) != len(pins):
        raise InvalidInput(f"{where}: two pins of the same archive and suite")
    return PinSet(name, pins)


def encode(pins: PinSet) -> str:
    """`pins` as TOML, the inverse of `decode`."""
    lines = [f'schema = "{SCHEMA}"']
    for pin in pins.pins:
        lines += [
            "",
            "[[pin]]",
            f'archive = "{pin.archive}"',
            f'suite = "{pin.suite}"',
            f"components = {_words(pin.components)}",
            f"architectures = {_words(pin.architectures)}",
            f'timestamp = "{pin.timestamp}"',
            f'{pin.hash_key} = "{pin.sha256}"',
            "signers = [",
            *(f'  "{signer}",' for signer in pin.signers),
            "]",
        ]
    return "\n".join(lines) + "\n"


def _words(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def _pin(raw: Any, where: str) -> Pin:
    if not isinstance(raw, dict):
        raise InvalidInput(f"{where}: not a table")
    detached = "release_sha256" in raw
    hash_key = "release_sha256" if detached else "inrelease_sha256"
    fields = {
        "archive": (_WORD, str),
        "suite": (re.compile(r"[A-Za-z0-9][A-Za-z0-9./+_-]*"), str),
        "components": (_WORD, list),
        "architectures": (_WORD, list),
        "timestamp": (_TIMESTAMP, str),
        hash_key: (_SHA256, str),
        "signers": (_FINGERPRINT, list),
    }
    values: dict[str, Any] = {}
    for key, (pattern, kind) in fields.items():
        if key not in raw:
            raise InvalidInput(f"{where}: key {key} is missing")
        value = raw.pop(key)
        items = value if isinstance(value, list) else [value]
        good = isinstance(value, kind) and items and all(isinstance(i, str) and pattern.fullmatch(i) for i in items)
        if not good or (kind is str and ".." in value):
            raise InvalidInput(f"{where}: key {key}: {value!r} is not valid (expected {pattern.pattern})")
        values[key] = tuple(value) if kind is list else value
    if raw:
        raise InvalidInput(f"{where}: unknown key {sorted(raw)[0]}")
    pin = Pin(sha256=values.pop(hash_key), detached=detached, **values)
    try:
        pin.time  # noqa: B018  (the property parses; the regex alone would let month 13 pass)
    except ValueError as error:
        raise InvalidInput(f"{where}: key timestamp: {error}") from error
    return pin
