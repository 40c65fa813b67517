"""The entries of FAT directories as structures: those in use, those of long names, and those that were deleted."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from repro.formats.base import DERIVED, FACT, IDENTITY, Structure
from repro.formats.fat_geometry import ENTRY
from repro.formats.named import LITTLE, TEXT, ZERO, Row, named

LONG_NAME, LABEL = 0x0F, 0x08
DELETED = 0xE5
_SHORT: tuple[Row, ...] = (
    ("short name", 11, FACT, TEXT),
    ("attributes", 1, FACT, LITTLE),
    ("NT reserved", 1, FACT, LITTLE),
    ("creation hundredths", 1, FACT, LITTLE),
    ("creation time", 2, FACT, LITTLE),
    ("creation date", 2, FACT, LITTLE),
    ("access date", 2, FACT, LITTLE),
    ("first cluster, high half", 2, DERIVED, LITTLE),
    ("write time", 2, FACT, LITTLE),
    ("write date", 2, FACT, LITTLE),
    ("first cluster", 2, DERIVED, LITTLE),
    ("size", 4, DERIVED, LITTLE),
)
_LONG: tuple[Row, ...] = (
    ("ordinal", 1, DERIVED, LITTLE),
    ("characters 1 to 5", 10, FACT, None),
    ("attributes", 1, DERIVED, LITTLE),
    ("type", 1, DERIVED, ZERO),
    ("checksum", 1, DERIVED, LITTLE),
    ("characters 6 to 11", 12, FACT, None),
    ("first cluster", 2, DERIVED, ZERO),
    ("characters 12 and 13", 4, FACT, None),
)
_LABEL: tuple[Row, ...] = (
    ("", 11, IDENTITY, TEXT),
    (" attributes", 1, IDENTITY, LITTLE),
    (" reserved", 10, IDENTITY, None),
    (" time", 4, IDENTITY, None),
    (" rest", 6, IDENTITY, None),
)
_TIMES = slice(13, 20), slice(22, 26)  # of an entry: created and accessed, written


@dataclass(frozen=True)
class Directory:
    """A directory by its path and the runs (start, end) of its clusters; where its own entry lies, if it has one."""

    path: str
    runs: tuple[tuple[int, int], ...]
    entry: int | None
    parent: int | None

    def inside(self, name: str) -> str:
        return name if self.path == "." else f"{self.path}/{name}"


def structures(view: memoryview, directory: Directory, names: dict[int, str]) -> Iterator[Structure]:
    """Every entry of a directory; `names` are those of the members, by the byte where their entry lies."""
    long: list[int] = []
    slots = (at for start, end in directory.runs for at in range(start, end - ENTRY + 1, ENTRY))
    for number, at in enumerate(slots):
        if not view[at]:
            yield from _behind(view, directory, at)
            return
        of = f"{directory.path} slot {number}"
        kind = view[at + 11] & 0x3F
        if view[at] == DELETED:
            long = yield from _abandoned(view, long, directory)
            what, rows = ("long-name", _LONG) if kind == LONG_NAME else ("directory", _SHORT)
            for field in named(view, at, rows, f"deleted {what} entry ", of):
                yield replace(field, role=IDENTITY, holds=None)
        elif kind == LONG_NAME:
            long.append(at)
        elif kind & LABEL:
            long = yield from _abandoned(view, long, directory)
            yield from _label(view, at, of if directory.path != "." else "")
        else:
            yield from _entry(view, at, long, directory, names)
            long = []
    yield from _abandoned(view, long, directory)


def _entry(
    view: memoryview, at: int, long: list[int], directory: Directory, names: dict[int, str]
) -> Iterator[Structure]:
    plain = bytes(view[at : at + 11]).rstrip()
    dots = plain if plain in (b".", b"..") else b""
    of = directory.inside(dots.decode()) if dots else names.get(at) or directory.inside(f"entry at {at}")
    repeats: Callable[[], bool] | None = partial(_repeats, view, at, directory) if dots else None
    for field in named(view, at, _SHORT, "directory entry ", of):
        follows = field.role == FACT and (repeats or (long and field.start == at))
        yield replace(field, role=DERIVED, holds=repeats) if follows else field
    for part, entry in enumerate(reversed(long), 1):
        yield from _long(view, entry, f"{of} part {part}", bytes(view[at : at + 11]))


def _long(view: memoryview, at: int, of: str, short: bytes) -> Iterator[Structure]:
    for field in named(view, at, _LONG, "long-name entry ", of):
        sums = field.name.endswith("checksum")
        yield replace(field, holds=partial(_sums, view, field.start, short)) if sums else field


def _abandoned(view: memoryview, long: Iterable[int], directory: Directory) -> Generator[Structure, None, list[int]]:
    """Long-name entries that no short one follows belong to what was deleted."""
    for at in long:
        yield Structure(at, at + ENTRY, "orphaned long-name entry", IDENTITY, None, f"{directory.path} at {at}")
    return []


def _behind(view: memoryview, directory: Directory, at: int) -> Iterator[Structure]:
    """What stands behind the entry that ends a directory."""
    ended = False
    for number, (start, end) in enumerate(directory.runs):
        if start <= at < end or ended:
            first, ended = at if not ended else start, True
            if bytes(view[first:end]).strip(b"\0"):
                of = directory.path if not number else f"{directory.path} part {number + 1}"
                yield Structure(first, end, "behind the end of a directory", IDENTITY, None, of)


def _label(view: memoryview, at: int, of: str) -> Iterator[Structure]:
    for field in named(view, at, _LABEL, "volume label", of):
        is_time = field.name.endswith(" time")
        time, date = (int.from_bytes(view[at + n : at + n + 2], "little") for n in (22, 24))
        yield replace(field, value=moment(date, time)) if is_time else field


def _repeats(view: memoryview, at: int, directory: Directory) -> bool:
    """Whether `.` or `..` at `at` bears the times of the directory or of its parent, or none."""
    known = [view[e : e + ENTRY] for e in (directory.entry, directory.parent) if e is not None]
    ours = view[at : at + ENTRY]
    return any(all(ours[part] == entry[part] for part in _TIMES) for entry in (*known, memoryview(bytes(ENTRY))))


def _sums(view: memoryview, at: int, short: bytes) -> bool:
    """Whether the checksum at `at` is that of the short name."""
    total = 0
    for byte in short:
        total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
    return view[at] == total


def moment(date: int, time: int, hundredths: int = 0) -> int | str | None:
    """FAT date and time words as seconds since 1970: None where unset, text where finer, the words where no time."""
    if not (date or time or hundredths):
        return None
    try:
        stamp = datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2, tzinfo=UTC
        )
    except ValueError:
        return f"date {date:#06x}, time {time:#06x}" + (f", hundredths {hundredths}" if hundredths else "")
    seconds = int(stamp.timestamp()) + hundredths // 100
    return f"{seconds}.{hundredths % 100:02}" if hundredths % 100 else seconds
