"""El Torito: the boot catalogue of a bootable ISO (Phoenix/IBM specification 1.0)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from repro.formats import fat
from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, unpack

_ENTRIES = 64  # a catalogue of one 2048-byte sector
_SECTOR = 2048


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


def images(view: memoryview, catalogue: int | None) -> list[Image]:
    """The boot images that the catalogue at byte `catalogue` names; a FAT's own size wins over the catalogue's."""
    found: list[Image] = []
    if catalogue is None:
        return found
    for at, first in _entries(view, catalogue):
        if first not in (0x88, 0x00):
            continue
        sectors, block = unpack("<HI", view, at + 6)
        start = block * _SECTOR
        if start == 0 or start >= len(view):
            continue
        try:
            size = fat.Fat(view[start:]).size
        except Malformed:
            size = sectors * 512
        found.append(Image(len(found) + 1, start, start + size))
    return found


def structures(view: memoryview, catalogue: int) -> Iterator[Structure]:
    """The entries of the boot catalogue at byte `catalogue`; load addresses follow from the layout."""
    for number, (at, first) in enumerate(_entries(view, catalogue)):
        if first == 1 and number == 0:
            yield Structure(at, at + 28, "El Torito platform and identifier", IDENTITY)
            yield Structure(at + 28, at + 32, "El Torito checksum", DERIVED)
        else:
            yield Structure(at, at + 32, f"El Torito catalogue entry {number}", DERIVED)
