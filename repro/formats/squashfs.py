"""SquashFS 4.0, read from its tables alone (Linux: Documentation/filesystems/squashfs.rst, fs/squashfs/squashfs_fs.h).

Nothing is unpacked: members carry their compressed blocks, so that a comparison can look at those first.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

from repro.formats import base
from repro.formats.base import DERIVED, IDENTITY, Malformed, Member, Piece, Problems, Structure, cut, unpack
from repro.formats.squashfs_tables import COMPRESSED, COMPRESSORS, NO_FRAGMENT, Fragment, Reader, Tables, decoder

MAGIC = b"hsqs"
_SUPERBLOCK = "<4sIIIIHHHHHHQQQQQQQQ"
_FIELDS = (
    ("", 4, ""),
    ("inode count", 4, DERIVED),
    ("mkfs time", 4, IDENTITY),
    ("block size", 4, IDENTITY),
    ("fragment count", 4, DERIVED),
    ("compressor", 2, IDENTITY),
    ("block log", 2, DERIVED),
    ("flags", 2, IDENTITY),
    ("id count", 2, DERIVED),
    ("version", 4, IDENTITY),
    ("root inode", 8, DERIVED),
    ("bytes used", 8, DERIVED),
    ("id table start", 8, DERIVED),
    ("xattr table start", 8, DERIVED),
    ("inode table start", 8, DERIVED),
    ("directory table start", 8, DERIVED),
    ("fragment table start", 8, DERIVED),
    ("export table start", 8, DERIVED),
)
_KINDS = (base.DIRECTORY, base.FILE, base.SYMLINK, base.BLOCK, base.CHARACTER, base.FIFO, base.SOCKET)
_HAS_OPTIONS = 0x0400
_DEPTH = 512  # nested directories; Linux paths end at 4096 bytes
_BLOCK_LISTS = 256 << 20  # bytes of block sizes that all inodes together may carry: 8 TB at 128 KiB a block


@dataclass(frozen=True)
class _Inode:
    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    number: int
    nlink: int = 1
    xattr: int = 0xFFFFFFFF
    device: int = 0
    target: bytes = b""
    listing: tuple[int, int, int] = (0, 0, 0)  # of a directory: metadata block, offset in it, bytes of entries
    content: Blocks | None = None


@dataclass(frozen=True)
class Blocks:
    """A file's content: `sizes` are the little-endian 32-bit size words of its blocks, which take `stored`
    bytes of the image from `start` on; the rest is a part of `fragment`."""

    image: Squashfs
    size: int
    start: int
    sizes: bytes
    stored: int
    fragment: Fragment | None
    fragment_offset: int

    def pieces(self) -> Iterator[Piece]:
        image = self.image
        left, at = self.size, self.start
        for (word,) in struct.iter_unpack("<I", self.sizes):
            length = min(left, image.block_size)
            yield image.block_piece(at, word, length)
            at += word & ~COMPRESSED
            left -= length
        if self.fragment and left:
            yield image.tables.fragment_piece(self.fragment, self.fragment_offset, left)

    def extents(self) -> Iterable[tuple[int, int]]:
        found = [(self.start, self.start + self.stored)] if self.stored else []
        if self.fragment:
            found.append((self.fragment.start, self.fragment.start + (self.fragment.word & ~COMPRESSED)))
        return found

    def view(self) -> memoryview | None:
        return None


class Squashfs:
    """A `Container` on the bytes of a squashfs image, which may be longer than the file system."""

    format: ClassVar[str] = "squashfs"

    def __init__(self, view: memoryview) -> None:
        head = unpack(_SUPERBLOCK, view, 0)
        magic, self._inodes, _, self.block_size, self._fragments = head[:5]
        self.compressor, log, self._flags, self._ids, major, minor, self._root, used = head[5:13]
        if magic != MAGIC or (major, minor) != (4, 0):
            raise Malformed(f"not squashfs 4.0 but {major}.{minor}")
        if not 4096 <= self.block_size <= 1 << 20 or self.block_size != 1 << min(log, 32):
            raise Malformed(f"block size {self.block_size} is not valid")
        self.view = view
        self.used = min(used, len(view))
        self.problems = Problems()
        if used > len(view):
            self.problems.add("", f"truncated: {len(view)} of {used} bytes")
        self.decode = decoder(self.compressor)
        self.tables = Tables(view, head[13:], self.block_size, self.compressor, (self._ids, self._fragments))
        self._block_lists = 0
        self._known: dict[int, _Inode] = {}

    def block_piece(self, at: int, word: int, length: int) -> Piece:
        """The piece of `length` bytes that the size word `word` describes, stored at `at`. Raises Malformed."""
        if not word & ~COMPRESSED:
            return Piece(length, "hole", memoryview(b""), lambda: bytes(length))
        raw = cut(self.view, at, word & ~COMPRESSED)
        if word & COMPRESSED:
            if len(raw) != length:
                raise Malformed(f"uncompressed block at {at} has {len(raw)} bytes instead of {length}")
            return Piece(length, ("stored",), raw, lambda: raw)
        coding = ("squashfs", self.compressor, self.block_size, word)
        return Piece(length, coding, raw, lambda: self._decoded(raw, length, at))

    def _decoded(self, raw: memoryview, length: int, at: int) -> bytes:
        out = self.decode(bytes(raw), self.block_size)
        if len(out) != length:
            raise Malformed(f"block at {at} decompresses to {len(out)} bytes instead of {length}")
        return out

    def members(self) -> Iterator[Member]:
        found = list(self._walk())
        groups: dict[int, list[str]] = {}
        for path, inode in found:
            if inode.nlink > 1 and inode.kind != base.DIRECTORY:
                groups.setdefault(inode.number, []).append(path)
        links = {number: base.link_group(paths) for number, paths in groups.items()}
        numbered: set[int] = set()
        for path, inode in found:
            group = links.get(inode.number, ()) if inode.kind != base.DIRECTORY else ()
            yield self._member(path, inode, group, inode.number in numbered)
            numbered.add(inode.number)

    def _member(self, path: str, inode: _Inode, links: tuple[str, ...], repeated: bool) -> Member:
        positions = [] if repeated else [("inode", inode.number)]
        if not repeated and inode.content and inode.content.sizes:
            positions.append(("data", inode.content.start))
        device = inode.device
        return Member(
            path,
            inode.kind,
            mode=inode.mode,
            uid=inode.uid,
            gid=inode.gid,
            mtime=inode.mtime,
            target=os.fsdecode(inode.target) if inode.kind == base.SYMLINK else None,
            device=((device & 0xFFF00) >> 8, device & 0xFF | device >> 12 & 0xFFF00)
            if inode.kind in (base.BLOCK, base.CHARACTER)
            else None,
            xattrs=self.tables.xattrs(inode.xattr) if inode.xattr != 0xFFFFFFFF else (),
            links=links,
            positions=tuple(positions),
            content=inode.content,
        )

    def _walk(self) -> Iterator[tuple[str, _Inode]]:
        """Paths with their inodes, depth first; a directory that is reached twice is a loop."""
        stack: list[tuple[str, int, int]] = [(".", self._root, 0)]
        seen: set[int] = set()
        count = 0
        while stack:
            path, reference, depth = stack.pop()
            try:
                inode = self._inode(reference)
                below = list(islice(self._listing(inode), base.MEMBERS)) if inode.kind == base.DIRECTORY else []
            except Malformed as error:
                self.problems.add(path, error.message)
                continue
            count += 1
            if count + len(stack) > base.MEMBERS:
                raise Malformed(f"more than {base.MEMBERS} members")
            yield path, inode
            if below and (reference in seen or depth > _DEPTH):
                self.problems.add(path, "directory loop")
                continue
            seen.add(reference)
            prefix = "" if path == "." else path + "/"
            stack.extend((prefix + name, reference, depth + 1) for name, reference in reversed(below))

    def _listing(self, inode: _Inode) -> Iterator[tuple[str, int]]:
        """(name, inode reference) of a directory's entries."""
        block, offset, size = inode.listing
        reader = Reader(self.tables.directories, block, offset)
        end = size - 3  # the stored size counts "." and ".."
        while reader.consumed < end:
            count, start, _ = reader.unpack("<IIi")
            if count >= 256:
                raise Malformed("directory header counts more than 256 entries")
            for _ in range(count + 1):
                at, _, _, length = reader.unpack("<HhHH")
                name = reader.take(length + 1)
                if name in (b".", b"..") or b"/" in name or b"\0" in name:
                    raise Malformed(f"directory entry named {name!r}")
                yield os.fsdecode(name), start << 16 | at

    def _inode(self, reference: int) -> _Inode:
        if reference not in self._known:
            self._known[reference] = self._read_inode(reference)
        return self._known[reference]

    def _read_inode(self, reference: int) -> _Inode:
        reader = Reader(self.tables.inodes, reference >> 16, reference & 0xFFFF)
        number, mode, uid, gid, mtime, inode = reader.unpack("<HHHHII")
        if not 1 <= number <= 14:
            raise Malformed(f"inode type {number} is not known")
        extended, kind = number > 7, _KINDS[(number - 1) % 7]
        common = (kind, mode & 0o7777, self.tables.id(uid), self.tables.id(gid), mtime, inode)
        if kind == base.DIRECTORY:
            return self._directory(reader, extended, common)
        if kind == base.FILE:
            return self._file(reader, extended, common)
        (nlink,) = reader.unpack("<I")
        device, target = 0, b""
        if kind == base.SYMLINK:
            (size,) = reader.unpack("<I")
            if size > 65535:
                raise Malformed(f"symlink target of {size} bytes")
            target = reader.take(size)
        elif kind in (base.BLOCK, base.CHARACTER):
            (device,) = reader.unpack("<I")
        xattr = reader.unpack("<I")[0] if extended else 0xFFFFFFFF
        return _Inode(*common, nlink=nlink, xattr=xattr, device=device, target=target)

    def _directory(self, reader: Reader, extended: bool, common: tuple[str, int, int, int, int, int]) -> _Inode:
        if extended:
            nlink, size, start, _, _, offset, xattr = reader.unpack("<IIIIHHI")
        else:
            start, nlink, size, offset, _ = reader.unpack("<IIHHI")
            xattr = 0xFFFFFFFF
        return _Inode(*common, nlink=nlink, xattr=xattr, listing=(start, offset, size))

    def _file(self, reader: Reader, extended: bool, common: tuple[str, int, int, int, int, int]) -> _Inode:
        if extended:
            start, size, _, nlink, fragment, offset, xattr = reader.unpack("<QQQIIII")
        else:
            start, fragment, offset, size = reader.unpack("<IIII")
            nlink, xattr = 1, 0xFFFFFFFF
        count = size // self.block_size + (fragment == NO_FRAGMENT and size % self.block_size > 0)
        self._block_lists += count * 4
        if self._block_lists > _BLOCK_LISTS:
            raise Malformed(f"file of {size} bytes: too many blocks")
        tail = None if fragment == NO_FRAGMENT else self.tables.fragment(fragment)
        sizes = reader.take(count * 4)
        stored = sum(word & ~COMPRESSED for (word,) in struct.iter_unpack("<I", sizes))
        content = Blocks(self, size, start, sizes, stored, tail, offset)
        return _Inode(*common, nlink=nlink, xattr=xattr, content=content)

    def structures(self) -> Iterator[Structure]:
        for field in base.fields(0, _FIELDS, "superblock "):
            value = int.from_bytes(self.view[field.start : field.end], "little")
            shown = COMPRESSORS.get(value, value) if field.name.endswith("compressor") else value
            yield replace(field, value=shown)
        if self._flags & _HAS_OPTIONS:
            (word,) = unpack("<H", self.view, 96)
            yield Structure(96, 98 + (word & 0x7FFF), "compressor options", IDENTITY)
        yield from self.tables.structures(self.used)
        if self.used < len(self.view):
            yield Structure(self.used, len(self.view), "padding to 4 KiB")
