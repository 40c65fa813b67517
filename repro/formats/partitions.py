"""Partition tables: MBR (first sector), GPT (UEFI specification 2.10, chapter 5) and Apple's partition map."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, cut, fields, unpack

SECTOR = 512
_ENTRIES = 1024  # partitions that a table may have
_GPT_HEADER = (
    ("signature", 8, IDENTITY),
    ("revision", 4, IDENTITY),
    ("header size", 4, DERIVED),
    ("header CRC", 4, DERIVED),
    ("reserved", 4, DERIVED),
    ("own LBA", 8, DERIVED),
    ("alternate LBA", 8, DERIVED),
    ("first usable LBA", 8, DERIVED),
    ("last usable LBA", 8, DERIVED),
    ("disk GUID", 16, IDENTITY),
    ("entries LBA", 8, DERIVED),
    ("entry count", 4, IDENTITY),
    ("entry size", 4, IDENTITY),
    ("entries CRC", 4, DERIVED),
)
_GPT_ENTRY = (
    ("type GUID", 16, IDENTITY),
    ("unique GUID", 16, IDENTITY),
    ("first LBA", 8, DERIVED),
    ("last LBA", 8, DERIVED),
    ("attributes", 8, IDENTITY),
    ("name", 72, IDENTITY),
)
_MBR = (
    ("MBR boot code", 432, IDENTITY),
    ("MBR boot image address", 8, DERIVED),
    ("MBR disk signature", 4, IDENTITY),
    ("MBR reserved", 2, IDENTITY),
    ("MBR partition 1", 16, DERIVED),
    ("MBR partition 2", 16, DERIVED),
    ("MBR partition 3", 16, DERIVED),
    ("MBR partition 4", 16, DERIVED),
    ("MBR signature", 2, IDENTITY),
)


@dataclass(frozen=True)
class Partition:
    """A partition as bytes `start` to `end` of the disk; `number` counts from 1 in its table."""

    number: int
    start: int
    end: int


def partitions(view: memoryview) -> list[Partition]:
    """The partitions of a disk, from its GPT where it has one, else from its MBR; those beyond the end left out."""
    found: dict[tuple[int, int], Partition] = {}
    for number, start, end in (*_gpt_partitions(view), *_mbr_partitions(view)):
        if 0 < start < end <= len(view):
            found.setdefault((start, end), Partition(number, start, end))
    return sorted(found.values(), key=lambda partition: partition.start)


def has_mbr(view: memoryview) -> bool:
    """Whether the first sector ends like an MBR and at least one entry is in use and plausible."""
    if len(view) < SECTOR or bytes(view[510:512]) != b"\x55\xaa":
        return False
    status = {view[446 + 16 * slot] for slot in range(4)}
    return status <= {0, 0x80} and any(True for _ in _mbr_partitions(view))


def has_gpt(view: memoryview) -> bool:
    """Whether a GPT header stands in the second sector."""
    return bytes(view[SECTOR : SECTOR + 8]) == b"EFI PART"


def _mbr_partitions(view: memoryview) -> Iterator[tuple[int, int, int]]:
    if len(view) < SECTOR or bytes(view[510:512]) != b"\x55\xaa":
        return
    for slot in range(4):
        _, _, kind, _, start, count = unpack("<B3sB3sII", view, 446 + 16 * slot)
        if kind not in (0, 0xEE, 0x05, 0x0F) and count:
            yield slot + 1, start * SECTOR, (start + count) * SECTOR


def _gpt_partitions(view: memoryview) -> Iterator[tuple[int, int, int]]:
    if not has_gpt(view):
        return
    start, count, size = unpack("<QII", view, SECTOR + 72)
    for slot in range(min(count, _ENTRIES)):
        at = start * SECTOR + slot * size
        if size < 128 or at + 128 > len(view):
            return
        kind, _, first, last = unpack("<16s16sQQ", view, at)
        if any(kind):
            yield slot + 1, first * SECTOR, (last + 1) * SECTOR


def structures(view: memoryview) -> Iterator[Structure]:
    """The named fields of MBR, GPT, backup GPT and Apple partition map, as far as they are there."""
    if len(view) < SECTOR:
        return
    yield from fields(0, _MBR)
    if has_gpt(view):
        yield from _gpt_table(view, 1, "GPT ")
        (alternate,) = unpack("<Q", view, SECTOR + 32)
        if alternate * SECTOR + 92 <= len(view) and alternate > 1:
            yield from _gpt_table(view, alternate, "backup GPT ")
    else:
        yield from _apple_map(view)


def _gpt_table(view: memoryview, lba: int, prefix: str) -> Iterator[Structure]:
    header = lba * SECTOR
    for field in fields(header, _GPT_HEADER, prefix):
        yield _with_guid(view, field)
    start, count, size = unpack("<QII", view, header + 72)
    if size < 128:
        return
    for slot in range(min(count, _ENTRIES)):
        at = start * SECTOR + slot * size
        if at + 128 > len(view):
            return
        for field in fields(at, _GPT_ENTRY, f"{prefix}partition {slot + 1} "):
            yield _with_guid(view, field)


def _with_guid(view: memoryview, field: Structure) -> Structure:
    if not field.name.endswith("GUID"):
        return field
    try:
        value = str(uuid.UUID(bytes_le=bytes(cut(view, field.start, 16))))
    except Malformed:
        return field
    return Structure(field.start, field.end, field.name, field.role, value)


def _apple_map(view: memoryview) -> Iterator[Structure]:
    for block in (2048, 512):
        count = 0
        while count < 64 and bytes(view[block * (count + 1) :][:2]) == b"PM":
            start = block * (count + 1)
            yield Structure(start, start + SECTOR, f"Apple partition map entry {count + 1}", DERIVED)
            count += 1
        if count:
            return
