"""The GUID partition table (UEFI specification 2.10, chapter 5): header and entries, and their backup at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from zlib import crc32

from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, cut, unpack
from repro.formats.named import GUID, LITTLE, TEXT, TEXT16LE, ZERO, Row, named, repeats

SECTOR = 512
_SLOTS = 1024  # partitions that a table may have
_HEADER_SIZE = 92
_HEADER: tuple[Row, ...] = (
    ("header signature", 8, IDENTITY, TEXT),
    ("header revision", 4, IDENTITY, LITTLE),
    ("header size", 4, DERIVED, LITTLE),
    ("header CRC", 4, DERIVED, LITTLE),
    ("header reserved", 4, DERIVED, ZERO),
    ("own LBA", 8, DERIVED, LITTLE),
    ("alternate LBA", 8, DERIVED, LITTLE),
    ("first usable LBA", 8, DERIVED, LITTLE),
    ("last usable LBA", 8, DERIVED, LITTLE),
    ("disk GUID", 16, IDENTITY, GUID),
    ("entries LBA", 8, DERIVED, LITTLE),
    ("entry count", 4, IDENTITY, LITTLE),
    ("entry size", 4, IDENTITY, LITTLE),
    ("entries CRC", 4, DERIVED, LITTLE),
)
_ENTRY: tuple[Row, ...] = (
    ("type GUID", 16, IDENTITY, GUID),
    ("unique GUID", 16, IDENTITY, GUID),
    ("first LBA", 8, DERIVED, LITTLE),
    ("last LBA", 8, DERIVED, LITTLE),
    ("attributes", 8, IDENTITY, LITTLE),
    ("name", 72, IDENTITY, TEXT16LE),
)
# What the backup header says of itself; all else in the backup repeats the primary.
_OWN = {"header CRC", "own LBA", "alternate LBA", "entries LBA", "entries CRC"}


def present(view: memoryview, lba: int = 1) -> bool:
    """Whether a GPT header stands in sector `lba`."""
    return bytes(view[lba * SECTOR :][:8]) == b"EFI PART"


def partitions(view: memoryview) -> Iterator[tuple[int, int, int]]:
    """(number, start, end) in bytes of each entry in use."""
    if not present(view):
        return
    for slot, at, _ in _slots(view, SECTOR):
        kind, _, first, last = unpack("<16s16sQQ", view, at)
        if any(kind):
            yield slot + 1, first * SECTOR, (last + 1) * SECTOR


def _slots(view: memoryview, header: int) -> Iterator[tuple[int, int, int]]:
    """(slot, offset, size) of each entry that the header at byte `header` announces and that is there."""
    start, count, size = unpack("<QII", view, header + 72)
    for slot in range(min(count, _SLOTS)):
        at = start * SECTOR + slot * size
        if size < 128 or at + size > len(view):
            return
        yield slot, at, size


def structures(view: memoryview) -> Iterator[Structure]:
    """The fields of the table in the second sector and of the backup that it names."""
    if not present(view) or len(view) < SECTOR + _HEADER_SIZE:
        return
    yield from _table(view, SECTOR, "GPT ")
    (alternate,) = unpack("<Q", view, SECTOR + 32)
    header = alternate * SECTOR
    if alternate > 1 and header + _HEADER_SIZE <= len(view):
        entries = [unpack("<Q", view, at + 72)[0] * SECTOR for at in (SECTOR, header)]
        for field in _table(view, header, "backup GPT "):
            if field.name.removeprefix("backup GPT ") in _OWN:
                yield field
                continue
            shift = SECTOR - header if header <= field.start < header + SECTOR else entries[0] - entries[1]
            yield replace(field, role=DERIVED, holds=partial(repeats, view, field, shift))


def _table(view: memoryview, header: int, prefix: str) -> Iterator[Structure]:
    checks = {"header CRC": _header_crc, "entries CRC": _entries_crc}
    for field in named(view, header, _HEADER, prefix):
        check = checks.get(field.name.removeprefix(prefix))
        yield replace(field, holds=partial(check, view, header)) if check else field
    (size,) = unpack("<I", view, header + 12)
    if _HEADER_SIZE < size <= SECTOR:
        yield Structure(header + _HEADER_SIZE, min(header + size, len(view)), prefix + "header rest", IDENTITY)
    for slot, at, size in _slots(view, header):
        of = str(slot + 1)
        if not any(view[at : at + size]):
            yield Structure(at, at + size, prefix + "unused entry", DERIVED, None, of)
            continue
        yield from named(view, at, _ENTRY, prefix + "partition ", of)
        if size > 128:
            yield Structure(at + 128, at + size, prefix + "partition rest", IDENTITY, None, of)


def _header_crc(view: memoryview, header: int) -> bool:
    size, stored = unpack("<II", view, header + 12)
    if not _HEADER_SIZE <= size <= SECTOR or header + size > len(view):
        return False
    return bool(
        stored == crc32(bytes(view[header : header + 16]) + bytes(4) + bytes(view[header + 20 : header + size]))
    )


def _entries_crc(view: memoryview, header: int) -> bool:
    start, count, size, stored = unpack("<QIII", view, header + 72)
    try:
        return bool(stored == crc32(cut(view, start * SECTOR, count * size)))
    except Malformed:
        return False
