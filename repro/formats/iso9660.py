"""ISO 9660 (ECMA-119) with Rock Ridge, El Torito and the partition tables of hybrid images.

Members are the files of the primary volume; boot images and partitions that no file covers are members too, with
names in brackets. Joliet's tree names the same extents again and is carried as structures.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import ClassVar

from repro.formats import aaip, base, eltorito, iso_tags, iso_trees, iso_volumes, partitions, rockridge
from repro.formats.base import Malformed, Member, Problems, Stored, Structure, cut, unpack
from repro.formats.iso_directories import DIRECTORY, PARENT, SELF, Directory, Record, Tree, record_at, records
from repro.formats.iso_directories import tree as directories
from repro.formats.iso_records import Records
from repro.formats.named import rest

SECTOR = 2048
_DESCRIPTORS = 16 * SECTOR
_MAX_DESCRIPTORS = 64
_ROOT = 156  # where a volume descriptor has its root record
_DEPTH = 128
_OTHER_FLAGS = 0x1C  # of a record: associated file, record format, protection


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
        self._susp: int | None = None
        self._checksums: bytes | None = None  # where libisofs says that its checksums lie
        self._directories: Tree = {}  # of the primary volume, by the byte where they start
        self._continued: set[int] = set()  # where directories start whose records go on in continuation areas
        self._names: dict[int, str] = {}  # of the members, by the byte where their record starts
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
        for member in self._walk(record_at(self.view, self._primary + _ROOT, self.block)):
            extents = list(member.content.extents()) if member.content else []
            self._files.extend(extents)
            if extents and extents[0][0] in placed:  # two names of the same data have one place
                yield member._replace(positions=())
                continue
            placed.update(start for start, _ in extents[:1])
            yield member
        yield from self._hidden()

    def _walk(self, root: Record) -> Iterator[Member]:
        """The tree, depth first; Rock Ridge is read where the root's own record announces SUSP."""
        own = next(self._records(root, "."), root)
        self._susp = susp = rockridge.read(self.view, own.area, self.block).susp
        found = self._attributes(own, susp)
        self._checksums = aaip.own(found.attributes, b"ca")
        self._continued.add(root.start)  # its own record as a rule has a continuation
        yield self._member(".", own, found)
        stack, count = [(".", replace(root, at=own.at), 0)], 0
        self._directories[root.start] = Directory(".", root, own.at)
        while stack:
            path, directory, depth = stack.pop()
            for full, record, attributes in self._entries(directory, path, susp):
                count += 1
                if count > base.MEMBERS:
                    raise Malformed(f"more than {base.MEMBERS} members")
                yield self._member(full, record, attributes)
                if record.flags & 2:
                    if record.start in self._directories or depth >= _DEPTH:
                        self.problems.add(full, "directory loop")
                        continue
                    self._directories[record.start] = Directory(full, record, directory.at)
                    stack.append((full, record, depth + 1))

    def _entries(
        self, directory: Record, path: str, susp: int | None
    ) -> Iterator[tuple[str, Record, rockridge.Attributes]]:
        """(path, record, Rock Ridge attributes) of each child; what cannot be read becomes a problem."""
        extents: list[Record] = []
        for record in self._records(directory, path):
            if record.identifier in (SELF, PARENT):
                continue
            extents.append(record)
            if record.flags & 0x80:  # further extents of the same file follow
                continue
            first, runs = extents[0], tuple(run for extent in extents for run in extent.runs)
            try:
                attributes = self._attributes(first, susp)
                if attributes.areas:
                    self._continued.add(directory.start)
                name = self._name(first, attributes)
                full = name if path == "." else f"{path}/{name}"
                for number, extent in enumerate(extents, 1):
                    self._names[extent.at] = full if number == 1 else f"{full} extent {number}"
                if attributes.relocated:
                    continue
                if attributes.child is not None:
                    first = self._relocated(first, attributes.child)
            except Malformed as error:
                self.problems.add(path, error.message)
                continue
            finally:
                extents = []
            yield full, first if runs == first.runs else replace(first, runs=runs), attributes

    def _attributes(self, record: Record, susp: int | None) -> rockridge.Attributes:
        if susp is None:
            return rockridge.Attributes()
        skip = 0 if record.identifier == SELF else susp
        return rockridge.read(self.view, record.area[skip:], self.block)

    def _name(self, record: Record, attributes: rockridge.Attributes) -> str:
        name = attributes.name if attributes.name is not None else record.identifier.split(b";")[0].rstrip(b".")
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
            raise Malformed(f"directory entry named {name!r}")
        return os.fsdecode(name)

    def _relocated(self, found: Record, block: int) -> Record:
        """The directory that a CL entry points to: its size stands in its own first record."""
        own = record_at(self.view, block * self.block, self.block)
        return replace(found, start=own.start, size=own.size, flags=found.flags | DIRECTORY)

    def _records(self, directory: Record, path: str) -> Iterator[Record]:
        """The records of a directory as far as they can be read; then there is a problem."""
        try:
            yield from records(self.view, directory, self.block)
        except Malformed as error:
            self.problems.add(path, error.message)

    def _member(self, name: str, record: Record, found: rockridge.Attributes) -> Member:
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
        zones = {**found.zones, "recorded": record.zone} if record.zone else found.zones
        if zones:  # the same moment can be written in several ways
            said = ", ".join(f"{name} {minutes:+} min" for name, minutes in sorted(zones.items()))
            extra.append(("mtime", "time zones", said))
        if record.flags & 1:
            extra.append(("mode", "hidden", True))
        if record.flags & _OTHER_FLAGS:
            extra.append(("mode", "record flags", f"{record.flags & _OTHER_FLAGS:#04x}"))
        if found.nlink not in (None, 0, 1) and kind != base.DIRECTORY:
            extra.append(("link", "link count", found.nlink))
        if kind == base.SYMLINK and found.mode is not None and found.mode & 0o777 != 0o777:
            extra.append(("mode", "link mode", f"{found.mode & 0o7777:04o}"))
        return Member(
            name,
            kind,
            mode=None if found.mode is None else found.mode & 0o7777,
            uid=found.uid,
            gid=found.gid,
            mtime=mtime,
            target=os.fsdecode(found.target or b"") if kind == base.SYMLINK else None,
            device=found.device if kind in (base.BLOCK, base.CHARACTER) else None,
            xattrs=tuple(sorted(aaip.attributes(found.attributes))),
            extra=tuple(extra),
            positions=tuple(("data", start) for start, _ in tuple(content.extents())[:1]) if content else (),
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
        tables = list(partitions.structures(self.view))
        yield from tables
        yield from rest(self.view, tables, 0, _DESCRIPTORS, "system area")
        counts: Counter[str] = Counter()
        covered = [(0, _DESCRIPTORS), *self._files]
        for at, kind in self._descriptors:
            covered.append((at, at + SECTOR))
            word = iso_volumes.word(self.view, at, kind)
            counts[word] += 1
            of = str(counts[word]) if counts[word] > 1 else ""
            yield from iso_volumes.descriptor(self.view, at, kind, of)
            if kind in (1, 2):
                tree = self._directories if at == self._primary else self._other_tree(at)
                identifiers = partial(_identifiers, tree)
                yield from iso_volumes.path_tables(self.view, at, kind, of, self.block, identifiers)
                yield from self._tree(tree, word, of)
                covered += [(start, start + found.record.size) for start, found in tree.items()]
        if self._boot is not None:
            yield from eltorito.structures(self.view, self._boot)
        yield from iso_tags.checksums(self.view, self._checksums)
        yield from iso_tags.structures(self.view, sorted(covered))

    def _other_tree(self, at: int) -> Tree:
        found = directories(self.view, at + _ROOT, self.block)
        return {start: directory for start, directory in found.items() if start not in self._directories}

    def _tree(self, tree: Tree, word: str, of: str) -> Iterator[Structure]:
        if tree is self._directories:
            kind = Records(self.view, self.block, self._susp)
            yield from iso_trees.primary(tree, self._names, kind, self._continued)
        else:
            kind = Records(self.view, self.block, None, f"{word.split(maxsplit=1)[0]} ")
            yield from iso_trees.Repeated(tree, kind, self._directories, self._names, of).structures()


def _identifiers(tree: Tree) -> dict[int, bytes]:
    return {start: found.record.identifier for start, found in tree.items()}
