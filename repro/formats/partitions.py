"""Partition tables: which partitions a disk has, and every field of its MBR, GPT and Apple partition map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from repro.formats import apple, gpt
from repro.formats.base import DERIVED, IDENTITY, Structure, unpack
from repro.formats.named import LITTLE, Row, named

SECTOR = 512
_CODE: tuple[Row, ...] = (
    ("boot code", 432, IDENTITY, None),
    ("boot image address", 8, DERIVED, LITTLE),  # where GRUB's and isolinux's hybrid code finds the rest of itself
    ("disk signature", 4, IDENTITY, LITTLE),
    ("reserved", 2, IDENTITY, None),
)
_ENTRY: tuple[Row, ...] = (
    ("status", 1, IDENTITY, LITTLE),
    ("first CHS", 3, DERIVED, None),
    ("type", 1, IDENTITY, LITTLE),
    ("last CHS", 3, DERIVED, None),
    ("first sector", 4, DERIVED, LITTLE),
    ("sector count", 4, DERIVED, LITTLE),
)
_EXTENDED = (0x05, 0x0F)


@dataclass(frozen=True)
class Partition:
    """A partition as bytes `start` to `end` of the disk; `number` counts from 1 in its table."""

    number: int
    start: int
    end: int


def partitions(view: memoryview) -> list[Partition]:
    """The partitions of a disk, from its GPT where it has one, else from its MBR; those beyond the end left out."""
    found: dict[tuple[int, int], Partition] = {}
    for number, start, end in (*gpt.partitions(view), *_mbr_partitions(view)):
        if 0 < start < end <= len(view):
            found.setdefault((start, end), Partition(number, start, end))
    return sorted(found.values(), key=lambda partition: partition.start)


def has_mbr(view: memoryview) -> bool:
    """Whether the first sector ends like an MBR and at least one entry is in use and plausible."""
    if not _is_mbr(view):
        return False
    status = {view[446 + 16 * slot] for slot in range(4)}
    return status <= {0, 0x80} and any(True for _ in _mbr_partitions(view))


def _is_mbr(view: memoryview) -> bool:
    return len(view) >= SECTOR and bytes(view[510:512]) == b"\x55\xaa"


def _mbr_partitions(view: memoryview) -> Iterator[tuple[int, int, int]]:
    if not _is_mbr(view):
        return
    for slot in range(4):
        _, _, kind, _, start, count = unpack("<B3sB3sII", view, 446 + 16 * slot)
        if kind not in (0, 0xEE, *_EXTENDED) and count:
            yield slot + 1, start * SECTOR, (start + count) * SECTOR


def structures(view: memoryview) -> Iterator[Structure]:
    """The named fields of MBR, GPT, backup GPT, Apple partition map and HFS+, as far as they are there."""
    if _is_mbr(view):
        yield from named(view, 0, _CODE, "MBR ")
        for slot in range(4):
            yield from named(view, 446 + 16 * slot, _ENTRY, "MBR partition ", str(slot + 1))
        yield Structure(510, 512, "MBR signature", IDENTITY)
    yield from gpt.structures(view)
    yield from apple.structures(view)
