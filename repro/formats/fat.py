"""FAT12, FAT16 and FAT32 with long names (Microsoft: FAT32 File System Specification 1.03; ECMA-107).

Times are stored without a zone; they are given here as if they were UTC.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from repro.formats import base
from repro.formats.base import DERIVED, IDENTITY, Malformed, Member, Problems, Structure, cut, unpack

_BOOT = (
    ("jump", 3, IDENTITY),
    ("OEM name", 8, IDENTITY),
    ("bytes per sector", 2, IDENTITY),
    ("sectors per cluster", 1, IDENTITY),
    ("reserved sectors", 2, IDENTITY),
    ("FAT count", 1, IDENTITY),
    ("root entries", 2, IDENTITY),
    ("total sectors (16 bit)", 2, DERIVED),
    ("media", 1, IDENTITY),
    ("sectors per FAT (16 bit)", 2, DERIVED),
    ("geometry", 4, IDENTITY),
    ("hidden sectors", 4, IDENTITY),
    ("total sectors (32 bit)", 4, DERIVED),
)
_TAIL = (
    ("drive number", 2, IDENTITY),
    ("extended signature", 1, IDENTITY),
    ("serial number", 4, IDENTITY),
    ("label", 11, IDENTITY),
    ("type", 8, IDENTITY),
)
_FAT32 = (
    ("sectors per FAT", 4, DERIVED),
    ("flags", 2, IDENTITY),
    ("version", 2, IDENTITY),
    ("root cluster", 4, DERIVED),
    ("FSInfo sector", 2, IDENTITY),
    ("backup boot sector number", 2, IDENTITY),
    ("reserved", 12, IDENTITY),
)
_ENTRY = 32
_LONG_NAME = 0x0F
_LABEL, _DIRECTORY = 0x08, 0x10
_ATTRIBUTES = ((0x01, "read-only"), (0x02, "hidden"), (0x04, "system"), (0x20, "archive"))
_DEPTH = 64
_DIRECTORY_BYTES = 2 << 20  # a FAT directory has at most 65,536 entries


@dataclass(frozen=True)
class _Slot:
    """A directory entry: its name, where its first byte lies, and its 32 raw bytes."""

    name: str
    start: int
    raw: bytes

    @property
    def attributes(self) -> int:
        return self.raw[11]


class Fat:
    """A `Container` on the bytes of a FAT file system, which may be shorter than `view`."""

    format: ClassVar[str] = "fat"

    def __init__(self, view: memoryview) -> None:
        self.problems = Problems()
        sector, per_cluster, reserved, fats, self._root_entries, total16, media, per_fat16 = unpack(
            "<HBHBHHBH", cut(view, 0, 512), 11
        )
        total32, per_fat32 = unpack("<II", view, 32)
        if bytes(view[510:512]) != b"\x55\xaa" or view[0] not in (0xEB, 0xE9) or media < 0xF0:
            raise Malformed("no FAT boot sector")
        if sector not in (512, 1024, 2048, 4096) or per_cluster not in (1, 2, 4, 8, 16, 32, 64, 128):
            raise Malformed(f"sectors of {sector} bytes, {per_cluster} a cluster")
        per_fat, total = per_fat16 or per_fat32, total16 or total32
        if not (reserved and fats in (1, 2) and per_fat and total):
            raise Malformed("boot sector fields are zero")
        self._sector, self._cluster = sector, sector * per_cluster
        self._fat, self._fat_size, self._fats = reserved * sector, per_fat * sector, fats
        self._root = self._fat + fats * self._fat_size
        self._data = self._root + (self._root_entries * _ENTRY + sector - 1) // sector * sector
        self.size = total * sector
        self._clusters = (self.size - self._data) // self._cluster
        if self._clusters < 1 or self._fat + self._fat_size > len(view):
            raise Malformed("file system has no room for data")
        self._bits = 12 if self._clusters < 4085 else 16 if self._clusters < 65525 else 32
        self.view = view[: self.size]
        if len(view) < self.size:
            self.problems.add("", f"truncated: {len(view)} of {self.size} bytes")
        self._label: _Slot | None = None
        self._steps = 2 * self._clusters + 65536  # of all chains together: no cluster belongs to two
        self._directories: list[Structure] = []

    def members(self) -> Iterator[Member]:
        (root_cluster,) = unpack("<I", self.view, 44)
        runs = list(self._chain(root_cluster)) if self._bits == 32 else [(self._root, self._data)]
        yield Member(".", base.DIRECTORY)
        stack, seen, count = [(".", runs, 0)], {root_cluster if self._bits == 32 else 0}, 0
        while stack:
            path, runs, depth = stack.pop()
            for position, slot in enumerate(self._slots(path, runs)):
                if slot.attributes & _LABEL:
                    self._label = slot
                    continue
                count += 1
                if count > base.MEMBERS:
                    raise Malformed(f"more than {base.MEMBERS} members")
                full = slot.name if path == "." else f"{path}/{slot.name}"
                member, below = self._member(full, slot, position)
                yield member
                if slot.attributes & _DIRECTORY:
                    first = self._first(slot)
                    if first in seen or depth >= _DEPTH:
                        self.problems.add(full, "directory loop")
                        continue
                    seen.add(first)
                    stack.append((full, below, depth + 1))

    def _member(self, name: str, slot: _Slot, position: int) -> tuple[Member, list[tuple[int, int]]]:
        runs: list[tuple[int, int]] = []
        problem = None
        directory = bool(slot.attributes & _DIRECTORY)
        (size,) = unpack("<I", memoryview(slot.raw), 28)
        try:
            runs = list(self._chain(self._first(slot))) if size or directory else []
            content = None if directory else base.content_of(self.view, _trimmed(runs, size))
        except Malformed as error:
            content, problem = None, error.message
        written, wrote = unpack("<HH", memoryview(slot.raw), 22)
        made, making, accessed = unpack("<HHH", memoryview(slot.raw), 14)
        extra: list[tuple[str, str, Any]] = [
            ("mtime", "created", _time(making, made, slot.raw[13])),
            ("mtime", "accessed", _time(accessed, 0)),
            ("mode", "attributes", "+".join(word for bit, word in _ATTRIBUTES if slot.attributes & bit)),
        ]
        order = [(f"entries of {name.rpartition('/')[0] or '.'}", position)]
        if runs and not directory:
            order.append(("data", runs[0][0]))
        kind = base.DIRECTORY if directory else base.FILE
        member = Member(
            name,
            kind,
            mtime=_time(wrote, written),
            extra=tuple(fact for fact in extra if fact[2] is not None),
            positions=tuple(order),
            content=content,
            problem=problem,
        )
        return member, runs

    def _first(self, slot: _Slot) -> int:
        high, low = unpack("<H4xH", memoryview(slot.raw), 20)
        return int(low | high << 16 if self._bits == 32 else low)

    def _chain(self, cluster: int) -> Iterator[tuple[int, int]]:
        """The clusters from `cluster` on, as byte ranges. Raises Malformed where the chain breaks or loops."""
        while self._steps:
            self._steps -= 1
            if not 2 <= cluster < self._clusters + 2:
                raise Malformed(f"cluster {cluster} of {self._clusters}")
            start = self._data + (cluster - 2) * self._cluster
            cut(self.view, start, self._cluster)
            yield start, start + self._cluster
            cluster = self._next(cluster)
            if cluster >= (1 << min(self._bits, 28)) - 8:
                return
        raise Malformed("cluster chains loop or cross")

    def _next(self, cluster: int) -> int:
        if self._bits == 12:
            (word,) = unpack("<H", self.view, self._fat + cluster * 3 // 2)
            return int(word >> 4 if cluster & 1 else word & 0xFFF)
        if self._bits == 16:
            return int(unpack("<H", self.view, self._fat + cluster * 2)[0])
        return int(unpack("<I", self.view, self._fat + cluster * 4)[0] & 0x0FFFFFFF)

    def _slots(self, path: str, runs: list[tuple[int, int]]) -> Iterator[_Slot]:
        """The entries of a directory in stored order, long names assembled, `.` and `..` and deleted ones left out."""
        long: list[bytes] = []
        for number, (start, end) in enumerate(base.content_of(self.view, runs).extents()):
            self._directories.append(Structure(start, end, f"directory {path}" + (f" part {number}" if number else "")))
        total = 0
        for start, end in runs:
            for at in range(start, end, _ENTRY):
                raw = bytes(cut(self.view, at, _ENTRY))
                total += _ENTRY
                if raw[0] == 0 or total > _DIRECTORY_BYTES:
                    return
                if raw[0] == 0xE5:
                    long = []
                elif raw[11] & 0x3F == _LONG_NAME:
                    long.append(raw[1:11] + raw[14:26] + raw[28:32])
                else:
                    name = _long_name(long) or _short_name(raw)
                    long = []
                    if raw[0:11].rstrip() not in (b".", b".."):
                        yield _Slot(name, at, raw)

    def structures(self) -> Iterator[Structure]:
        yield from base.fields(0, _BOOT, "boot sector ")
        at = 36
        if self._bits == 32:
            yield from base.fields(36, _FAT32, "boot sector ")
            yield from self._fat32_sectors()
            at = 64
        for field in base.fields(at, _TAIL, "boot sector "):
            value = (
                f"{int.from_bytes(self.view[field.start : field.end], 'little'):08x}" if field.end - at == 7 else None
            )
            yield Structure(field.start, field.end, field.name, field.role, value)
        yield Structure(at + 26, 512, "boot code", IDENTITY)
        for number in range(self._fats):
            start = self._fat + number * self._fat_size
            yield Structure(start, start + self._fat_size, f"FAT {number + 1}")
        yield from self._directories
        if self._label:
            start = self._label.start
            yield Structure(start, start + 22, "volume label", IDENTITY)
            time, date = unpack("<HH", self.view, start + 22)
            yield Structure(start + 22, start + 26, "volume label time", IDENTITY, _time(date, time))

    def _fat32_sectors(self) -> Iterator[Structure]:
        info, backup = unpack("<HH", self.view, 48)
        for sector, name in ((info, "FSInfo"), (backup, "backup boot sector")):
            if 0 < sector * self._sector < self._fat:
                yield Structure(sector * self._sector, (sector + 1) * self._sector, name)


def _trimmed(runs: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """`runs` cut to `size` bytes. Raises Malformed where they are shorter."""
    for start, end in runs:
        if size <= 0:
            return
        yield start, min(end, start + size)
        size -= end - start
    if size > 0:
        raise Malformed(f"cluster chain ends {size} bytes early")


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
    if raw[12] & 0x08:
        stem = stem.lower()
    if raw[12] & 0x10:
        extension = extension.lower()
    name = (stem + b"." + extension if extension else stem).replace(b"/", b"_").replace(b"\0", b"_")
    return os.fsdecode(name or b"_")


def _time(date: int, time: int, tens: int = 0) -> int | None:
    """FAT date and time words as seconds since 1970, None where unset or not a time."""
    try:
        stamp = datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2, tzinfo=UTC
        )
    except ValueError:
        return None
    return int(stamp.timestamp()) + tens // 100
