"""What a FAT file system has besides its directories and files, as structures: boot sectors, FSInfo, tables, rests."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, unpack
from repro.formats.fat_geometry import Geometry
from repro.formats.named import LITTLE, TEXT, Form, Row, named, repeats, rest

_SERIAL = Form(lambda raw: f"{int.from_bytes(raw, 'little'):08x}")
_BOOT: tuple[Row, ...] = (
    ("jump", 3, IDENTITY, None),
    ("OEM name", 8, IDENTITY, TEXT),
    ("bytes per sector", 2, IDENTITY, LITTLE),
    ("sectors per cluster", 1, IDENTITY, LITTLE),
    ("reserved sectors", 2, IDENTITY, LITTLE),
    ("FAT count", 1, IDENTITY, LITTLE),
    ("root entries", 2, IDENTITY, LITTLE),
    ("total sectors (16 bit)", 2, DERIVED, LITTLE),
    ("media", 1, IDENTITY, LITTLE),
    ("sectors per FAT (16 bit)", 2, DERIVED, LITTLE),
    ("sectors per track", 2, IDENTITY, LITTLE),
    ("heads", 2, IDENTITY, LITTLE),
    ("hidden sectors", 4, IDENTITY, LITTLE),
    ("total sectors (32 bit)", 4, DERIVED, LITTLE),
)
_FAT32: tuple[Row, ...] = (
    ("sectors per FAT", 4, DERIVED, LITTLE),
    ("flags", 2, IDENTITY, LITTLE),
    ("version", 2, IDENTITY, LITTLE),
    ("root cluster", 4, DERIVED, LITTLE),
    ("FSInfo sector", 2, IDENTITY, LITTLE),
    ("backup boot sector number", 2, IDENTITY, LITTLE),
    ("reserved", 12, IDENTITY, None),
)
_TAIL: tuple[Row, ...] = (
    ("drive number", 1, IDENTITY, LITTLE),
    ("state", 1, IDENTITY, LITTLE),
    ("extended signature", 1, IDENTITY, LITTLE),
    ("serial number", 4, IDENTITY, _SERIAL),
    ("label", 11, IDENTITY, TEXT),
    ("type", 8, IDENTITY, TEXT),
)
_INFO: tuple[Row, ...] = (
    ("lead signature", 4, IDENTITY, TEXT),
    ("reserved", 480, IDENTITY, None),
    ("structure signature", 4, IDENTITY, TEXT),
    ("free clusters", 4, DERIVED, LITTLE),
    ("next free cluster", 4, DERIVED, LITTLE),
    ("reserved end", 12, IDENTITY, None),
    ("trail signature", 4, IDENTITY, None),
)
_UNKNOWN = 0xFFFFFFFF
_TOGETHER = 64  # clusters that are looked at in one go


def structures(view: memoryview, layout: Geometry, taken: Collection[int]) -> Iterator[Structure]:
    """All of the file system but directories and files; `taken` are the clusters that these have.

    `view` may reach behind the file system.
    """
    reserved = list(_reserved(view, layout))
    yield from reserved
    yield from rest(view, reserved, 0, layout.fat, "reserved sectors")
    yield from _tables(view, layout, taken)
    last = min(layout.clusters, (len(view) - layout.data) // layout.cluster) + 2
    for first in range(2, last, _TOGETHER):
        free = [cluster for cluster in range(first, min(first + _TOGETHER, last)) if cluster not in taken]
        if free and bytes(view[layout.start(free[0]) : layout.start(free[-1] + 1)]).strip(b"\0"):
            for cluster in free:
                start = layout.start(cluster)
                yield from rest(view, (), start, start + layout.cluster, "unallocated cluster", str(cluster))
    end = layout.start(layout.clusters + 2)
    yield from rest(view, (), end, layout.size, "sectors behind the last cluster")
    yield from rest(view, (), layout.size, len(view), "behind the file system")


def _reserved(view: memoryview, layout: Geometry) -> Iterator[Structure]:
    """The boot sector, and what FAT32 has behind it."""
    yield from named(view, 0, _BOOT, "boot sector ")
    at = 36
    if layout.bits == 32:
        yield from named(view, at, _FAT32, "boot sector ")
        at = 64
    yield from named(view, at, _TAIL, "boot sector ")
    yield Structure(at + 26, 510, "boot code", IDENTITY)
    yield Structure(510, 512, "boot sector signature", IDENTITY)
    if layout.bits != 32:
        return
    info, backup = (number * layout.sector for number in unpack("<HH", view, 48))
    if 0 < info < layout.fat:
        for field in named(view, info, _INFO, "FSInfo "):
            counts = field.name.endswith("free clusters")
            yield replace(field, holds=partial(_free, view, layout, field.start)) if counts else field
    if 0 < backup < layout.fat and backup != info:
        copy = Structure(backup, backup + 512, "backup boot sector")
        yield replace(copy, holds=partial(repeats, view, copy, -backup))
        if 0 < info + backup < layout.fat and bytes(view[info + backup : info + backup + 4]) == b"RRaA":
            yield from named(view, info + backup, _INFO, "backup FSInfo ")


def _free(view: memoryview, layout: Geometry, at: int) -> bool:
    """Whether the count of free clusters at `at` is right, or said to be unknown."""
    (said,) = unpack("<I", view, at)
    with suppress(Malformed):
        return said in (_UNKNOWN, sum(not layout.next(view, cluster) for cluster in range(2, layout.clusters + 2)))
    return False


def _tables(view: memoryview, layout: Geometry, taken: Collection[int]) -> Iterator[Structure]:
    start, end = layout.fat, layout.fat + layout.fat_size
    head = start + layout.bits // 4
    tail = min(start + (layout.bits * (layout.clusters + 2) + 7) // 8, end)
    yield Structure(start, head, "FAT media entry", IDENTITY)
    if head < tail:
        holds = partial(_allocated, view, layout, taken)
        yield Structure(head, tail, "FAT cluster chains", DERIVED, None, "", holds)
    yield from rest(view, (), tail, end, "FAT rest")
    for number in range(1, layout.fats):
        copy = Structure(end, end + layout.fat_size, "FAT copy", DERIVED, None, str(number + 1))
        if copy.end <= len(view):
            yield replace(copy, holds=partial(repeats, view, copy, -layout.fat_size * number))
        end = copy.end


def _allocated(view: memoryview, layout: Geometry, taken: Collection[int]) -> bool:
    """Whether what no file and no directory has is free, or bad."""
    others = (layout.next(view, cluster) for cluster in range(2, layout.clusters + 2) if cluster not in taken)
    with suppress(Malformed):
        return all(not entry or layout.marks(entry)[1] for entry in others)
    return False
