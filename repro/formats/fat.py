"""FAT12, FAT16 and FAT32 with long names (Microsoft: FAT32 File System Specification 1.03; ECMA-107).

Times are stored without a zone; they are given here as if they were UTC.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from repro.formats import base, fat_entries, fat_fields
from repro.formats.base import Malformed, Member, Problems, Structure, cut, unpack
from repro.formats.fat_entries import DELETED, LABEL, LONG_NAME, Directory, moment
from repro.formats.fat_geometry import ENTRY, geometry
from repro.formats.named import rest

_DIRECTORY = 0x10
_LOWER_STEM, _LOWER_EXTENSION = 0x08, 0x10  # how the short name is to be shown
_ATTRIBUTES = (
    (0x01, "read-only"),
    (0x02, "hidden"),
    (0x04, "system"),
    (0x20, "archive"),
    (0x40, "bit 6"),
    (0x80, "bit 7"),
)
_DEPTH = 64
_DIRECTORY_BYTES = 2 << 20  # a FAT directory has at most 65,536 entries


@dataclass(frozen=True)
class _Slot:
    """A directory entry: its name, where its first byte lies, its 32 raw bytes, and which NT flags the name shows."""

    name: str
    start: int
    raw: bytes
    cased: int

    @property
    def attributes(self) -> int:
        return self.raw[11]


class Fat:
    """A `Container` on the bytes of a FAT file system, which may be shorter than `view`."""

    format: ClassVar[str] = "fat"

    def __init__(self, view: memoryview) -> None:
        self.problems = Problems()
        self._geometry = geometry(view)
        self.size = self._geometry.size
        self.view, self._whole = view[: self.size], view
        if len(view) < self.size:
            self.problems.add("", f"truncated: {len(view)} of {self.size} bytes")
        self._steps = 2 * self._geometry.clusters + 65536  # of all chains together: no cluster belongs to two
        self._taken: set[int] = set()
        self._directories: list[Directory] = []
        self._names: dict[int, str] = {}  # of the members, by the byte where their entry lies
        self._slack: list[tuple[str, int, int]] = []  # (name, start, end) of what lies behind a file's end

    def members(self) -> Iterator[Member]:
        (root_cluster,) = unpack("<I", self.view, 44)
        layout = self._geometry
        runs = list(self._chain(root_cluster)) if layout.bits == 32 else [(layout.root, layout.data)]
        yield Member(".", base.DIRECTORY)
        top = Directory(".", self._joined(runs), None, None)
        stack, seen, count = [(top, runs, 0)], {root_cluster if layout.bits == 32 else 0}, 0
        while stack:
            directory, runs, depth = stack.pop()
            self._directories.append(directory)
            for position, slot in enumerate(self._slots(runs)):
                if slot.attributes & LABEL:
                    continue
                count += 1
                if count > base.MEMBERS:
                    raise Malformed(f"more than {base.MEMBERS} members")
                full = directory.inside(slot.name)
                self._names[slot.start] = full
                member, below = self._member(full, slot, position)
                yield member
                if slot.attributes & _DIRECTORY:
                    first = self._first(slot)
                    if first in seen or depth >= _DEPTH:
                        self.problems.add(full, "directory loop")
                        continue
                    seen.add(first)
                    stack.append((Directory(full, self._joined(below), slot.start, directory.entry), below, depth + 1))

    def _member(self, name: str, slot: _Slot, position: int) -> tuple[Member, list[tuple[int, int]]]:
        runs: list[tuple[int, int]] = []
        problem = None
        directory = bool(slot.attributes & _DIRECTORY)
        (size,) = unpack("<I", memoryview(slot.raw), 28)
        try:
            runs = list(self._chain(self._first(slot))) if size or directory else []
            kept = [] if directory else list(_trimmed(runs, size))
            content = None if directory else base.content_of(self.view, kept)
            if not directory:
                self._slack += [(name, *run) for run in _behind(runs, kept)]
        except Malformed as error:
            content, problem = None, error.message
        written, wrote = unpack("<HH", memoryview(slot.raw), 22)
        made, making, accessed = unpack("<HHH", memoryview(slot.raw), 14)
        extra: list[tuple[str, str, Any]] = [
            ("mtime", "created", moment(making, made, slot.raw[13])),
            ("mtime", "accessed", moment(accessed, 0)),
            ("mode", "attributes", "+".join(word for bit, word in _ATTRIBUTES if slot.attributes & bit)),
        ]
        if slot.raw[12] & ~slot.cased:
            extra.append(("mode", "NT flags", f"{slot.raw[12]:#04x}"))
        order = [(f"entries of {name.rpartition('/')[0] or '.'}", position)]
        if runs and not directory:
            order.append(("data", runs[0][0]))
        kind = base.DIRECTORY if directory else base.FILE
        member = Member(
            name,
            kind,
            mtime=moment(wrote, written),
            extra=tuple(fact for fact in extra if fact[2] is not None),
            positions=tuple(order),
            content=content,
            problem=problem,
        )
        return member, runs

    def _first(self, slot: _Slot) -> int:
        high, low = unpack("<H4xH", memoryview(slot.raw), 20)
        return int(low | high << 16 if self._geometry.bits == 32 else low)

    def _chain(self, cluster: int) -> Iterator[tuple[int, int]]:
        """The clusters from `cluster` on, as byte ranges. Raises Malformed where the chain breaks or loops."""
        layout = self._geometry
        while self._steps:
            self._steps -= 1
            if not 2 <= cluster < layout.clusters + 2:
                raise Malformed(f"cluster {cluster} of {layout.clusters}")
            start = layout.start(cluster)
            cut(self.view, start, layout.cluster)
            self._taken.add(cluster)
            yield start, start + layout.cluster
            cluster = layout.next(self.view, cluster)
            if layout.marks(cluster)[0]:
                return
        raise Malformed("cluster chains loop or cross")

    def _joined(self, runs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        return tuple(base.content_of(self.view, runs).extents())

    def _slots(self, runs: list[tuple[int, int]]) -> Iterator[_Slot]:
        """The entries of a directory in stored order, long names assembled, `.` and `..` and deleted ones left out."""
        long: list[bytes] = []
        total = 0
        for start, end in runs:
            for at in range(start, end, ENTRY):
                raw = bytes(cut(self.view, at, ENTRY))
                total += ENTRY
                if raw[0] == 0 or total > _DIRECTORY_BYTES:
                    return
                if raw[0] == DELETED:
                    long = []
                elif raw[11] & 0x3F == LONG_NAME:
                    long.append(raw[1:11] + raw[14:26] + raw[28:32])
                else:
                    name = _long_name(long)
                    cased = 0 if name else _LOWER_STEM | _LOWER_EXTENSION
                    name, long = name or _short_name(raw), []
                    if raw[0:11].rstrip() not in (b".", b".."):
                        yield _Slot(name, at, raw, cased)

    def structures(self) -> Iterator[Structure]:
        yield from fat_fields.structures(self._whole, self._geometry, self._taken)
        for directory in self._directories:
            yield from fat_entries.structures(self.view, directory, self._names)
        for name, start, end in self._slack:
            yield from rest(self.view, (), start, end, "file slack", name)


def _trimmed(runs: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """`runs` cut to `size` bytes. Raises Malformed where they are shorter."""
    for start, end in runs:
        if size <= 0:
            return
        yield start, min(end, start + size)
        size -= end - start
    if size > 0:
        raise Malformed(f"cluster chain ends {size} bytes early")


def _behind(runs: list[tuple[int, int]], kept: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What of a file's clusters `runs` lies behind its end, of which `kept` is the content."""
    for number, (start, end) in enumerate(runs[max(len(kept) - 1, 0) :]):
        begin = kept[-1][1] if kept and not number else start
        if begin < end:
            yield begin, end


def _long_name(parts: list[bytes]) -> str:
    """The UTF-16 name of long-name entries (stored last part first), as an `os.fsdecode` string; else empty."""
    units = b"".join(reversed(parts))
    text = units.decode("utf-16-le", "surrogatepass").split("\0")[0].rstrip("\uffff")
    name = text.encode("utf-8", "surrogatepass")
    return "" if b"/" in name or name in (b".", b"..") else os.fsdecode(name)


def _short_name(raw: bytes) -> str:
    stem, extension = raw[0:8].rstrip(b" "), raw[8:11].rstrip(b" ")
    if stem[:1] == b"\x05":
        stem = b"\xe5" + stem[1:]
    if raw[12] & _LOWER_STEM:
        stem = stem.lower()
    if raw[12] & _LOWER_EXTENSION:
        extension = extension.lower()
    name = (stem + b"." + extension if extension else stem).replace(b"/", b"_").replace(b"\0", b"_")
    return os.fsdecode(name or b"_")
