"""Every byte of an ext2, ext3 or ext4 file system by name: tables, files' own blocks, and what deleted things left."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from repro.formats import base, ext_layouts
from repro.formats.base import CHUNK, IDENTITY, Structure, cut, unpack
from repro.formats.ext_files import Files
from repro.formats.ext_inodes import INODES_UNUSED, Inodes, Names, filled
from repro.formats.ext_tables import R_BIGALLOC, R_GDT_CSUM, SIZE, START, Group, Volume, crc16, crc32c

_BLOCKS_UNUSED = 0x2  # of a group's flags: its block bitmap was never written


def mapped(volume: Volume, files: Files, names: Names) -> Iterator[Structure]:
    """The structures of a whole file system, whose inodes have the paths `names`. Raises Malformed."""
    tables = Inodes(volume, files, names)
    covered = _Covered()
    for structure in _all(volume, tables):
        covered.add(structure.start, structure.end)
        yield structure
    for start, end in tables.contents:
        covered.add(start, end)
    for start, end in covered.gaps(min(volume.size, len(volume.view))):
        yield from _left_over(volume, start, end)
    if len(volume.view) > volume.size and filled(volume.view, volume.size, len(volume.view)):
        yield Structure(volume.size, len(volume.view), "bytes behind the file system", IDENTITY)


def _all(volume: Volume, tables: Inodes) -> Iterator[Structure]:
    yield Structure(0, START, "boot block", IDENTITY)
    yield from _superblock(volume)
    for group in volume.all_groups():
        yield from _group(volume, group)
        yield from tables.structures(group)


def _superblock(volume: Volume) -> Iterator[Structure]:
    for each in base.fields(START, ext_layouts.SUPERBLOCK, "superblock "):
        raw = bytes(cut(volume.view, each.start, each.end - each.start))
        name = each.name.removeprefix("superblock ")
        if name == "checksum":
            yield replace(each, holds=_superblock_holds(volume)) if volume.checksums else each
        elif "UUID" in name or name == "hash seed":
            yield replace(each, value=str(uuid.UUID(bytes=raw)))
        elif len(raw) <= 8:
            yield replace(each, value=int.from_bytes(raw, "little"))
        else:
            yield each


def _superblock_holds(volume: Volume) -> Callable[[], bool]:
    def holds() -> bool:
        raw = volume.view[START : START + SIZE]
        return bool(crc32c(0xFFFFFFFF, raw[:1020]) == unpack("<I", raw, 1020)[0])

    return holds


def _group(volume: Volume, group: Group) -> Iterator[Structure]:
    of = f"group {group.number}"
    block, first = volume.block, volume.first_block(group.number)
    if group.number and volume.has_superblock(group.number):
        yield Structure(first * block, (first + 1) * block, "backup superblock", of=of)
    tables = volume.table_blocks(group.number)
    for number, (table, described) in enumerate(tables):
        if volume.group(min(described, volume.groups - 1)).start // block != table:
            yield Structure(table * block, (table + 1) * block, "backup group descriptors", of=f"{of} block {number}")
    if tables and volume.has_superblock(group.number) and volume.reserved_tables:
        behind = tables[-1][0] + 1
        end = (behind + volume.reserved_tables) * block
        yield Structure(behind * block, end, "reserved descriptor blocks", of=of)
    yield from _descriptor(volume, group, of)
    for at, name in ((group.block_bitmap, "block bitmap"), (group.inode_bitmap, "inode bitmap")):
        yield Structure(at * block, (at + 1) * block, name, of=of)


def _descriptor(volume: Volume, group: Group, of: str) -> Iterator[Structure]:
    yield from (
        replace(each, of=of, holds=_group_holds(volume, group, each.name))
        for each in base.fields(group.start, ext_layouts.GROUP, "group descriptor ")
    )
    if volume.descriptor >= 64:
        high = base.fields(group.start + 32, ext_layouts.GROUP_HIGH, "group descriptor ")
        yield from (replace(each, of=of, holds=_group_holds(volume, group, each.name)) for each in high)


def _group_holds(volume: Volume, group: Group, name: str) -> Callable[[], bool] | None:
    """What proves one of a group's three checksums."""
    raw = volume.view[group.start : group.start + volume.descriptor]
    seed = group.number.to_bytes(4, "little")

    def descriptor() -> bool:
        stored = unpack("<H", raw, 30)[0]
        if volume.checksums:
            return bool(stored == crc32c(crc32c(volume.seed, seed), bytes(raw[:30]) + bytes(2) + raw[32:]) & 0xFFFF)
        return bool(stored == crc16(0xFFFF, volume.uuid + seed + bytes(raw[:30]) + raw[32:]))

    def bitmap(at: int, bits: int, low: int, high: int) -> bool:
        computed = crc32c(volume.seed, volume.at(at)[: bits // 8])
        stored = unpack("<H", raw, low)[0]
        if volume.descriptor < 64:
            return bool(stored == computed & 0xFFFF)
        return bool(stored | unpack("<H", raw, high)[0] << 16 == computed)

    if name == "group descriptor checksum":
        return descriptor if volume.checksums or volume.read_only & R_GDT_CSUM else None
    if not volume.checksums or "bitmap checksum" not in name:
        return None
    if group.flags & (_BLOCKS_UNUSED if "block bitmap" in name else INODES_UNUSED):
        return None  # nobody computes the checksum of a bitmap that was never written
    if "block bitmap" in name:
        return lambda: bitmap(group.block_bitmap, volume.clusters_per_group, 24, 56)
    return lambda: bitmap(group.inode_bitmap, volume.inodes_per_group, 26, 58)


@dataclass
class _Covered:
    """The byte ranges that something names, joined where they follow each other."""

    ranges: list[list[int]] = field(default_factory=list)

    def add(self, start: int, end: int) -> None:
        if self.ranges and self.ranges[-1][0] <= start <= self.ranges[-1][1]:
            self.ranges[-1][1] = max(self.ranges[-1][1], end)
        else:
            self.ranges.append([start, end])

    def gaps(self, size: int) -> Iterator[tuple[int, int]]:
        at = 0
        for start, end in sorted(self.ranges):
            if at < start < size:
                yield at, start
            at = max(at, end)
        if at < size:
            yield at, size


def _left_over(volume: Volume, start: int, end: int) -> Iterator[Structure]:
    """The blocks within a range that nothing names and that are not zero."""
    block = volume.block
    begin = stop = 0  # of the run of blocks to tell next
    kind = ""
    step = max(CHUNK, block)
    for at in range((start + block - 1) // block * block, end // block * block, step):
        chunk = bytes(volume.view[at : min(at + step, end // block * block)])
        if chunk.count(0) == len(chunk):
            continue
        for offset in range(0, len(chunk), block):
            if chunk.count(0, offset, offset + block) == block:
                continue
            here, now = at + offset, _kind(volume, (at + offset) // block)
            if (here, now) != (stop, kind):
                yield from _run(begin, stop, kind, block)
                begin, kind = here, now
            stop = here + block
    yield from _run(begin, stop, kind, block)


def _run(start: int, end: int, kind: str, block: int) -> Iterator[Structure]:
    if start < end and kind:
        yield Structure(start, end, kind, IDENTITY, of=f"block {start // block}")


def _kind(volume: Volume, block: int) -> str:
    """What a block is that nothing names; empty where it counts as in use."""
    if block < volume.first:
        return ""
    number, place = divmod(block - volume.first, volume.per_group)
    group = volume.group(number)
    bit = place * volume.block // volume.cluster
    if group.flags & _BLOCKS_UNUSED or not volume.at(group.block_bitmap)[bit // 8] >> bit % 8 & 1:
        return "unallocated block"
    return "cluster slack" if volume.read_only & R_BIGALLOC else ""
