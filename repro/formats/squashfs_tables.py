"""SquashFS metadata: compressed metadata blocks, and the id, fragment and xattr tables that they hold."""

from __future__ import annotations

import os
import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from repro.formats import codec
from repro.formats.base import Malformed, Piece, Structure, cut, unpack

COMPRESSED = 1 << 24  # in a block's size word: set where the block is *not* compressed
NO_FRAGMENT = 0xFFFFFFFF
ABSENT = 0xFFFFFFFFFFFFFFFF
_METADATA = 8192  # bytes of a full metadata block, decompressed
_CACHED_METADATA = 4096  # blocks: 32 MiB
_CACHED_FRAGMENTS = 8
_XATTR_PREFIXES = ("user.", "trusted.", "security.")
_XATTR_BYTES = 1 << 20  # of all values of one inode; Linux allows 64 KiB a value
_DECODERS = {
    1: codec.zlib_block,
    2: codec.lzma_block,
    4: codec.xz_block,
    5: codec.lz4_block,
    6: codec.zstd_block,
}
COMPRESSORS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}


def decoder(compressor: int) -> codec.Block:
    """The block decompressor of a superblock's compressor id. Raises Malformed where there is none."""
    if compressor not in _DECODERS:
        raise Malformed(f"squashfs compressor {COMPRESSORS.get(compressor, compressor)} cannot be read")
    return _DECODERS[compressor]


class Metadata:
    """The metadata blocks of one table, by their offset from `base`; the last few thousand are kept."""

    def __init__(self, view: memoryview, base: int, decode: codec.Block) -> None:
        self._view, self._base, self._decode = view, base, decode
        self._kept: OrderedDict[int, tuple[bytes, int]] = OrderedDict()

    def block(self, at: int) -> tuple[bytes, int]:
        """(decompressed bytes, offset of the next block) of the block at `at`. Raises Malformed."""
        if at in self._kept:
            return self._kept[at]
        start = self._base + at
        (word,) = unpack("<H", self._view, start)
        size = word & 0x7FFF or 0x8000
        raw = bytes(cut(self._view, start + 2, size))
        if size > _METADATA and word & 0x8000:
            raise Malformed(f"metadata block at {start} has {size} bytes")
        data = raw if word & 0x8000 else self._decode(raw, _METADATA)
        self._kept[at] = data, at + 2 + size
        if len(self._kept) > _CACHED_METADATA:
            self._kept.popitem(last=False)
        return self._kept[at]


class Reader:
    """A cursor through the metadata blocks of a table, from byte `offset` of the block at `at` on."""

    def __init__(self, table: Metadata, at: int, offset: int) -> None:
        self._table = table
        self._data, self._next = table.block(at)
        self._offset = offset
        self.consumed = 0
        if offset > len(self._data):
            raise Malformed("reference beyond its metadata block")

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Raises Malformed where the table ends before."""
        self.consumed += size
        end = self._offset + size
        if end <= len(self._data):
            out = self._data[self._offset : end]
            self._offset = end
            return out
        parts = [self._data[self._offset :]]
        missing = size - len(parts[0])
        while missing:
            self._data, self._next = self._table.block(self._next)
            if not self._data:
                raise Malformed("empty metadata block")
            parts.append(self._data[:missing])
            self._offset = len(parts[-1])
            missing -= self._offset
        return b"".join(parts)

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """The next fields, as `struct.unpack` reads them. Raises Malformed."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))


@dataclass(frozen=True)
class Fragment:
    """A block that holds the tails of several files: where it starts and its size word."""

    start: int
    word: int


class Tables:
    """All tables of one image. `starts`: id, xattr, inode, directory, fragment, export table (bytes)."""

    def __init__(
        self, view: memoryview, starts: tuple[int, ...], block_size: int, compressor: int, counts: tuple[int, int]
    ) -> None:
        self._view, self._block_size, self._compressor = view, block_size, compressor
        self._starts = dict(zip(("id", "xattr", "inode", "directory", "fragment", "export"), starts, strict=True))
        self._id_count, self._fragment_count = counts
        self._decode = decoder(compressor)
        self.inodes = Metadata(view, self._starts["inode"], self._decode)
        self.directories = Metadata(view, self._starts["directory"], self._decode)
        self._rest = Metadata(view, 0, self._decode)
        self._open: OrderedDict[int, bytes] = OrderedDict()
        self._ids: dict[int, int] = {}
        self._fragments: dict[int, Fragment] = {}
        self._xattrs: dict[int, tuple[tuple[str, bytes], ...]] = {}

    def id(self, index: int) -> int:
        """The uid or gid number `index`. Raises Malformed."""
        if index not in self._ids:
            if index >= self._id_count:
                raise Malformed(f"id {index} of {self._id_count}")
            self._ids[index] = int(self._entry("id", index, "<I")[0])
        return self._ids[index]

    def fragment(self, index: int) -> Fragment:
        """The fragment block number `index`. Raises Malformed."""
        if index not in self._fragments:
            if index >= self._fragment_count:
                raise Malformed(f"fragment {index} of {self._fragment_count}")
            start, word, _ = self._entry("fragment", index, "<QII")
            self._fragments[index] = Fragment(start, word)
        return self._fragments[index]

    def _entry(self, table: str, index: int, layout: str, skip: int = 0) -> tuple[Any, ...]:
        """Entry `index` of a two-level table: a list of metadata block addresses, `skip` bytes after its start."""
        size = struct.calcsize(layout)
        per_block = _METADATA // size
        (at,) = unpack("<Q", self._view, self._starts[table] + skip + 8 * (index // per_block))
        return unpack(layout, memoryview(self._rest.block(at)[0]), size * (index % per_block))

    def fragment_piece(self, fragment: Fragment, offset: int, size: int) -> Piece:
        """The piece of `size` bytes at `offset` of the decompressed `fragment`. Raises Malformed."""
        raw = cut(self._view, fragment.start, fragment.word & ~COMPRESSED)
        coding = ("tail", self._compressor, self._block_size, fragment.word, offset)
        return Piece(size, coding, raw, lambda: self._tail(fragment, raw, offset, size), fragment.start)

    def _tail(self, fragment: Fragment, raw: memoryview, offset: int, size: int) -> bytes:
        data = self._open.get(fragment.start)
        if data is None:
            stored = bytes(raw)
            data = stored if fragment.word & COMPRESSED else self._decode(stored, self._block_size)
            self._open[fragment.start] = data
            if len(self._open) > _CACHED_FRAGMENTS:
                self._open.popitem(last=False)
        if offset + size > len(data):
            raise Malformed(f"tail of {size} bytes at {offset} of a fragment of {len(data)}")
        return data[offset : offset + size]

    def xattrs(self, index: int) -> tuple[tuple[str, bytes], ...]:
        """The extended attributes of xattr id `index`, sorted by name. Raises Malformed."""
        if index not in self._xattrs:
            self._xattrs[index] = tuple(sorted(self._read_xattrs(index)))
        return self._xattrs[index]

    def _read_xattrs(self, index: int) -> Iterator[tuple[str, bytes]]:
        if self._starts["xattr"] == ABSENT:
            raise Malformed("an inode has xattrs, the image has no xattr table")
        values, ids, _ = unpack("<QII", self._view, self._starts["xattr"])
        if index >= ids:
            raise Malformed(f"xattr id {index} of {ids}")
        reference, count, _ = self._entry("xattr", index, "<QII", skip=16)
        table = Metadata(self._view, values, self._decode)
        reader = Reader(table, reference >> 16, reference & 0xFFFF)
        total = 0
        for _ in range(count):
            kind, length = reader.unpack("<HH")
            name = reader.take(length)
            (size,) = reader.unpack("<I")
            total += size
            if total > _XATTR_BYTES or (kind & 0xFF) >= len(_XATTR_PREFIXES):
                raise Malformed(f"xattrs of {total} bytes, type {kind}")
            value = reader.take(size)
            if kind & 0x100:
                (where,) = struct.unpack("<Q", value[:8].ljust(8, b"\0"))
                value = self._out_of_line(table, where)
            yield _XATTR_PREFIXES[kind & 0xFF] + os.fsdecode(name), value

    def _out_of_line(self, table: Metadata, reference: int) -> bytes:
        reader = Reader(table, reference >> 16, reference & 0xFFFF)
        (size,) = reader.unpack("<I")
        if size > _XATTR_BYTES:
            raise Malformed(f"xattr value of {size} bytes")
        return reader.take(size)

    def structures(self, end: int) -> Iterator[Structure]:
        """Each table from its first metadata block (as far as its index tells) to the start of the next."""
        begins: dict[str, int] = {}
        for name, start in self._starts.items():
            if start == ABSENT or start >= end:
                continue
            begins[name] = start
            if name in ("id", "fragment", "export", "xattr"):
                begins[name] = min(start, unpack("<Q", self._view, start)[0])
        ordered = sorted((start, name) for name, start in begins.items())
        if not ordered:
            return
        ends = [start for start, _ in ordered[1:]] + [end]
        for (start, name), stop in zip(ordered, ends, strict=True):
            yield Structure(start, stop, f"{name} table")
