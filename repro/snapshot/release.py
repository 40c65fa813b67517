"""The Release document of a suite, once its signature was verified.

Format: https://wiki.debian.org/DebianRepository/Format. Only the SHA256 section is used; MD5 and SHA-1 never.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from debian.deb822 import Deb822

from repro.model.errors import IntegrityFailure

_ROW = re.compile(r"([0-9a-f]{64}) +(\d{1,15}) +(\S+)")
_FACTS = ("Origin", "Label", "Suite", "Version", "Codename", "NotAutomatic", "ButAutomaticUpgrades")
_FIELD = re.compile(r"[!-,.-9;-~][!-9;-~]*")  # deb822(5)
_PATH = re.compile(r"[A-Za-z0-9_.+~%:-]+(/[A-Za-z0-9_.+~%:-]+)*")


@dataclass(frozen=True)
class Entry:
    """A file below `dists/SUITE/`: its path there, size in bytes and SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """What a suite promises. `date` and `valid_until` are aware UTC times; `facts` are those fields that apt's
    preferences go by (apt_preferences(5)), of one line each."""

    date: datetime
    valid_until: datetime | None
    entries: Mapping[str, Entry]
    facts: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Codename and Suite."""
        return tuple(dict.fromkeys(self.facts[key] for key in ("Codename", "Suite") if key in self.facts))


def parse_release(text: bytes) -> Release:
    """The Release document `text`, which must be what the signature covers and nothing else.

    Raises IntegrityFailure where it has no Date or no SHA256 section, or either cannot be read, and where it says
    one thing twice: two readers could then believe two things.
    """
    try:
        lines = text.decode("utf-8").rstrip("\n").split("\n")
        _demand_one_stanza(lines)
        fields = Deb822(lines)
    except (UnicodeDecodeError, ValueError) as error:
        raise IntegrityFailure(f"the Release document cannot be read: {error}") from error
    if "SHA256" not in fields:
        raise IntegrityFailure("the Release document has no SHA256 section; weaker hashes are not used")
    if "Date" not in fields:
        raise IntegrityFailure("the Release document has no Date")
    until = fields.get("Valid-Until")
    entries: dict[str, Entry] = {}
    for entry in map(_entry, filter(str.strip, fields["SHA256"].splitlines())):
        if entries.setdefault(entry.path, entry) != entry:
            raise IntegrityFailure(f"the Release document names {entry.path} twice, with two hashes or sizes")
    return Release(
        date=_time(fields["Date"]),
        valid_until=_time(until) if until else None,
        entries=entries,
        facts={key: fields[key] for key in _FACTS if key in fields and "\n" not in fields[key]},
    )


def _demand_one_stanza(lines: Sequence[str]) -> None:
    """Raises IntegrityFailure unless `lines` are the fields of a single stanza, each field once."""
    seen: set[str] = set()
    for line in lines:
        name, colon, _ = line.partition(":")
        if line.startswith((" ", "\t")) and line.strip() and seen:
            continue
        if not colon or not _FIELD.fullmatch(name):
            raise IntegrityFailure(f"the Release document has a line that is no field: {line[:100]!r}")
        if name.lower() in seen:
            raise IntegrityFailure(f"the Release document has the field {name} twice")
        seen.add(name.lower())


def _entry(line: str) -> Entry:
    match = _ROW.fullmatch(line.strip())
    if not match or not _PATH.fullmatch(match[3]) or ".." in match[3].split("/"):
        raise IntegrityFailure(f"the Release document has a malformed SHA256 row: {line.strip()[:200]!r}")
    return Entry(match[3], int(match[2]), match[1])


def _time(text: str) -> datetime:
    """An RFC 5322 date; the format demands UTC, so any other zone is refused."""
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, TypeError) as error:
        raise IntegrityFailure(f"the Release document has a malformed date: {text[:100]!r}") from error
    if not re.search(r" (UTC|GMT|Z|[+-]0000)$", text.strip()):
        raise IntegrityFailure(f"the Release document has a date that is not in UTC: {text[:100]!r}")
    return time.replace(tzinfo=UTC)
