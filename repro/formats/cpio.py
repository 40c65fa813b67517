"""cpio "newc" archives (cpio(5)) and initrds: several archives, each maybe compressed, one after the other
(Linux: Documentation/driver-api/early-userspace/buffer-format.rst)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from repro.formats import base
from repro.formats.base import DERIVED, FACT, IDENTITY, Malformed, Member, Problems, Stored, Structure, cut
from repro.formats.fields import padding

MAGICS = (b"070701", b"070702")
_HEADER = 110
_TRAILER = b"TRAILER!!!"
_NAME_LIMIT = 65536
_SEGMENTS = 1000

_FIELDS = (
    ("inode", DERIVED),
    ("mode", FACT),
    ("uid", FACT),
    ("gid", FACT),
    ("nlink", FACT),
    ("mtime", FACT),
    ("filesize", DERIVED),
    ("devmajor", DERIVED),
    ("devminor", DERIVED),
    ("rdevmajor", FACT),
    ("rdevminor", FACT),
    ("namesize", DERIVED),
    ("check", DERIVED),
)
_DEVICE = ("rdevmajor", "rdevminor")  # decoded into a member for devices alone
_NO_MEMBER = ("mode", "uid", "gid", "nlink", "mtime", *_DEVICE)  # of the trailer, which is no member

_Inode = tuple[int, int, int]


@dataclass(frozen=True)
class _Entry:
    """A header's numbers, by the names that cpio(5) gives them, its name and where its data lies (bytes)."""

    start: int
    name: bytes
    data: int
    ino: int
    mode: int
    uid: int
    gid: int
    nlink: int
    mtime: int
    filesize: int
    devmajor: int
    devminor: int
    rdevmajor: int
    rdevminor: int

    @property
    def inode(self) -> _Inode:
        return self.ino, self.devmajor, self.devminor

    @property
    def end(self) -> int:
        return self.data + self.filesize + -self.filesize % 4


def _entries(view: memoryview, at: int = 0) -> Iterator[_Entry]:
    """The entries from `at` up to and including the trailer. Raises Malformed."""
    origin = at
    for _ in range(base.MEMBERS):
        head = bytes(cut(view, at, _HEADER))
        if head[:6] not in MAGICS:
            raise Malformed(f"no cpio header at offset {at}")
        try:
            numbers = [int(head[6 + 8 * n : 14 + 8 * n], 16) for n in range(13)]
        except ValueError as error:
            raise Malformed(f"broken cpio header at offset {at}") from error
        size = numbers[11]
        if min(numbers) < 0 or not 1 <= size <= _NAME_LIMIT:
            raise Malformed(f"broken cpio header at offset {at}")
        name = bytes(cut(view, at + _HEADER, size)).rstrip(b"\0")
        data = origin + (at - origin + _HEADER + size + 3) // 4 * 4
        entry = _Entry(at, name, data, *numbers[:11])
        cut(view, data, entry.filesize)
        yield entry
        if name == _TRAILER:
            return
        at = entry.end
    raise Malformed(f"more than {base.MEMBERS} members")


class Cpio:
    """A `Container` on the bytes of one cpio archive, padding after its trailer included."""

    format: ClassVar[str] = "cpio"

    def __init__(self, view: memoryview) -> None:
        if bytes(view[:6]) not in MAGICS:
            raise Malformed("no cpio header")
        self.view = view
        self.problems = Problems()
        self._read: list[_Entry] = []

    def members(self) -> Iterator[Member]:
        try:
            for entry in _entries(self.view):
                self._read.append(entry)
        except Malformed as error:
            self.problems.add("", error.message)
        groups: dict[_Inode, list[_Entry]] = {}
        for entry in self._read:
            if entry.nlink > 1 and entry.mode & 0o170000 != 0o040000 and entry.name != _TRAILER:
                groups.setdefault(entry.inode, []).append(entry)
        links = {inode: base.link_group(_path(e.name) for e in group) for inode, group in groups.items()}
        holders = {inode: next((e for e in reversed(group) if e.filesize), group[0]) for inode, group in groups.items()}
        for position, entry in enumerate(self._read):
            if entry.name != _TRAILER:
                linked = entry.nlink > 1 and entry.inode in groups
                holder = holders[entry.inode] if linked and not entry.filesize else entry
                yield self._member(entry, holder, links[entry.inode] if linked else (), position)

    def _member(self, entry: _Entry, holder: _Entry, links: tuple[str, ...], position: int) -> Member:
        """`holder`: the entry that carries the data, the last one of a hard-link group."""
        kind = base.KINDS_BY_MODE.get(entry.mode & 0o170000, base.UNKNOWN)
        data = self.view[holder.data : holder.data + holder.filesize]
        return Member(
            _path(entry.name),
            kind,
            mode=entry.mode & 0o7777,
            uid=entry.uid,
            gid=entry.gid,
            mtime=entry.mtime,
            target=os.fsdecode(bytes(data[:_NAME_LIMIT])) if kind == base.SYMLINK else None,
            device=(entry.rdevmajor, entry.rdevminor) if kind in (base.BLOCK, base.CHARACTER) else None,
            links=links,
            extra=() if links or entry.nlink == 1 else (("link", "nlink", entry.nlink),),
            positions=(("entries", position),),
            content=Stored(data, holder.data) if kind == base.FILE else None,
        )

    def structures(self) -> Iterator[Structure]:
        seen: Counter[str] = Counter()
        end = 0
        for entry in self._read:
            name = _path(entry.name)
            seen[name] += 1
            of = f"{name} ({seen[name]})" if seen[name] > 1 else name
            yield Structure(entry.start, entry.data, "cpio headers", of=of, parts=partial(self._header, entry, of))
            yield from self._rest(entry, of)
            end = entry.end
        if end < len(self.view) and not any(self.view[end:]):
            yield Structure(end, len(self.view), "cpio padding after the trailer", DERIVED)

    def _header(self, entry: _Entry, of: str) -> Iterator[Structure]:
        """All bytes of an entry up to its data."""
        yield Structure(entry.start, entry.start + 6, "cpio header magic", IDENTITY, of=of)
        kind = base.KINDS_BY_MODE.get(entry.mode & 0o170000)
        no_facts = _NO_MEMBER if entry.name == _TRAILER else () if kind in (base.BLOCK, base.CHARACTER) else _DEVICE
        for number, (field, role) in enumerate(_FIELDS):
            at = entry.start + 6 + 8 * number
            value = int(bytes(self.view[at : at + 8]), 16)
            own = IDENTITY if field in no_facts else role
            holds = (lambda: self._sum_holds(entry)) if field == "check" else None
            yield Structure(at, at + 8, f"cpio header {field}", own, value, of, holds)
        at = entry.start + _HEADER
        named = at + int(bytes(self.view[at - 16 : at - 8]), 16)
        yield Structure(at, named, "cpio name", DERIVED, of=of)
        yield from padding(self.view, named, entry.data, "cpio name padding", of)

    def _rest(self, entry: _Entry, of: str) -> Iterator[Structure]:
        """All bytes of an entry from its data on, but for the data of a file."""
        after = entry.data + entry.filesize
        kind = base.KINDS_BY_MODE.get(entry.mode & 0o170000)
        if kind == base.SYMLINK:
            yield Structure(entry.data, after, "cpio symlink target", FACT, of=of)
        elif kind != base.FILE:
            yield Structure(entry.data, after, "cpio data", IDENTITY, of=of)
        yield from padding(self.view, after, min(entry.end, len(self.view)), "cpio data padding", of)

    def _sum_holds(self, entry: _Entry) -> bool:
        """The sum of a file's bytes in the format that has one (070702), else zero."""
        head = bytes(self.view[entry.start : entry.start + _HEADER])
        data = self.view[entry.data : entry.data + entry.filesize]
        summed = head[:6] == MAGICS[1] and entry.mode & 0o170000 == 0o100000
        return int(head[102:], 16) == (sum(data) & 0xFFFFFFFF if summed else 0)


class Initrd:
    """A `Container` whose members are the archives of an initrd: `early-1`, `early-2`… and the last one, `main`."""

    format: ClassVar[str] = "initrd"

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.problems = Problems()
        self._segments = list(self._split())

    @property
    def several(self) -> bool:
        """Whether there is more than one segment."""
        return len(self._segments) > 1

    def _split(self) -> Iterator[tuple[int, int]]:
        at = 0
        for _ in range(_SEGMENTS):
            if at >= len(self.view):
                return
            if bytes(self.view[at : at + 6]) not in MAGICS:
                yield at, len(self.view)
                return
            start = at
            try:
                for entry in _entries(self.view, at):
                    at = entry.end
            except Malformed:
                yield start, len(self.view)
                return
            at = min(_skip_zeros(self.view, at), len(self.view))
            yield start, at
        raise Malformed(f"initrd of more than {_SEGMENTS} segments")

    def members(self) -> Iterator[Member]:
        for number, (start, end) in enumerate(self._segments, 1):
            name = "main" if number == len(self._segments) else f"early-{number}"
            yield Member(
                name, base.FILE, positions=(("segments", number),), content=Stored(self.view[start:end], start)
            )

    def structures(self) -> Iterator[Structure]:
        return iter(())


def opened(view: memoryview) -> Cpio | Initrd:
    """The archive in `view`, or the initrd where more than one segment lies there."""
    initrd = Initrd(view)
    return initrd if initrd.several else Cpio(view)


def _skip_zeros(view: memoryview, at: int) -> int:
    while at < len(view):
        chunk = bytes(view[at : at + base.CHUNK])
        rest = chunk.lstrip(b"\0")
        if rest:
            return at + len(chunk) - len(rest)
        at += len(chunk)
    return at


def _path(name: bytes) -> str:
    while name.startswith((b"/", b"./")):
        name = name[1:] if name[:1] == b"/" else name[2:]
    return os.fsdecode(name) or "."
