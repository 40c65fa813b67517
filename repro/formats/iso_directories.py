"""Directories of ISO 9660 (ECMA-119, section 9.1) as they lie: records, and the trees that they make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from repro.formats import base, rockridge
from repro.formats.base import Malformed, cut, unpack

DIRECTORY = 0x02
SELF, PARENT = b"\0", b"\1"  # the identifiers of a directory's own record and its parent's


@dataclass(frozen=True)
class Record:
    """A record at byte `at`: where its extent lies (bytes), flags, time, zone in minutes east, system use area."""

    at: int
    start: int
    size: int
    flags: int
    time: int | str | None
    zone: int
    identifier: bytes
    area: memoryview
    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Directory:
    """A directory by its path: its record in the parent (the root: its own), and where the parent's record is."""

    path: str
    record: Record
    parent: int

    def inside(self, name: str) -> str:
        """The path of what it holds as `name`."""
        return name if self.path == "." else f"{self.path}/{name}"


Tree = dict[int, Directory]  # by the byte where its extent starts


def record_at(view: memoryview, at: int, block_size: int) -> Record:
    """The record at byte `at`. Raises Malformed."""
    length, skip, block, size = unpack("<BBI4xI4x", view, at)
    data = cut(view, at, length)
    flags, unit, gap, name_size = unpack("<BBB4xB", data, 25)
    if unit or gap:
        raise Malformed("interleaved files are not read")
    identifier = bytes(cut(data, 33, name_size))
    start = (block + skip) * block_size
    time, zone = rockridge.short_time(data[18:25]), rockridge.minutes_east(data[24])
    area = data[33 + name_size + (name_size + 1) % 2 :]
    return Record(at, start, size, flags, time, zone, identifier, area, ((start, start + size),))


def records(view: memoryview, directory: Record, block_size: int) -> Iterator[Record]:
    """The records of a directory, block by block, its own and its parent's included. Raises Malformed, also midway."""
    extent = cut(view, directory.start, directory.size)
    at = 0
    while at < len(extent):
        if not extent[at]:  # records do not cross blocks; the rest of this one is padding
            at += block_size - at % block_size
            continue
        yield record_at(view, directory.start + at, block_size)
        at += extent[at]


def tree(view: memoryview, root: int, block_size: int) -> Tree:
    """The directories below the root record at byte `root`, by their names in Joliet, as far as read."""
    found: Tree = {}
    with suppress(Malformed):
        top = record_at(view, root, block_size)
        stack = [Directory(".", top, root)]
        found[top.start] = stack[0]
        while stack and len(found) < base.MEMBERS:
            directory = stack.pop()
            with suppress(Malformed):
                for child in records(view, directory.record, block_size):
                    if child.flags & DIRECTORY and child.identifier not in (SELF, PARENT) and child.start not in found:
                        below = Directory(directory.inside(wide_name(child)), child, directory.record.at)
                        found[child.start] = below
                        stack.append(below)
    return found


def wide_name(found: Record) -> str:
    """The name of a record of a Joliet volume."""
    return found.identifier.decode("utf-16-be", "replace").removesuffix(";1")
