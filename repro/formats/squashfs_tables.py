"""SquashFS metadata: the compressed blocks of each table, and the ids, fragments and xattrs that they hold."""

from __future__ import annotations

import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from repro.formats import codec
from repro.formats.base import Malformed, Piece, Problems, Structure, cut, unpack

COMPRESSED = 1 << 24  # in a block's size word: set where the block is *not* compressed
NO_FRAGMENT = 0xFFFFFFFF
ABSENT = 0xFFFFFFFFFFFFFFFF
_METADATA = 8192  # bytes of a full metadata block, decompressed
_BLOCKS = 1 << 14  # metadata blocks of one table: 128 MiB, some two million inodes
_CACHED_FRAGMENTS = 8
_XATTR_PREFIXES = ("user.", "trusted.", "security.")
_XATTR_BYTES = 1 << 20  # of all values of one inode; Linux allows 64 KiB a value
_DECODERS = {
    1: codec.zlib_block,
    2: codec.lzma_block,
    3: codec.lzo_block,
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


def metadata_block(view: memoryview, start: int, decode: codec.Block) -> tuple[bytes, int]:
    """(decompressed bytes, bytes taken in the image) of the metadata block at `start`. Raises Malformed."""
    (word,) = unpack("<H", view, start)
    size = word & 0x7FFF or 0x8000
    raw = bytes(cut(view, start + 2, size))
    if word & 0x8000 and size > _METADATA:
        raise Malformed(f"metadata block at {start} has {size} bytes")
    return (raw if word & 0x8000 else decode(raw, _METADATA)), size + 2


class Metadata:
    """One table's metadata blocks from `start` to `end` (bytes of the image), decompressed into `data`.

    A block that cannot be read is a hole of zeros; reading from it raises Malformed, and what lies behind it stays
    within reach.
    """

    def __init__(self, view: memoryview, start: int, end: int, decode: codec.Block) -> None:
        self._places: dict[int, int] = {}
        self._holes: list[tuple[int, int, str]] = []
        parts: list[bytes] = []
        at, length = start, 0
        while at < end and len(parts) < _BLOCKS:
            self._places[at - start] = length
            try:
                block, taken = metadata_block(view, at, decode)
            except Malformed as error:
                self._holes.append((length, length + _METADATA, error.message))
                block, taken = bytes(_METADATA), _taken(view, at)
            parts.append(block)
            length += len(block)
            at += taken
        self.data = b"".join(parts)

    def place(self, block: int, offset: int) -> int:
        """Where in `data` byte `offset` of the block at `block` bytes from the table's start is. Raises Malformed."""
        found = self._places.get(block)
        if found is None:
            raise Malformed(f"no metadata block at offset {block} of its table")
        return found + offset

    def check(self, start: int, end: int) -> None:
        """Raises Malformed where `start` to `end` of `data` were not all read."""
        if end > len(self.data):
            raise Malformed("reference beyond the end of a metadata table")
        if not self._holes:
            return
        for first, last, reason in self._holes:
            if start < last and first < end:
                raise Malformed(reason)

    def take(self, at: int, size: int) -> bytes:
        """`size` bytes of `data` from `at` on. Raises Malformed."""
        self.check(at, at + size)
        return self.data[at : at + size]

    def unpack(self, layout: str, at: int) -> tuple[Any, ...]:
        """The fields at `at`, as `struct.unpack` reads them. Raises Malformed."""
        return struct.unpack(layout, self.take(at, struct.calcsize(layout)))


def _taken(view: memoryview, at: int) -> int:
    """Bytes that the metadata block at `at` says it takes; to the end of all where even that cannot be read."""
    try:
        return 2 + (int(unpack("<H", view, at)[0]) & 0x7FFF or 0x8000)
    except Malformed:
        return len(view)


class Fragment(NamedTuple):
    """A block that holds the tails of several files: where it starts and its size word."""

    start: int
    word: int


class Tables:
    """All tables of one image. `starts`: id, xattr, inode, directory, fragment, export table (bytes)."""

    def __init__(
        self,
        view: memoryview,
        starts: tuple[int, ...],
        used: int,
        block_size: int,
        compressor: int,
        counts: tuple[int, int],
        problems: Problems,
    ) -> None:
        self._view, self._block_size, self._compressor = view, block_size, compressor
        self._starts = dict(zip(("id", "xattr", "inode", "directory", "fragment", "export"), starts, strict=True))
        self._decode = decoder(compressor)
        self._regions = dict(self._found_regions(used))
        self.inodes, self.directories = self._metadata("inode"), self._metadata("directory")
        self.ids: list[int] = []
        self.fragments: list[Fragment] = []
        try:
            self.ids = [number for (number,) in struct.iter_unpack("<I", self._listed("id", 4 * counts[0]))]
            raw = self._listed("fragment", 16 * counts[1])
            self.fragments = [Fragment(start, word) for start, word, _ in struct.iter_unpack("<QII", raw)]
        except Malformed as error:
            problems.add("", error.message)
        self._open: OrderedDict[int, bytes] = OrderedDict()
        self._opening = threading.Lock()
        self._raw: dict[Fragment, memoryview] = {}
        self._xattr_values: Metadata | None = None
        self._xattrs: dict[int, tuple[tuple[str, bytes], ...]] = {}

    def _found_regions(self, end: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """Each table from its first metadata block (as far as its index tells) to the start of the next."""
        begins: dict[str, int] = {}
        for name, start in self._starts.items():
            if start == ABSENT or start >= end:
                continue
            begins[name] = start
            if name in ("id", "fragment", "export", "xattr") and start + 8 <= end:
                begins[name] = min(start, unpack("<Q", self._view, start)[0])
        ordered = sorted((start, name) for name, start in begins.items())
        for (start, name), (stop, _) in pairwise([*ordered, (end, "")]):
            yield name, (start, stop)

    def _metadata(self, name: str) -> Metadata:
        return Metadata(self._view, *self._regions.get(name, (0, 0)), self._decode)

    def _listed(self, table: str, size: int) -> bytes:
        """`size` bytes of a two-level table: a list of the addresses of metadata blocks. Raises Malformed."""
        count = -(-size // _METADATA)
        if count > _BLOCKS:
            raise Malformed(f"{table} table of {size} bytes")
        if not count:
            return b""
        where = unpack(f"<{count}Q", self._view, self._starts[table])
        data = b"".join(metadata_block(self._view, at, self._decode)[0] for at in where)
        if len(data) < size:
            raise Malformed(f"{table} table of {len(data)} bytes instead of {size}")
        return data[:size]

    def fragment_piece(self, fragment: Fragment, offset: int, size: int) -> Piece:
        """The piece of `size` bytes at `offset` of the decompressed `fragment`. Raises Malformed."""
        raw = self._raw.get(fragment)
        if raw is None:
            raw = self._raw[fragment] = cut(self._view, fragment.start, fragment.word & ~COMPRESSED)
        coding = ("tail", self._compressor, self._block_size, fragment.word, offset)
        return Piece(size, coding, raw, lambda: self._tail(fragment, raw, offset, size), fragment.start)

    def _tail(self, fragment: Fragment, raw: memoryview, offset: int, size: int) -> bytes:
        with self._opening:
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
        start = self._starts["xattr"]
        if start == ABSENT:
            raise Malformed("an inode has xattrs, the image has no xattr table")
        values, ids, _ = unpack("<QII", self._view, start)
        if index >= ids:
            raise Malformed(f"xattr id {index} of {ids}")
        (block,) = unpack("<Q", self._view, start + 16 + 8 * (index // 512))
        listed, _ = metadata_block(self._view, block, self._decode)
        reference, count, _ = unpack("<QII", memoryview(listed), 16 * (index % 512))
        if self._xattr_values is None:
            self._xattr_values = Metadata(self._view, values, start, self._decode)
        table = self._xattr_values
        at, total = table.place(reference >> 16, reference & 0xFFFF), 0
        for _ in range(count):
            kind, length = table.unpack("<HH", at)
            name = table.take(at + 4, length)
            at += 4 + length
            value = self._xattr_value(table, at)
            total += len(value)
            if kind & 0x100:
                (where,) = struct.unpack("<Q", value[:8].ljust(8, b"\0"))
                at += 4 + len(value)
                value = self._xattr_value(table, table.place(where >> 16, where & 0xFFFF))
            else:
                at += 4 + len(value)
            if total > _XATTR_BYTES or (kind & 0xFF) >= len(_XATTR_PREFIXES):
                raise Malformed(f"xattrs of {total} bytes, type {kind}")
            yield _XATTR_PREFIXES[kind & 0xFF] + os.fsdecode(name), value

    def _xattr_value(self, table: Metadata, at: int) -> bytes:
        (size,) = table.unpack("<I", at)
        if size > _XATTR_BYTES:
            raise Malformed(f"xattr value of {size} bytes")
        return table.take(at + 4, size)

    def structures(self) -> Iterator[Structure]:
        """The tables and the fragment blocks; what they hold is compared as the members that they describe."""
        for name, (start, end) in self._regions.items():
            yield Structure(start, end, f"{name} table")
        for number, fragment in enumerate(self.fragments):
            end = fragment.start + (fragment.word & ~COMPRESSED)
            yield Structure(fragment.start, end, "fragment blocks", of=str(number))
