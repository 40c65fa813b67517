"""Times as programs write them into text, and which numbers are times: what is found, and what moment it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from repro.model.cause import HIGH, LOW, MEDIUM

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<mon>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}"
_CLOCK = r"(?P<h>\d\d):(?P<mi>\d\d)(?::(?P<s>\d\d)(?:\.\d+)?)?(?: ?[AP]M)?"
_ZONE = r"(?: ?(?P<z>Z\b|[+-]\d\d(?::?\d\d)?\b|[A-Z]{3,4}\b))?"
_YEAR = r"(?P<y>(?:19|20)\d\d)"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"\b{_YEAR}-(?P<m>\d\d)-(?P<d>\d\d)(?:[T ]{_CLOCK}{_ZONE})?",  # ISO 8601, RFC 3339
        rf"\b{_YEAR}/(?P<m>\d\d)/(?P<d>\d\d)(?: {_CLOCK}{_ZONE})?",
        rf"\b(?P<m>\d\d)/(?P<d>\d\d)/{_YEAR}(?: {_CLOCK}{_ZONE})?",
        rf"\b(?:{_DAY},? +)?(?P<d>\d\d?) {_MONTH},? {_YEAR}(?:,? {_CLOCK}{_ZONE})?",  # RFC 5322, date(1)
        rf"\b(?:{_DAY} +)?{_MONTH} +(?P<d>\d\d?) {_CLOCK}{_ZONE} {_YEAR}",  # ctime(3), date(1)
        rf"\b{_MONTH} +(?P<d>\d\d?),? {_YEAR}(?:,? {_CLOCK}{_ZONE})?",  # __DATE__ and prose
        rf"\b{_MONTH} {_YEAR}\b",  # man pages
        rf"(?<![0-9A-Fa-f]){_YEAR}(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])"
        r"(?:[T._-]?(?P<h>[01]\d|2[0-3])(?P<mi>[0-5]\d)(?:(?P<s>[0-5]\d)(?:\d\d)?)?(?P<z>Z|[+-]\d\d(?:'?\d\d)?)?|\d\d)?"
        r"(?![0-9A-Fa-f])",  # PDF, ISO 9660, a zone's serial (RFC 1912)
        # repr() of Python's datetime
        rf"\b{_YEAR}, ?(?P<m>\d\d?), ?(?P<d>\d\d?), ?(?P<h>\d\d?), ?(?P<mi>\d\d?)(?:, ?(?P<s>\d\d?))?\b",
        rf"\b{_YEAR}-?W[0-5]\d(?:-?[1-7])?\b",  # ISO 8601, week
        rf"\b{_MONTH} +(?P<d>\d\d?) +{_CLOCK}",  # ls -l, of what is new
        r"(?<![\w.])(?P<epoch>1[0-9]{9})(?:\.\d+|\d{3}|\d{6}|\d{9})?(?![\w])",  # since 1970
        rf"(?<!\d){_CLOCK}(?!\d)",  # a time of day alone
    )
)
_TO_THE_SECOND = re.compile(r"\d\d:\d\d:\d\d|\d{14}")
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
_FURTHEST = timedelta(hours=28)  # from one zone to another: +14 to -14


@dataclass(frozen=True)
class Stamp:
    """A time in a text: characters from `start` to `end`, as it stands there; the moment as if its zone were UTC."""

    start: int
    end: int
    text: str
    moment: datetime | None
    zone: str


def stamps(text: str) -> list[Stamp]:
    """The times in `text`, in order, none overlapping another: of two at one place, the form that says more."""
    taken: list[Stamp] = []
    for form in _FORMS:
        for match in form.finditer(text):
            if all(match.end() <= other.start or match.start() >= other.end for other in taken):
                taken.append(_stamp(match))
    return sorted(taken, key=lambda stamp: stamp.start)


def _stamp(match: re.Match[str]) -> Stamp:
    got = match.groupdict()
    return Stamp(match.start(), match.end(), match.group(), _moment(got), got.get("z") or "")


def _moment(got: dict[str, str | None]) -> datetime | None:
    try:
        if got.get("epoch"):
            return datetime.fromtimestamp(int(got["epoch"] or 0), UTC)
        if not got.get("y"):
            return None
        month = _MONTHS.index((got.get("mon") or "jan").lower()) + 1 if got.get("mon") else int(got.get("m") or 1)
        hour, minute, second = (int(got.get(name) or 0) for name in ("h", "mi", "s"))
        return datetime(int(got["y"] or 1), month, int(got.get("d") or 1), hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def zones_apart(left: Stamp, right: Stamp) -> str:
    """How surely both are one moment in two zones, empty where they are not: whole quarters of an hour apart, and the
    zones are not the same; or there are none, and seconds say that it is hardly by chance."""
    if left.moment is None or right.moment is None or (left.zone == right.zone and left.zone):
        return ""
    if not quarters_apart(left.moment.timestamp(), right.moment.timestamp()):
        return ""
    if left.zone != right.zone:
        return HIGH
    return MEDIUM if all(_TO_THE_SECOND.search(stamp.text) for stamp in (left, right)) else LOW


def quarters_apart(left: float, right: float) -> bool:
    """Whether two times in seconds are apart by whole quarters of an hour, as far as zones can be, and not by days."""
    apart = abs(left - right)
    return bool(apart % 86400) and apart % 900 == 0 and apart <= _FURTHEST.total_seconds()


def numbers(left: bytes, right: bytes, start: int, end: int) -> Iterator[tuple[datetime, datetime, str]]:
    """The times that a 4 or 8 byte number which holds all of `start` to `end` may be, on both sides at once; and how
    surely: a number that lies where its size says may be one, any other is likely to be two halves of something."""
    for confidence, steps in ((HIGH, (8, 4)), (MEDIUM, (2, 2))):
        for size, step in zip((8, 4), steps, strict=True):
            for at in range(max(0, end - size), start + 1):
                if at + size > min(len(left), len(right)) or at % step:
                    continue
                for order in ("little", "big"):
                    found = [since_1970(int.from_bytes(side[at : at + size], order)) for side in (left, right)]
                    if found[0] and found[1]:
                        yield found[0], found[1], confidence


def addresses(left: bytes, right: bytes, start: int, end: int) -> tuple[int, int] | None:
    """The addresses of x86-64 (top of the stack and libraries 0x7f…, heap and program 0x55…) that the 8 byte number
    which holds all of `start` to `end` may be, on both sides; None where it is none."""
    at = start - start % 8
    if end > at + 6 or at + 8 > min(len(left), len(right)):
        return None
    found = [int.from_bytes(side[at : at + 8], "little") for side in (left, right)]
    return (found[0], found[1]) if all(number >> 40 in (0x55, 0x56, 0x7F) for number in found) else None


def since_1970(number: int) -> datetime | None:
    """The moment that many seconds after 1970, None where no file of ours is that old or that new."""
    moment = datetime.fromtimestamp(number, UTC) if 0 < number < 1 << 32 else None
    return moment if moment and EARLIEST <= moment < LATEST else None


def shown(value: object) -> str:
    """A moment, or seconds since 1970, for people; 0 is none, and what is no time stays as it is."""
    if isinstance(value, (int, float)):
        try:
            value = datetime.fromtimestamp(value, UTC) if value else "none"
        except (ValueError, OverflowError, OSError):
            return str(value)
    return f"{value:%Y-%m-%d %H:%M:%S}Z" if isinstance(value, datetime) else str(value)
