"""ext2, ext3 and ext4, read from their tables alone (Linux: Documentation/filesystems/ext4/; e2fsprogs: lib/ext2fs/).

Directories are read entry by entry, which their hash trees allow for. Names in a folder that ignores case are given
as they are stored. A journal is not replayed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from repro.formats import base, ext_folders
from repro.formats.base import Malformed, Member, Problems, Structure, unpack
from repro.formats.ext_files import Files
from repro.formats.ext_inodes import Names
from repro.formats.ext_map import mapped
from repro.formats.ext_tables import ENCRYPTED, I_RECOVER, INLINE, MAGIC, ROOT, START, Inode, Volume

_DEPTH = 512  # nested directories; Linux paths end at 4096 bytes
_TARGET = 4096  # bytes of a symlink's target
_FLAGS = (
    (0x1, "secure deletion"),
    (0x2, "undeletable"),
    (0x4, "compressed"),
    (0x8, "synchronous"),
    (0x10, "immutable"),
    (0x20, "append only"),
    (0x40, "no dump"),
    (0x80, "no atime"),
    (0x4000, "journalled data"),
    (0x8000, "no tail"),
    (0x10000, "synchronous directory"),
    (0x20000, "top of hierarchy"),
    (0x100000, "verity"),
    (0x2000000, "direct access"),
    (0x20000000, "project of folder"),
    (0x40000000, "case ignored"),
)


@dataclass(frozen=True)
class _Entry:
    """A path with its inode; `position` counts the entries of its folder."""

    path: str
    inode: Inode
    position: int


def is_ext(view: memoryview) -> bool:
    """Whether a superblock stands where it should; stricter than its two bytes of magic."""
    if len(view) < 2 * START:
        return False
    (log,), (magic,) = unpack("<I", view, START + 24), unpack("<H", view, START + 56)
    (revision,) = unpack("<I", view, START + 76)
    return bool(magic == MAGIC and log <= 6 and revision <= 1)


class Ext:
    """A `Container` on the bytes of an ext2, ext3 or ext4 file system, which may be shorter than `view`."""

    format: ClassVar[str] = "ext"

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.volume = Volume(view)
        self.files = Files(self.volume)
        self.problems = Problems()
        if self.volume.size > len(view):
            self.problems.add("", f"truncated: {len(view)} of {self.volume.size} bytes")
        if self.volume.incompatible & I_RECOVER:
            self.problems.add("", "the journal was not replayed and may hold newer metadata")
        self._names: Names = {}

    def members(self) -> Iterator[Member]:
        found = list(self._walk())
        groups: dict[int, list[str]] = {}
        for entry in found:
            self._names.setdefault(entry.inode.number, entry.path)
            if entry.inode.links > 1 and entry.inode.kind != base.DIRECTORY:
                groups.setdefault(entry.inode.number, []).append(entry.path)
        links = {number: base.link_group(paths) for number, paths in groups.items()}
        for entry in found:
            first = self._names[entry.inode.number] == entry.path
            yield self._member(entry, links.get(entry.inode.number, ()), first)

    def structures(self) -> Iterator[Structure]:
        return mapped(self.volume, self.files, self._names)

    def _walk(self) -> Iterator[_Entry]:
        """Paths with their inodes, depth first; a directory that is reached twice is a loop."""
        stack: list[tuple[str, int, int, int]] = [(".", ROOT, 0, 0)]
        seen: set[int] = set()
        count = 0
        while stack:
            path, number, depth, position = stack.pop()
            try:
                inode = self.volume.inode(number)
            except Malformed as error:
                self.problems.add(path, error.message)
                continue
            count += 1
            if count + len(stack) > base.MEMBERS:
                raise Malformed(f"more than {base.MEMBERS} members")
            yield _Entry(path, inode, position)
            if inode.kind != base.DIRECTORY:
                continue
            if number in seen or depth > _DEPTH:
                self.problems.add(path, "directory loop")
                continue
            seen.add(number)
            prefix = "" if path == "." else path + "/"
            below = enumerate(self._listing(path, inode))
            stack.extend([(prefix + name, child, depth + 1, n) for n, (name, child) in below][::-1])

    def _listing(self, path: str, inode: Inode) -> list[tuple[str, int]]:
        """(name, inode number) of a directory's entries, as many as can be read."""
        found: list[tuple[str, int]] = []
        try:
            if inode.flags & ENCRYPTED:
                raise Malformed("encrypted")
            found.extend(islice(self._entries(inode), base.MEMBERS))
        except Malformed as error:
            self.problems.add(path, error.message)
        return found

    def _entries(self, inode: Inode) -> Iterator[tuple[str, int]]:
        for start, end in ext_folders.blocks(self.volume, self.files, inode):
            for _, child, _, name in ext_folders.entries(self.view, start, end):
                if not child or name in (b".", b".."):
                    continue
                if not name or b"/" in name or b"\0" in name:
                    raise Malformed(f"directory entry named {name!r}")
                yield os.fsdecode(name), child

    def _member(self, entry: _Entry, links: tuple[str, ...], first: bool) -> Member:
        inode, kind = entry.inode, entry.inode.kind
        content = target = problem = device = None
        attributes: tuple[tuple[str, bytes], ...] = ()
        positions = (
            [(f"entries of {entry.path.rpartition('/')[0] or '.'}", entry.position)] if entry.path != "." else []
        )
        try:
            if kind != base.DIRECTORY and inode.flags & ENCRYPTED:
                raise Malformed("encrypted")
            if kind == base.SYMLINK:
                target = os.fsdecode(self._target(inode))
            elif kind in (base.BLOCK, base.CHARACTER):
                device = _device(inode)
            elif kind == base.FILE:
                content = self.files.content(inode)
            attributes = tuple((x.name, x.value) for x in self.files.xattrs(inode))
        except Malformed as error:
            problem = error.message
            if kind != base.FILE:  # whose problem says no more than that its content is missing
                self.problems.add(entry.path, problem)
        if first:
            positions.append(("inode", inode.number))
            if content and (start := min((start for start, _ in content.extents()), default=0)):
                positions.append(("data", start))
        return Member(
            entry.path,
            kind,
            mode=inode.mode & 0o7777,
            uid=inode.uid,
            gid=inode.gid,
            mtime=_shown(inode.mtime),
            target=target,
            device=device,
            xattrs=attributes,
            links=links,
            extra=tuple(_facts(inode)),
            positions=tuple(positions),
            content=content,
            problem=problem,
        )

    def _target(self, inode: Inode) -> bytes:
        if inode.size > _TARGET:
            raise Malformed(f"symlink target of {inode.size} bytes")
        if inode.size < len(inode.body) and not inode.flags & INLINE:
            return inode.body[: inode.size]
        return b"".join(bytes(piece.read()) for piece in self.files.content(inode).pieces())


def _device(inode: Inode) -> tuple[int, int]:
    old, new = unpack("<II", memoryview(inode.body), 0)
    if old:
        return old >> 8 & 0xFF, old & 0xFF
    return (new & 0xFFF00) >> 8, new & 0xFF | new >> 12 & 0xFFF00


def _facts(inode: Inode) -> Iterator[tuple[str, str, Any]]:
    yield "mtime", "ctime", _shown(inode.ctime)
    yield "mtime", "atime", _shown(inode.atime)
    if inode.created is not None:
        yield "mtime", "crtime", _shown(inode.created)
    if flags := [word for bit, word in _FLAGS if inode.flags & bit]:
        yield "mode", "flags", ", ".join(flags)
    if inode.project:
        yield "owner", "project", inode.project


def _shown(time: tuple[int, int]) -> int | str:
    seconds, fine = time
    if not fine:
        return seconds
    whole, rest = divmod(abs(seconds * 10**9 + fine), 10**9)
    return f"{'-' if seconds < 0 else ''}{whole}.{rest:09d}"
