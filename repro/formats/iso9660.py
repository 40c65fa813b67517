"""ISO 9660 (ECMA-119) with Rock Ridge, El Torito and the partition tables of hybrid images.

Members are the files of the primary volume; boot images and partitions that no file covers are members too, with
names in brackets. Joliet's tree names the same extents again and is carried as structures.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import ClassVar

from repro.formats import base, eltorito, partitions, rockridge
from repro.formats.base import DERIVED, IDENTITY, Malformed, Member, Problems, Stored, Structure, cut, unpack

SECTOR = 2048
_DESCRIPTORS = 16 * SECTOR
_MAX_DESCRIPTORS = 64
_DEPTH = 128
_DESCRIPTOR = (
    ("type", 1, IDENTITY),
    ("identifier", 5, IDENTITY),
    ("version", 1, IDENTITY),
    ("flags", 1, IDENTITY),
    ("system identifier", 32, IDENTITY),
    ("volume identifier", 32, IDENTITY),
    ("unused", 8, DERIVED),
    ("volume space size", 8, DERIVED),
    ("escape sequences", 32, IDENTITY),
    ("set size", 4, IDENTITY),
    ("sequence number", 4, IDENTITY),
    ("block size", 4, IDENTITY),
    ("path table size", 8, DERIVED),
    ("path table L location", 4, DERIVED),
    ("optional path table L location", 4, DERIVED),
    ("path table M location", 4, DERIVED),
    ("optional path table M location", 4, DERIVED),
    ("root directory record", 34, DERIVED),
    ("volume set identifier", 128, IDENTITY),
    ("publisher", 128, IDENTITY),
    ("data preparer", 128, IDENTITY),
    ("application", 128, IDENTITY),
    ("copyright file", 37, IDENTITY),
    ("abstract file", 37, IDENTITY),
    ("bibliographic file", 37, IDENTITY),
    ("creation time", 17, IDENTITY),
    ("modification time", 17, IDENTITY),
    ("expiration time", 17, IDENTITY),
    ("effective time", 17, IDENTITY),
    ("file structure version", 2, IDENTITY),
    ("application use", 512, IDENTITY),
    ("reserved", 653, IDENTITY),
)


@dataclass(frozen=True)
class _Record:
    """A directory record: where its extent lies (bytes), its identifier, flags, time and system use area."""

    start: int
    size: int
    flags: int
    time: int | None
    identifier: bytes
    area: memoryview
    runs: tuple[tuple[int, int], ...]


class Iso9660:
    """A `Container` on the bytes of an ISO image."""

    format: ClassVar[str] = "iso9660"

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.problems = Problems()
        self._descriptors = list(self._read_descriptors())
        primary = next((at for at, kind in self._descriptors if kind == 1), None)
        if primary is None:
            raise Malformed("no primary volume descriptor")
        self._primary = primary
        (self.block,) = unpack("<H", view, primary + 128)
        if self.block not in (512, 1024, 2048):
            raise Malformed(f"logical blocks of {self.block} bytes")
        self._directories: dict[int, Structure] = {}
        self._areas: set[tuple[int, int]] = set()
        self._files: list[tuple[int, int]] = []

    def _read_descriptors(self) -> Iterator[tuple[int, int]]:
        for number in range(_MAX_DESCRIPTORS):
            at = _DESCRIPTORS + number * SECTOR
            kind, identifier = unpack("<B5s", cut(self.view, at, SECTOR), 0)
            if identifier != b"CD001":
                return
            yield at, kind
            if kind == 255:
                return

    def members(self) -> Iterator[Member]:
        placed: set[int] = set()
        for member in self._walk(self._record(cut(self.view, self._primary + 156, 34))):
            extents = list(member.content.extents()) if member.content else []
            self._files.extend(extents)
            first = extents[0][0] if extents else None
            if first is None or first in placed:
                yield member
            else:
                placed.add(first)
                yield replace(member, positions=(("data", first),))
        yield from self._hidden()

    def _walk(self, root: _Record) -> Iterator[Member]:
        """The tree, depth first; Rock Ridge is read where the root's own record announces SUSP."""
        own = next(self._records(root, "."), root)
        susp = rockridge.read(self.view, own.area, self.block).susp
        yield self._member(".", own, self._attributes(own, susp))
        stack, seen, count = [(".", root, 0)], {root.start}, 0
        while stack:
            path, directory, depth = stack.pop()
            for name, record, attributes in self._entries(directory, path, susp):
                count += 1
                if count > base.MEMBERS:
                    raise Malformed(f"more than {base.MEMBERS} members")
                full = name if path == "." else f"{path}/{name}"
                yield self._member(full, record, attributes)
                if record.flags & 2:
                    if record.start in seen or depth >= _DEPTH:
                        self.problems.add(full, "directory loop")
                        continue
                    seen.add(record.start)
                    stack.append((full, record, depth + 1))

    def _entries(
        self, directory: _Record, path: str, susp: int | None
    ) -> Iterator[tuple[str, _Record, rockridge.Attributes]]:
        """(name, record, Rock Ridge attributes) of each child; what cannot be read becomes a problem."""
        extents: list[_Record] = []
        for record in self._records(directory, path):
            if record.identifier in (b"\0", b"\1"):
                continue
            extents.append(record)
            if record.flags & 0x80:  # further extents of the same file follow
                continue
            first, extents = extents[0], []
            try:
                attributes = self._attributes(first, susp)
                name = self._name(first, attributes)
                if attributes.relocated:
                    continue
                if attributes.child is not None:
                    first = self._relocated(first, attributes.child)
            except Malformed as error:
                self.problems.add(path, error.message)
                continue
            yield name, replace(first, runs=(*first.runs, *(run for e in extents for run in e.runs))), attributes

    def _attributes(self, record: _Record, susp: int | None) -> rockridge.Attributes:
        if susp is None:
            return rockridge.Attributes()
        skip = 0 if record.identifier == b"\0" else susp
        attributes = rockridge.read(self.view, record.area[skip:], self.block)
        self._areas.update(attributes.areas)
        return attributes

    def _name(self, record: _Record, attributes: rockridge.Attributes) -> str:
        name = attributes.name if attributes.name is not None else record.identifier.split(b";")[0].rstrip(b".")
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
            raise Malformed(f"directory entry named {name!r}")
        return os.fsdecode(name)

    def _relocated(self, record: _Record, block: int) -> _Record:
        """The directory that a CL entry points to: its size stands in its own first record."""
        own = self._record(self.view[block * self.block :])
        return replace(record, start=own.start, size=own.size, flags=record.flags | 2)

    def _records(self, directory: _Record, path: str) -> Iterator[_Record]:
        """The directory records of an extent, block by block, `.` and `..` included."""
        try:
            extent = cut(self.view, directory.start, directory.size)
        except Malformed as error:
            self.problems.add(path, error.message)
            return
        name = f"directory {path}"
        self._directories[directory.start] = Structure(directory.start, directory.start + directory.size, name)
        at = 0
        while at < len(extent):
            if not extent[at]:  # records do not cross blocks; the rest of this one is padding
                at += self.block - at % self.block
                continue
            try:
                yield self._record(extent[at:])
            except Malformed as error:
                self.problems.add(path, error.message)
                return
            at += extent[at]

    def _record(self, data: memoryview) -> _Record:
        length, skip, block, size = unpack("<BBI4xI4x", data, 0)
        data = cut(data, 0, length)
        flags, unit, gap, name_size = unpack("<BBB4xB", data, 25)
        if unit or gap:
            raise Malformed("interleaved files are not read")
        identifier = bytes(cut(data, 33, name_size))
        start = (block + skip) * self.block
        time = rockridge.short_time(data[18:25])
        area = data[33 + name_size + (name_size + 1) % 2 :]
        return _Record(start, size, flags, time, identifier, area, ((start, start + size),))

    def _member(self, name: str, record: _Record, found: rockridge.Attributes) -> Member:
        kind = base.DIRECTORY if record.flags & 2 else base.FILE
        if found.mode is not None and not record.flags & 2:
            kind = base.KINDS_BY_MODE.get(found.mode & 0o170000, base.UNKNOWN)
        content, problem = None, None
        if kind == base.FILE:
            runs = tuple((start, min(end, len(self.view))) for start, end in record.runs if end > start)
            if runs != tuple(run for run in record.runs if run[1] > run[0]) or any(s > e for s, e in runs):
                problem = "reaches beyond the end of the image"
            else:
                content = base.content_of(self.view, runs)
        times = found.times
        extra = [("mtime", key, value) for key, value in sorted(times.items()) if key != "mtime"]
        mtime = times.get("mtime", record.time)
        if record.time not in (None, mtime):
            extra.append(("mtime", "recorded", record.time))
        if record.flags & 1:
            extra.append(("mode", "hidden", True))
        return Member(
            name,
            kind,
            mode=None if found.mode is None else found.mode & 0o7777,
            uid=found.uid,
            gid=found.gid,
            mtime=mtime,
            target=os.fsdecode(found.target or b"") if kind == base.SYMLINK else None,
            device=found.device if kind in (base.BLOCK, base.CHARACTER) else None,
            xattrs=(("AAIP", found.attributes),) if found.attributes else (),
            extra=tuple(extra),
            content=content,
            problem=problem,
        )

    def _hidden(self) -> Iterator[Member]:
        """El Torito images and partitions whose bytes no file of the tree covers."""
        covered = sorted([(0, _DESCRIPTORS + SECTOR), *self._files])
        reach = list(accumulate((end for _, end in covered), max))
        candidates = [(p.start, p.end, f"[partition {p.number}]") for p in partitions.partitions(self.view)]
        candidates += [
            (i.start, i.end, f"[El Torito image {i.number}]") for i in eltorito.images(self.view, self._boot)
        ]
        taken = 0
        for start, end, name in sorted(candidates):
            before = bisect_left(covered, (end, 0))  # files that begin before the candidate ends
            if end > len(self.view) or start < taken or (before and reach[before - 1] > start):
                continue
            taken = end
            yield Member(name, base.FILE, content=Stored(self.view[start:end], start))

    @property
    def _boot(self) -> int | None:
        """Where the El Torito catalogue starts, in bytes."""
        for at, kind in self._descriptors:
            if kind == 0 and bytes(self.view[at + 7 : at + 30]) == b"EL TORITO SPECIFICATION":
                return int(unpack("<I", self.view, at + 71)[0]) * SECTOR
        return None

    def structures(self) -> Iterator[Structure]:
        yield from partitions.structures(self.view)
        for at, kind in self._descriptors:
            yield from self._descriptor(at, kind)
        if self._boot is not None:
            yield from eltorito.structures(self.view, self._boot)
        yield from self._directories.values()
        for start, end in sorted(self._areas):
            yield Structure(start, end, "Rock Ridge continuation")

    def _descriptor(self, at: int, kind: int) -> Iterator[Structure]:
        if kind not in (1, 2):
            name = {0: "boot record descriptor", 255: "descriptor set terminator"}.get(kind, f"descriptor {kind}")
            yield Structure(at, at + SECTOR, name)
            return
        prefix = "primary volume " if at == self._primary else f"supplementary volume {(at - _DESCRIPTORS) // SECTOR} "
        for field in base.fields(at, _DESCRIPTOR, prefix):
            value = None
            if field.name.endswith(" time"):
                value = bytes(self.view[field.start : field.end - 1]).decode("ascii", "replace")
            yield replace(field, value=value)
        yield from self._path_tables(at, prefix)
        if kind == 2:
            yield from self._other_tree(at)

    def _path_tables(self, at: int, prefix: str) -> Iterator[Structure]:
        (size,) = unpack("<I", self.view, at + 132)
        where = (*unpack("<II", self.view, at + 140), *unpack(">II", self.view, at + 148))
        for block, name in zip(where, ("L", "optional L", "M", "optional M"), strict=True):
            start = block * self.block
            if block and start + size <= len(self.view):
                yield Structure(start, start + size, f"{prefix}path table {name}")

    def _other_tree(self, at: int) -> Iterator[Structure]:
        """The directories of a supplementary volume (Joliet), whose files are the primary's."""
        try:
            root = self._record(cut(self.view, at + 156, 34))
        except Malformed as error:
            self.problems.add("", f"supplementary volume: {error.message}")
            return
        kept, self._directories = self._directories, {}
        stack, seen = [root], {root.start}
        while stack:
            for record in self._records(stack.pop(), "of the supplementary volume"):
                if record.flags & 2 and record.start not in seen and len(seen) < base.MEMBERS:
                    seen.add(record.start)
                    stack.append(record)
        found, self._directories = self._directories, kept
        yield from (s for start, s in found.items() if start not in kept)
