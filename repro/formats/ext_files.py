"""Where contents and extended attributes of ext2, ext3 and ext4 inodes lie: extent trees, block maps, inline data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from repro.formats import base
from repro.formats.base import CHUNK, Content, Malformed, Piece, Stored, cut, unpack
from repro.formats.ext_tables import EXTENTS, INLINE, Inode, Volume

_EXTENT_MAGIC, _EXTENT_DEPTH = 0xF30A, 5
_UNWRITTEN = 32768  # of an extent's length: above it, blocks that are reserved and read as zeros
XATTR_MAGIC = 0xEA020000
_XATTR_BYTES = 64 << 20  # that all values with an inode of their own may take together
_HOLES = 1 << 40  # bytes of holes in all files together
_PREFIXES = {
    0: b"",
    1: b"user.",
    2: b"system.posix_acl_access",
    3: b"system.posix_acl_default",
    4: b"trusted.",
    6: b"security.",
    7: b"system.",
    8: b"system.richacl",
}


@dataclass(frozen=True)
class Run:
    """`count` blocks of a file from its block `logical` on, stored from block `physical` on."""

    logical: int
    physical: int
    count: int
    written: bool = True


@dataclass(frozen=True)
class Layout:
    """The blocks of an inode: `runs` in the order of the file, and the blocks of its extent tree or block map."""

    runs: tuple[Run, ...] = ()
    nodes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sparse:
    """Content with holes: `runs` are (offset in the content, start, end in the container), sorted."""

    container: memoryview
    size: int
    runs: tuple[tuple[int, int, int], ...]

    def pieces(self) -> Iterator[Piece]:
        at = 0
        for offset, start, end in self.runs:
            yield from _hole(offset - at)
            yield from Stored(self.container[start:end], start).pieces()
            at = offset + end - start
        yield from _hole(self.size - at)

    def extents(self) -> Iterable[tuple[int, int]]:
        return [(start, end) for _, start, end in self.runs]

    def view(self) -> memoryview | None:
        return None


def _hole(size: int) -> Iterator[Piece]:
    while size > 0:
        length = min(size, CHUNK)
        yield Piece(length, "hole", memoryview(b""), lambda length=length: bytes(length))  # type: ignore[misc]
        size -= length


@dataclass(frozen=True)
class Xattr:
    """An extended attribute; `start` is where its value lies (0 where in another inode, `inode`)."""

    name: str
    value: bytes
    start: int
    inode: int = 0


@dataclass
class Files:
    """Reads the contents and attributes of inodes, within limits that hold for all of them together."""

    volume: Volume
    _holes: int = _HOLES
    _values: int = _XATTR_BYTES
    _layouts: dict[int, Layout] = field(default_factory=dict)
    _contents: dict[int, Content] = field(default_factory=dict)
    _shared: dict[int, tuple[Xattr, ...]] = field(default_factory=dict)

    def layout(self, inode: Inode) -> Layout:
        """Where an inode's blocks lie. Raises Malformed."""
        if inode.number not in self._layouts:
            if inode.flags & INLINE:
                found = Layout()
            else:
                found = self._extents(inode) if inode.flags & EXTENTS else self._pointers(inode)
            self._layouts[inode.number] = found
        return self._layouts[inode.number]

    def content(self, inode: Inode) -> Content:
        """The bytes of a file, directory or symlink. Raises Malformed."""
        if inode.number not in self._contents:
            self._contents[inode.number] = self._content(inode)
        return self._contents[inode.number]

    def _content(self, inode: Inode) -> Content:
        block = self.volume.block
        if inode.size > block << 32:
            raise Malformed(f"inode {inode.number} announces {inode.size} bytes")
        runs: list[tuple[int, int, int]] = []
        if inode.flags & INLINE:
            for start, end in self.inline(inode):
                runs.append((60 * len(runs), start, end))
            return self._sparse(inode, runs)
        for run in self.layout(inode).runs:
            offset, start = run.logical * block, run.physical * block
            size = min(run.count * block, inode.size - offset)
            if size > 0 and run.written:
                runs.append((offset, start, start + size))
        return self._sparse(inode, runs)

    def _sparse(self, inode: Inode, runs: list[tuple[int, int, int]]) -> Content:
        stored = sum(end - start for _, start, end in runs)
        if inode.size - stored > self._holes:
            raise Malformed(f"inode {inode.number} announces {inode.size} bytes: too many holes")
        self._holes -= inode.size - stored
        if stored == inode.size:
            return base.content_of(self.volume.view, [(start, end) for _, start, end in runs])
        return Sparse(self.volume.view, inode.size, tuple(runs))

    def inline(self, inode: Inode) -> list[tuple[int, int]]:
        """The byte ranges of content that lies within the inode; what is behind them reads as zeros.

        Raises Malformed.
        """
        ranges = [(inode.start + 40, inode.start + 40 + min(inode.size, 60))]
        more = next((x for x in self.in_inode(inode) if x.name == "system.data"), None)
        if inode.size > 60 and more and more.value:
            ranges.append((more.start, more.start + min(len(more.value), inode.size - 60)))
        return ranges

    def _extents(self, inode: Inode) -> Layout:
        runs: list[Run] = []
        nodes: list[int] = []
        depth = unpack("<H", memoryview(inode.body), 6)[0]
        if depth > _EXTENT_DEPTH:
            raise Malformed(f"extent tree of depth {depth}")
        stack = [(memoryview(inode.body), depth)]
        while stack:
            raw, depth = stack.pop()
            magic, entries, _, level = unpack("<HHHH", raw, 0)
            if magic != _EXTENT_MAGIC or level != depth or 12 + entries * 12 > len(raw):
                raise Malformed(f"broken extent tree of inode {inode.number}")
            if not depth:
                runs += (self._extent(raw, at) for at in range(12, 12 + entries * 12, 12))
                continue
            for at in range(entries * 12, 0, -12):
                _, low, high = unpack("<IIH", raw, at)
                self.volume.claim(1)
                stack.append((self.volume.at(low | high << 32), depth - 1))
                nodes.append(low | high << 32)
        if any(one.logical + one.count > other.logical for one, other in pairwise(runs)):
            raise Malformed(f"extents of inode {inode.number} overlap")
        return Layout(tuple(runs), tuple(nodes))

    def _extent(self, raw: memoryview, at: int) -> Run:
        logical, length, high, low = unpack("<IHHI", raw, at)
        count = length if length <= _UNWRITTEN else length - _UNWRITTEN
        self.volume.claim(count + 1)
        self.volume.at(low | high << 32, count)
        return Run(logical, low | high << 32, count, length <= _UNWRITTEN)

    def _pointers(self, inode: Inode) -> Layout:
        per_block = self.volume.block // 4
        runs: list[Run] = []
        nodes: list[int] = []
        pointers = unpack("<15I", memoryview(inode.body), 0)
        self._run(runs, enumerate(pointers[:12]))
        logical = 12
        for depth in (1, 2, 3):
            if pointers[11 + depth]:
                self._indirect(pointers[11 + depth], depth, logical, runs, nodes)
            logical += per_block**depth
        return Layout(tuple(runs), tuple(nodes))

    def _indirect(self, block: int, depth: int, logical: int, runs: list[Run], nodes: list[int]) -> None:
        raw = self.volume.at(block)
        self.volume.claim(1)
        nodes.append(block)
        pointers = unpack(f"<{len(raw) // 4}I", raw, 0)
        if depth == 1:
            self._run(runs, enumerate(pointers, logical))
            return
        span = (self.volume.block // 4) ** (depth - 1)
        for n, pointer in enumerate(pointers):
            if pointer:
                self._indirect(pointer, depth - 1, logical + n * span, runs, nodes)

    def _run(self, runs: list[Run], pointers: Iterable[tuple[int, int]]) -> None:
        for logical, pointer in pointers:
            if not pointer:
                continue
            self.volume.claim(1)
            self.volume.at(pointer)
            last = runs[-1] if runs else None
            if last and (last.logical + last.count, last.physical + last.count) == (logical, pointer):
                runs[-1] = Run(last.logical, last.physical, last.count + 1)
            else:
                runs.append(Run(logical, pointer, 1))

    def xattrs(self, inode: Inode) -> tuple[Xattr, ...]:
        """An inode's extended attributes, `system.data` left out. Raises Malformed."""
        found = [x for x in self.in_inode(inode) if x.name != "system.data"]
        if inode.acl:
            if inode.acl not in self._shared:
                self._shared[inode.acl] = self._in_block(inode.acl)
            found += self._shared[inode.acl]
        return tuple(sorted(found, key=lambda x: x.name))

    def in_inode(self, inode: Inode) -> tuple[Xattr, ...]:
        """The extended attributes that lie behind the fields of an inode. Raises Malformed."""
        start, end = self.attributes(inode)
        if end - start < 8 or unpack("<I", self.volume.view, start)[0] != XATTR_MAGIC:
            return ()
        return tuple(self._entries(start + 4, start + 4, end))

    def attributes(self, inode: Inode) -> tuple[int, int]:
        """The byte range behind the fields of an inode."""
        size = self.volume.inode_size
        return inode.start + min(size, 128 + inode.extra), inode.start + size

    def _in_block(self, block: int) -> tuple[Xattr, ...]:
        raw = self.volume.at(block)
        if unpack("<I", raw, 0)[0] != XATTR_MAGIC:
            raise Malformed(f"block {block} holds no extended attributes")
        start = block * self.volume.block
        return tuple(self._entries(start + 32, start, start + self.volume.block))

    def _entries(self, at: int, origin: int, end: int) -> Iterator[Xattr]:
        view = self.volume.view
        while at + 4 <= end and bytes(view[at : at + 4]) != bytes(4):
            length, index, offset, inode, size = unpack("<BBHII", view, at)
            prefix = _PREFIXES.get(index, b"index %d." % index)
            if at + 16 + length > end:
                raise Malformed(f"extended attribute at {at} is cut")
            name = os.fsdecode(prefix + bytes(cut(view, at + 16, length)))
            if inode:
                yield Xattr(name, self._value(inode, size), 0, inode)
            elif origin + offset + size > end:
                raise Malformed(f"extended attribute {name} is cut")
            else:
                yield Xattr(name, bytes(cut(view, origin + offset, size)), origin + offset)
            at += 16 + (length + 3 & ~3)

    def _value(self, number: int, size: int) -> bytes:
        """A large value, which is the content of inode `number`."""
        self._values -= size
        if self._values < 0:
            raise Malformed("extended attributes are too large")
        inode = self.volume.inode(number)
        if inode.size != size or inode.flags & INLINE:
            raise Malformed(f"inode {number} is no extended attribute of {size} bytes")
        return b"".join(bytes(piece.read()) for piece in self.content(inode).pieces())
