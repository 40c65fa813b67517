"""El Torito: the boot catalogue of a bootable ISO (Phoenix/IBM specification 1.0), and what is patched into boot files.

The boot info table in bytes 8 to 64 of a boot file is mkisofs's (its manual page: EL TORITO BOOT INFORMATION TABLE);
the address at byte 2548 is what xorriso --grub2-boot-info writes for GRUB's cdboot.img.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from repro.formats import fat
from repro.formats.base import CHUNK, DERIVED, IDENTITY, Malformed, Structure, unpack
from repro.formats.named import LITTLE, TEXT, ZERO, Row, named

_ENTRIES = 64  # a catalogue of one 2048-byte sector
_SECTOR = 2048
_VALIDATION: tuple[Row, ...] = (
    ("header identifier", 1, IDENTITY, LITTLE),
    ("platform", 1, IDENTITY, LITTLE),
    ("reserved", 2, IDENTITY, None),
    ("identifier", 24, IDENTITY, TEXT),
    ("checksum", 2, DERIVED, LITTLE),
    ("key bytes", 2, IDENTITY, None),
)
_SECTION: tuple[Row, ...] = (
    ("indicator", 1, IDENTITY, LITTLE),
    ("platform", 1, IDENTITY, LITTLE),
    ("entry count", 2, DERIVED, LITTLE),
    ("identifier", 28, IDENTITY, TEXT),
)
_ENTRY: tuple[Row, ...] = (
    ("boot indicator", 1, IDENTITY, LITTLE),
    ("media type", 1, IDENTITY, LITTLE),
    ("load segment", 2, IDENTITY, LITTLE),
    ("system type", 1, IDENTITY, LITTLE),
    ("unused", 1, DERIVED, ZERO),
    ("sector count", 2, DERIVED, LITTLE),
    ("image location", 4, DERIVED, LITTLE),
    ("selection criteria", 20, IDENTITY, None),
)
_INFO: tuple[Row, ...] = (
    ("volume descriptor location", 4, DERIVED, LITTLE),
    ("file location", 4, DERIVED, LITTLE),
    ("file length", 4, DERIVED, LITTLE),
    ("checksum", 4, DERIVED, LITTLE),
    ("reserved", 40, DERIVED, ZERO),
)
_GRUB_ADDRESS = 2548


@dataclass(frozen=True)
class Image:
    """A boot image: bytes `start` to `end` of the ISO; `number` counts catalogue entries from 1."""

    number: int
    start: int
    end: int


def _entries(view: memoryview, catalogue: int) -> Iterator[tuple[int, int]]:
    """(offset, first byte) of the entries in use."""
    for slot in range(_ENTRIES):
        at = catalogue + 32 * slot
        if at + 32 > len(view) or not any(view[at : at + 32]):
            return
        yield at, view[at]


def _starts(view: memoryview, catalogue: int) -> Iterator[tuple[int, int]]:
    """(start in bytes, sectors of 512 bytes) of each boot image within `view`."""
    for at, first in _entries(view, catalogue):
        if first not in (0x88, 0x00):
            continue
        sectors, block = unpack("<HI", view, at + 6)
        if 0 < block * _SECTOR < len(view):
            yield block * _SECTOR, sectors


def images(view: memoryview, catalogue: int | None) -> list[Image]:
    """The boot images that the catalogue at byte `catalogue` names; a FAT's own size wins over the catalogue's."""
    found: list[Image] = []
    if catalogue is None:
        return found
    for start, sectors in _starts(view, catalogue):
        try:
            size = fat.Fat(view[start:]).size
        except Malformed:
            size = sectors * 512
        found.append(Image(len(found) + 1, start, start + size))
    return found


def structures(view: memoryview, catalogue: int) -> Iterator[Structure]:
    """The boot catalogue at byte `catalogue` by field, and what its images tell of the layout."""
    entries = sections = 0
    for number, (at, first) in enumerate(_entries(view, catalogue)):
        if first == 1 and number == 0:
            for field in named(view, at, _VALIDATION, "El Torito validation "):
                sums = field.name.endswith("checksum")
                yield replace(field, holds=partial(_sums_to_zero, view[at : at + 32])) if sums else field
        elif first in (0x90, 0x91):
            sections += 1
            yield from named(view, at, _SECTION, "El Torito section header ", str(sections))
        elif first == 0x44:
            yield Structure(at, at + 32, "El Torito entry extension", IDENTITY, None, str(number))
        else:
            entries += 1
            yield from named(view, at, _ENTRY, "El Torito entry ", str(entries))
    patched: set[int] = set()
    for number, (start, _) in enumerate(_starts(view, catalogue), 1):
        if start not in patched:
            patched.add(start)
            yield from _patched(view, start, str(number))


def _sums_to_zero(entry: memoryview) -> bool:
    return bool(sum(unpack("<16H", entry, 0)) & 0xFFFF == 0)


def _patched(view: memoryview, start: int, of: str) -> Iterator[Structure]:
    """The boot info table and GRUB's address in the boot file at `start`, where they are recognised."""
    if start + 64 > len(view):
        return
    descriptor, location, length = unpack("<III", view, start + 8)
    if location * _SECTOR == start and bytes(view[descriptor * _SECTOR + 1 :][:5]) == b"CD001":
        for field in named(view, start + 8, _INFO, "boot info table ", of):
            sums = field.name.endswith("checksum")
            yield replace(field, holds=partial(_sums_up, view, start, length)) if sums else field
    at = start + _GRUB_ADDRESS
    if at + 8 <= len(view) and unpack("<Q", view, at)[0] == start // 512 + 5:
        yield Structure(at, at + 8, "GRUB boot image address", DERIVED, start // 512 + 5, of)


def _sums_up(view: memoryview, start: int, length: int) -> bool:
    """Whether the table's checksum is the sum of the file's 32-bit words from byte 64 on."""
    if length < 64 or start + length > len(view):
        return False
    total = 0
    for at in range(start + 64, start + length, CHUNK):
        part = bytes(view[at : min(at + CHUNK, start + length)])
        total += sum(struct.unpack(f"<{(len(part) + 3) // 4}I", part + bytes(-len(part) % 4)))
    return bool(total & 0xFFFFFFFF == unpack("<I", view, start + 20)[0])
