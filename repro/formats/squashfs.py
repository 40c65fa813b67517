"""SquashFS 4.0, read from its tables alone (Linux: Documentation/filesystems/squashfs.rst, fs/squashfs/squashfs_fs.h).

Nothing is unpacked: members carry their compressed blocks, so that a comparison can look at those first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import ClassVar, NamedTuple

from repro.formats import base
from repro.formats.base import DERIVED, IDENTITY, Malformed, Member, Piece, Problems, Structure, cut, unpack
from repro.formats.squashfs_tables import COMPRESSED, COMPRESSORS, NO_FRAGMENT, Fragment, Tables, decoder

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
_NO_XATTR = 0xFFFFFFFF
_COMMON = struct.Struct("<HHHHII")  # type, mode, uid, gid, mtime, number
_BASIC_FILE = struct.Struct("<IIII")  # start, fragment, offset, size
_EXTENDED_FILE = struct.Struct("<QQQIIII")  # start, size, sparse, nlink, fragment, offset, xattr
_BASIC_DIRECTORY = struct.Struct("<IIHHI")  # block, nlink, size, offset, parent
_EXTENDED_DIRECTORY = struct.Struct("<IIIIHHI")  # nlink, size, block, parent, index count, offset, xattr
_LISTING = struct.Struct("<IIi")  # of a directory's header: count - 1, inode block, inode number
_ENTRY = struct.Struct("<HhHH")  # inode offset, inode number delta, type, name length - 1


class Blocks(NamedTuple):
    """A file's content: `sizes` are the little-endian 32-bit size words of its blocks, which lie one after the
    other from `start` on; the rest is a part of `fragment`."""

    image: Squashfs
    size: int
    start: int
    sizes: bytes
    fragment: Fragment | None
    fragment_offset: int

    def pieces(self) -> Iterator[Piece]:
        image, tail = self.image, self.size
        if self.sizes:
            length = min(tail, len(self.sizes) // 4 * image.block_size)
            tail -= length
            raw = cut(image.view, self.start, self._stored())
            coding = ("squashfs", image.compressor, image.block_size, self.sizes)
            yield Piece(length, coding, raw, self._read, parts=self._blocks)
        if self.fragment and tail:
            yield image.tables.fragment_piece(self.fragment, self.fragment_offset, tail)

    def _blocks(self) -> Iterator[Piece]:
        left, at = self.size, self.start
        for (word,) in struct.iter_unpack("<I", self.sizes):
            length = min(left, self.image.block_size)
            yield self.image.block_piece(at, word, length)
            at += word & ~COMPRESSED
            left -= length

    def _read(self) -> bytes:
        return b"".join(bytes(block.read()) for block in self._blocks())

    def _stored(self) -> int:
        if len(self.sizes) == 4:
            return int.from_bytes(self.sizes, "little") & ~COMPRESSED
        return sum(word & ~COMPRESSED for (word,) in struct.iter_unpack("<I", self.sizes))

    def extents(self) -> Iterable[tuple[int, int]]:
        stored = self._stored() if self.sizes else 0
        return ((self.start, self.start + stored),) if stored else ()

    def view(self) -> memoryview | None:
        return None


class Squashfs:
    """A `Container` on the bytes of a squashfs image, which may be longer than the file system."""

    format: ClassVar[str] = "squashfs"

    def __init__(self, view: memoryview) -> None:
        head = unpack(_SUPERBLOCK, view, 0)
        magic, _, _, self.block_size, fragments = head[:5]
        self.compressor, log, self._flags, ids, major, minor, self._root, used = head[5:13]
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
        self._head, self._counts = head[13:], (ids, fragments)

    @cached_property
    def tables(self) -> Tables:
        """All tables, read when first asked for."""
        return Tables(self.view, self._head, self.used, self.block_size, self.compressor, self._counts, self.problems)

    def block_piece(self, at: int, word: int, length: int) -> Piece:
        """The piece of `length` bytes that the size word `word` describes, stored at `at`. Raises Malformed."""
        if not word & ~COMPRESSED:
            return Piece(length, "hole", memoryview(b""), lambda: bytes(length))
        raw = cut(self.view, at, word & ~COMPRESSED)
        if word & COMPRESSED:
            if len(raw) != length:
                raise Malformed(f"uncompressed block at {at} has {len(raw)} bytes instead of {length}")
            return base.stored_piece(raw)
        coding = ("squashfs", self.compressor, self.block_size, word)
        return Piece(length, coding, raw, lambda: self._decoded(raw, length, at))

    def _decoded(self, raw: memoryview, length: int, at: int) -> bytes:
        out = self.decode(bytes(raw), self.block_size)
        if len(out) != length:
            raise Malformed(f"block at {at} decompresses to {len(out)} bytes instead of {length}")
        return out

    def members(self) -> Iterator[Member]:
        found = list(self._walk())
        linked: dict[int, list[int]] = {}
        for index, entry in enumerate(found):
            if entry.linked:
                linked.setdefault(entry.number, []).append(index)
        members = [entry.member for entry in found]
        for indices in linked.values():
            group = base.link_group(members[index].name for index in indices)
            for index in indices:  # all but the first have no place of their own
                positions = members[index].positions if index == indices[0] else ()
                members[index] = members[index]._replace(links=group, positions=positions)
        return iter(members)

    def _walk(self) -> Iterator[_Entry]:
        """The entries, depth first; a directory that is reached twice is a loop."""
        stack: list[tuple[str, int, int]] = [(".", self._root, 0)]
        seen: set[int] = set()
        count = 0
        while stack:
            path, reference, depth = stack.pop()
            below: list[tuple[str, int, int]] = []
            try:
                entry = self._entry(path, reference)
                if entry.listing:
                    below = self._listing(entry.listing, "" if path == "." else path + "/", depth + 1)
            except Malformed as error:
                self.problems.add(path, error.message)
                continue
            count += 1
            if count + len(stack) + len(below) > base.MEMBERS:
                raise Malformed(f"more than {base.MEMBERS} members")
            yield entry
            if below:
                if reference in seen or depth > _DEPTH:
                    self.problems.add(path, "directory loop")
                    continue
                seen.add(reference)
                stack.extend(below)

    def _listing(self, place: tuple[int, int, int], prefix: str, depth: int) -> list[tuple[str, int, int]]:
        """(path, inode reference, `depth`) of a directory's entries, the last one first. Raises Malformed."""
        block, offset, size = place
        table = self.tables.directories
        at = table.place(block, offset)
        end = at + size - 3  # the stored size counts "." and ".."
        table.check(at, max(at, end))
        data, found = table.data, []
        try:
            while at < end:
                count, start, _ = _LISTING.unpack_from(data, at)
                at += 12
                if count >= 256:
                    raise Malformed("directory header counts more than 256 entries")
                start <<= 16
                for _ in range(count + 1):
                    within, _, _, length = _ENTRY.unpack_from(data, at)
                    name = data[at + 8 : at + 9 + length]
                    at += 9 + length
                    if name in (b".", b"..") or b"/" in name or b"\0" in name:
                        raise Malformed(f"directory entry named {name!r}")
                    found.append((prefix + name.decode("utf-8", "surrogateescape"), start | within, depth))
        except struct.error as error:
            raise Malformed("directory beyond the end of its table") from error
        found.reverse()
        return found

    def _entry(self, path: str, reference: int) -> _Entry:
        """What `path` is, by the inode at `reference`. Raises Malformed."""
        table, ids = self.tables.inodes, self.tables.ids
        at = table.place(reference >> 16, reference & 0xFFFF)
        try:
            number, mode, user, group, mtime, inode = _COMMON.unpack_from(table.data, at)
            if not 1 <= number <= 14:
                raise Malformed(f"inode type {number} is not known")
            if user >= len(ids) or group >= len(ids):
                raise Malformed(f"id {max(user, group)} of {len(ids)}")
            extended, kind = number > 7, _KINDS[(number - 1) % 7]
            common = (path, kind, mode & 0o7777, ids[user], ids[group], mtime)
            if kind == base.FILE:
                return self._file(at + 16, extended, common, inode)
            if kind == base.DIRECTORY:
                return self._directory(at + 16, extended, common, inode)
            return self._other(at + 16, extended, common, inode)
        except struct.error as error:
            raise Malformed("inode beyond the end of its table") from error

    def _other(self, at: int, extended: bool, common: _Common, number: int) -> _Entry:
        table, kind = self.tables.inodes, common[1]
        (nlink,) = table.unpack("<I", at)
        at += 4
        device, target = None, None
        if kind == base.SYMLINK:
            (size,) = table.unpack("<I", at)
            if size > 65535:
                raise Malformed(f"symlink target of {size} bytes")
            target = table.take(at + 4, size).decode("utf-8", "surrogateescape")
            at += 4 + size
        elif kind in (base.BLOCK, base.CHARACTER):
            (word,) = table.unpack("<I", at)
            device = (word & 0xFFF00) >> 8, word & 0xFF | word >> 12 & 0xFFF00
            at += 4
        xattrs = self._xattrs(table.unpack("<I", at)[0]) if extended else ()
        return _Entry(Member(*common, target, device, xattrs, (), (), (("inode", number),)), number, nlink > 1)

    def _directory(self, at: int, extended: bool, common: _Common, number: int) -> _Entry:
        table = self.tables.inodes
        layout = _EXTENDED_DIRECTORY if extended else _BASIC_DIRECTORY
        read = layout.unpack_from(table.data, at)
        table.check(at - 16, at + layout.size)
        if extended:
            _, size, start, _, _, offset, xattr = read
        else:
            (start, _, size, offset, _), xattr = read, _NO_XATTR
        member = Member(*common, None, None, self._xattrs(xattr), (), (), (("inode", number),))
        return _Entry(member, number, False, (start, offset, size))

    def _file(self, at: int, extended: bool, common: _Common, inode: int) -> _Entry:
        table, fragments = self.tables.inodes, self.tables.fragments
        nlink, xattr = 1, _NO_XATTR
        if extended:
            start, size, _, nlink, number, offset, xattr = _EXTENDED_FILE.unpack_from(table.data, at)
            begin = at + 40
        else:
            start, number, offset, size = _BASIC_FILE.unpack_from(table.data, at)
            begin = at + 16
        count, rest = divmod(size, self.block_size)
        fragment = None
        if number == NO_FRAGMENT:
            count += rest > 0
        elif number < len(fragments):
            fragment = fragments[number]
        else:
            raise Malformed(f"fragment {number} of {len(fragments)}")
        end = begin + 4 * count
        table.check(at - 16, end)
        content = Blocks(self, size, start, table.data[begin:end], fragment, offset)
        positions = (("inode", inode), ("data", start)) if count else (("inode", inode),)
        member = Member(*common, None, None, self._xattrs(xattr), (), (), positions, content)
        return _Entry(member, inode, nlink > 1)

    def _xattrs(self, index: int) -> tuple[tuple[str, bytes], ...]:
        return () if index == _NO_XATTR else self.tables.xattrs(index)

    def structures(self) -> Iterator[Structure]:
        for field in base.fields(0, _FIELDS, "superblock "):
            value = int.from_bytes(self.view[field.start : field.end], "little")
            shown = COMPRESSORS.get(value, value) if field.name.endswith("compressor") else value
            yield replace(field, value=shown)
        if self._flags & _HAS_OPTIONS:
            (word,) = unpack("<H", self.view, 96)
            yield Structure(96, 98 + (word & 0x7FFF), "compressor options", IDENTITY)
        yield from self.tables.structures()


class _Entry(NamedTuple):
    """A member, its inode number, whether it may have hard links, and of a directory: metadata block, offset in it,
    bytes of entries."""

    member: Member
    number: int
    linked: bool
    listing: tuple[int, int, int] | None = None


_Common = tuple[str, str, int, int, int, int]  # path, kind, mode, uid, gid, mtime
