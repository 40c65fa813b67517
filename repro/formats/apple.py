"""Apple's partition map (Inside Macintosh: Devices, chapter 3), and the HFS+ volumes in it."""

from __future__ import annotations

from collections.abc import Iterator

from repro.formats import hfsplus
from repro.formats.base import DERIVED, IDENTITY, Structure, unpack
from repro.formats.named import BIG, TEXT, Row, named

_MAP_ENTRIES = 64
_ENTRY: tuple[Row, ...] = (
    ("signature", 2, IDENTITY, TEXT),
    ("reserved", 2, IDENTITY, None),
    ("entry count", 4, DERIVED, BIG),
    ("first block", 4, DERIVED, BIG),
    ("block count", 4, DERIVED, BIG),
    ("name", 32, IDENTITY, TEXT),
    ("type", 32, IDENTITY, TEXT),
    ("first data block", 4, DERIVED, BIG),
    ("data block count", 4, DERIVED, BIG),
    ("status", 4, IDENTITY, BIG),
    ("boot code location", 4, IDENTITY, BIG),
    ("boot code size", 4, IDENTITY, BIG),
    ("boot code addresses", 16, IDENTITY, None),
    ("boot code checksum", 4, IDENTITY, BIG),
    ("processor", 16, IDENTITY, TEXT),
    ("rest", 376, IDENTITY, None),
)


def structures(view: memoryview) -> Iterator[Structure]:
    """The fields of the partition map, whatever its block size, and of the HFS+ volumes that it names."""
    for block in (2048, 512):
        count = volumes = 0
        while count < _MAP_ENTRIES and bytes(view[block * (count + 1) :][:2]) == b"PM":
            at = block * (count + 1)
            count += 1
            yield from named(view, at, _ENTRY, "Apple partition map ", str(count))
            if at + 80 <= len(view) and bytes(view[at + 48 : at + 58]) == b"Apple_HFS\0":
                start, size = unpack(">II", view, at + 8)
                volumes += 1
                yield from hfsplus.structures(
                    view, start * block, (start + size) * block, str(volumes) if volumes > 1 else ""
                )
        if count:
            return
