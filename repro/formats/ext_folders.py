"""Directories of ext2, ext3 and ext4: their entries, and every byte of their blocks by name."""

from __future__ import annotations

import os
from collections.abc import Iterator

from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, unpack
from repro.formats.ext_files import Files
from repro.formats.ext_tables import INDEX, INLINE, Inode, Volume, crc32c

_TAIL = b"\0\0\0\0\x0c\0\0\xde"  # the head of the twelve bytes that hold a block's checksum


def blocks(volume: Volume, files: Files, inode: Inode) -> Iterator[tuple[int, int]]:
    """The byte ranges of a directory's blocks, in order. Raises Malformed."""
    if inode.flags & INLINE:
        (start, end), *more = files.inline(inode)
        yield start + 4, end  # behind the number of the parent's inode
        yield from more
        return
    for start, end in files.content(inode).extents():
        for at in range(start, end, volume.block):
            yield at, min(at + volume.block, end)


def entries(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, bytes]]:
    """The (offset, inode number, bytes taken, name) of the entries of a block. Raises Malformed."""
    at = start
    while at + 8 <= end:
        inode, length, size = unpack("<IHB", view, at)
        length = 65536 if length in (0, 65535) and end - start == 65536 else length
        if length < 8 or length % 4 or at + length > end or (inode and 8 + size > length):
            raise Malformed(f"broken directory entry at {at}")
        yield at, inode, length, bytes(view[at + 8 : at + 8 + size]) if inode else b""
        at += length


def structures(volume: Volume, files: Files, inode: Inode, path: str) -> Iterator[Structure]:
    """Every byte of the blocks of directory `path` by name, as far as they can be read."""
    if inode.flags & INLINE:
        yield Structure(inode.start + 40, inode.start + 44, "directory parent", DERIVED, of=path)
    for number, (start, end) in enumerate(blocks(volume, files, inode)):
        hashed = bool(inode.flags & INDEX) and _table_at(volume, start, end, number)
        if hashed:
            yield from _hash_table(volume, inode, (start, end), hashed, f"{path} block {number}")
        try:
            yield from _block(volume, inode, (start, end), bool(hashed), (path, number))
        except Malformed:
            yield Structure(start, end, "broken directory block", IDENTITY, of=f"{path} block {number}")


def _table_at(volume: Volume, start: int, end: int, number: int) -> int:
    """Where the counted part of a hash table begins in a directory block, 0 where it has none."""
    if number == 0:
        return 32 if end - start > 32 else 0
    inode, length, size = unpack("<IHH", volume.view, start)
    (limit,) = unpack("<H", volume.view, start + 8)
    slots = (end - start - 8) // 8
    return 8 if not inode and not size and length == end - start & 0xFFFF and limit in (slots, slots - 1) else 0


def _hash_table(volume: Volume, inode: Inode, place: tuple[int, int], table: int, path: str) -> Iterator[Structure]:
    start, end = place
    limit, count = unpack("<HH", volume.view, start + table)
    tail = start + table + limit * 8
    used = min(start + table + count * 8, end)
    yield Structure(start + 24 if table == 32 else start + 8, used, "directory hash table", of=path)
    yield from _slack(volume.view, used, min(tail, end), f"{path} behind its hash table")
    if volume.checksums and tail + 8 <= end:

        def holds() -> bool:
            head = crc32c(volume.inode_seed(inode), volume.view[start:used])
            computed = crc32c(head, bytes(volume.view[tail : tail + 4]) + bytes(4))
            return bool(computed == unpack("<I", volume.view, tail + 4)[0])

        yield Structure(tail, tail + 8, "directory hash table checksum", of=path, holds=holds)


def _block(
    volume: Volume, inode: Inode, place: tuple[int, int], hashed: bool, which: tuple[str, int]
) -> Iterator[Structure]:
    start, end = place
    path, number = which
    block = f"{path} block {number}"
    prefix = "" if path == "." else path + "/"
    for at, child, length, name in entries(volume.view, start, end):
        if bytes(volume.view[at : at + 8]) == _TAIL and at + 12 == end and volume.checksums:
            yield from _checksum(volume, inode, place, block)
            continue
        of = prefix + os.fsdecode(name) if child else f"{block} at {at - start}"
        yield Structure(at, at + 4, "directory entry inode", of=of)
        yield Structure(at + 4, at + 6, "directory entry length", of=of)
        yield Structure(at + 6, at + 7, "directory entry name length", of=of)
        yield Structure(at + 7, at + 8, "directory entry type", of=of)
        behind = at + 8 + len(name)
        if name:
            yield Structure(at + 8, behind, "directory entry name", of=of)
        if not (hashed and (not child or name == b"..")):  # which the hash table hides behind
            yield from _slack(volume.view, behind, at + length, f"{block} at {behind - start}")


def _slack(view: memoryview, start: int, end: int, of: str) -> Iterator[Structure]:
    if any(view[start:end]):
        yield Structure(start, end, "directory slack", IDENTITY, of=of)


def _checksum(volume: Volume, inode: Inode, place: tuple[int, int], path: str) -> Iterator[Structure]:
    start, end = place

    def holds() -> bool:
        computed = crc32c(volume.inode_seed(inode), volume.view[start : end - 12])
        return bool(computed == unpack("<I", volume.view, end - 4)[0])

    yield Structure(end - 12, end, "directory block checksum", of=path, holds=holds)
