"""Where the parts of a FAT file system lie, from its boot sector, and its allocation table."""

from __future__ import annotations

from dataclasses import dataclass

from repro.formats.base import Malformed, cut, unpack

ENTRY = 32  # bytes of a directory entry


@dataclass(frozen=True)
class Geometry:
    """Offsets and sizes in bytes; `bits` of an entry of the table, `clusters` that the data area has."""

    sector: int
    cluster: int
    fat: int
    fat_size: int
    fats: int
    root: int
    data: int
    size: int
    clusters: int
    bits: int

    def start(self, cluster: int) -> int:
        """The first byte of a cluster."""
        return self.data + (cluster - 2) * self.cluster

    def next(self, view: memoryview, cluster: int) -> int:
        """The table's entry for a cluster. Raises Malformed."""
        if self.bits == 12:
            (word,) = unpack("<H", view, self.fat + cluster * 3 // 2)
            return int(word >> 4 if cluster & 1 else word & 0xFFF)
        if self.bits == 16:
            return int(unpack("<H", view, self.fat + cluster * 2)[0])
        return int(unpack("<I", view, self.fat + cluster * 4)[0] & 0x0FFFFFFF)

    def marks(self, entry: int) -> tuple[bool, bool]:
        """Whether an entry of the table ends a chain, and whether it marks a bad cluster."""
        top = 1 << min(self.bits, 28)
        return entry >= top - 8, entry == top - 9


def geometry(view: memoryview) -> Geometry:
    """What the boot sector at the start of `view` says. Raises Malformed."""
    sector, per_cluster, reserved, fats, root_entries, total16, media, per_fat16 = unpack(
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
    cluster, fat, fat_size, size = sector * per_cluster, reserved * sector, per_fat * sector, total * sector
    root = fat + fats * fat_size
    data = root + (root_entries * ENTRY + sector - 1) // sector * sector
    clusters = (size - data) // cluster
    if clusters < 1 or fat + fat_size > len(view):
        raise Malformed("file system has no room for data")
    bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
    return Geometry(sector, cluster, fat, fat_size, fats, root, data, size, clusters, bits)
