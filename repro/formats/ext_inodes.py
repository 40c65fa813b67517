"""The inode tables of ext2, ext3 and ext4, and the blocks that belong to inodes, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from repro.formats import base, ext_folders, ext_layouts
from repro.formats.base import CHUNK, DERIVED, FACT, IDENTITY, Malformed, Structure, fields, unpack
from repro.formats.ext_files import Files, Run
from repro.formats.ext_tables import EA_INODE, EXTENTS, INLINE, JOURNAL, RESIZE, START, Group, Inode, Volume, crc32c

Names = dict[int, str]  # the first path of each inode that has one

INODES_UNUSED = 0x1  # of a group's flags: its inode bitmap was never written
_RESERVED = 11  # the inodes below are the file system's own
_FIELDS = tuple(
    (each.start, each.end, each.name, each.role)
    for each in fields(0, ext_layouts.INODE + ext_layouts.INODE_EXTRA, "inode ")
)
_CHECKSUMS = ("inode checksum", "inode checksum (high)")


def filled(view: memoryview, start: int, end: int) -> bool:
    """Whether a byte of the range is not zero."""
    chunks = (bytes(view[at : min(at + CHUNK, end)]) for at in range(start, end, CHUNK))
    return any(chunk.count(0) != len(chunk) for chunk in chunks)


@dataclass
class Inodes:
    """Names the inodes of a file system; `contents` collects the ranges that members or their slack take."""

    volume: Volume
    files: Files
    names: Names
    contents: list[tuple[int, int]] = field(default_factory=list)
    _blocks: set[int] = field(default_factory=set)  # of extended attributes, which inodes share

    def __post_init__(self) -> None:
        self._special = {RESIZE: "resize inode", JOURNAL: "journal"}
        for at, name in ((576, "user quota"), (580, "group quota"), (620, "project quota"), (640, "orphan file")):
            self._special[unpack("<I", self.volume.view, START + at)[0]] = name

    def structures(self, group: Group) -> Iterator[Structure]:
        """The inode table of a group, and what its inodes own. Raises Malformed."""
        volume, size = self.volume, self.volume.inode_size
        table = group.inode_table * volume.block
        first = group.number * volume.inodes_per_group + 1
        bitmap = b"" if group.flags & INODES_UNUSED else bytes(volume.at(group.inode_bitmap))
        unused = table
        for index in range(min(volume.inodes_per_group, volume.inodes + 1 - first)):
            number, start = first + index, table + index * size
            used = number in self.names or number < _RESERVED or (bitmap and bitmap[index // 8] >> index % 8 & 1)
            if not used and volume.view[start : start + size].tobytes().count(0) == size:
                continue
            if unused < start:
                yield Structure(unused, start, "unused inodes", of=f"inode {first + (unused - table) // size}")
            unused = start + size
            if used:
                yield from self._inode(number)
            else:
                yield Structure(start, start + size, "deleted inode", IDENTITY, of=f"inode {number}")
        if unused < (end := table + volume.inodes_per_group * size):
            yield Structure(unused, end, "unused inodes", of=f"inode {first + (unused - table) // size}")

    def _inode(self, number: int) -> Iterator[Structure]:
        of = self.names.get(number) or self._special.get(number) or f"inode {number}"
        try:
            inode = self.volume.inode(number)
        except Malformed:
            group, index = divmod(number - 1, self.volume.inodes_per_group)
            start = self.volume.group(group).inode_table * self.volume.block + index * self.volume.inode_size
            yield Structure(start, start + self.volume.inode_size, "broken inode", IDENTITY, of=of)
            return
        yield from self._fields(inode, of)
        try:
            yield from self._attributes(inode, of)
            yield from self._owned(inode, of)
        except Malformed:
            return  # the member's problem tells it

    def _fields(self, inode: Inode, of: str) -> Iterator[Structure]:
        """The fields of an inode that are not zero: most are, and zeros are padding wherever they lie."""
        base_at, limit = inode.start, 128 + inode.extra
        raw = bytes(self.volume.view[base_at : base_at + limit])
        for start, end, name, role in _FIELDS:
            if end > limit:
                break
            if raw.count(0, start, end) == end - start:
                continue
            if name == "inode block map":
                yield from self._body(inode, of, Structure(base_at + start, base_at + end, name, role, of=of))
            else:
                holds = self._holds(inode) if name in _CHECKSUMS and self.volume.checksums else None
                yield Structure(base_at + start, base_at + end, name, role, None, of, holds)

    def _body(self, inode: Inode, of: str, whole: Structure) -> Iterator[Structure]:
        if inode.kind == base.SYMLINK and (inode.flags & INLINE or inode.size < 60):
            yield Structure(whole.start, whole.end, "symlink target", FACT, of=of)
        elif inode.kind in (base.BLOCK, base.CHARACTER):
            yield Structure(whole.start, whole.end, "device numbers", FACT, of=of)
        elif not inode.flags & INLINE:
            yield whole

    def _holds(self, inode: Inode) -> Callable[[], bool]:
        def holds() -> bool:
            raw = bytearray(self.volume.view[inode.start : inode.start + self.volume.inode_size])
            low, high = unpack("<H", memoryview(bytes(raw)), 124)[0], 0
            raw[124:126] = bytes(2)
            if inode.extra < 4:
                return bool(low == crc32c(self.volume.inode_seed(inode), bytes(raw)) & 0xFFFF)
            (high,) = unpack("<H", memoryview(bytes(raw)), 130)
            raw[130:132] = bytes(2)
            return bool(low | high << 16 == crc32c(self.volume.inode_seed(inode), bytes(raw)))

        return holds

    def _attributes(self, inode: Inode, of: str) -> Iterator[Structure]:
        view, block = self.volume.view, self.volume.block
        start, end = self.files.attributes(inode)
        if filled(view, start, end):
            inline = self.files.inline(inode)[1:] if inode.flags & INLINE and inode.kind != base.UNKNOWN else []
            for hidden, behind in inline:
                yield Structure(start, hidden, "inode attributes", FACT, of=of)
                start = behind
            yield Structure(start, end, "inode attributes", FACT, of=of)
        if inode.acl and inode.acl not in self._blocks:
            self._blocks.add(inode.acl)
            self.volume.at(inode.acl)
            place = inode.acl * block
            yield Structure(place, place + 16, "attribute block header", of=of)
            yield Structure(
                place + 16, place + 20, "attribute block checksum", of=of, holds=self._block_holds(inode.acl)
            )
            yield Structure(place + 20, place + 32, "attribute block reserved", of=of)
            yield Structure(place + 32, place + block, "attribute block", FACT, of=of)

    def _block_holds(self, block: int) -> Callable[[], bool] | None:
        def holds() -> bool:
            raw = self.volume.at(block)
            place = crc32c(self.volume.seed, block.to_bytes(8, "little"))
            return bool(unpack("<I", raw, 16)[0] == crc32c(place, bytes(raw[:16]) + bytes(4) + raw[20:]))

        return holds if self.volume.checksums else None

    def _owned(self, inode: Inode, of: str) -> Iterator[Structure]:
        """The blocks of an inode that are not a member's content."""
        if inode.kind == base.DIRECTORY and inode.number in self.names:
            yield from ext_folders.structures(self.volume, self.files, inode, of)
        if inode.kind not in (base.FILE, base.DIRECTORY, base.SYMLINK) or inode.flags & INLINE:
            return
        if inode.kind == base.SYMLINK and inode.size < 60:
            return
        layout = self.files.layout(inode)
        nodes = layout.nodes[:1] if inode.number == RESIZE else layout.nodes  # its others are reserved tables
        for number, node in enumerate(nodes):
            yield from self._node(inode, node, f"{of} {number}")
        if inode.number != RESIZE:
            for run in layout.runs:
                yield from self._run(inode, run, of)

    def _node(self, inode: Inode, node: int, of: str) -> Iterator[Structure]:
        start, end = node * self.volume.block, (node + 1) * self.volume.block
        if not inode.flags & EXTENTS:
            yield Structure(start, end, "indirect block", of=of)
            return
        tail = 12 + unpack("<H", self.volume.view, start + 4)[0] * 12
        if not self.volume.checksums or start + tail + 4 > end:
            yield Structure(start, end, "extent tree block", of=of)
            return

        def holds() -> bool:
            computed = crc32c(self.volume.inode_seed(inode), self.volume.view[start : start + tail])
            return bool(computed == unpack("<I", self.volume.view, start + tail)[0])

        yield Structure(start, start + tail, "extent tree block", of=of)
        yield Structure(start + tail, start + tail + 4, "extent tree checksum", of=of, holds=holds)

    def _run(self, inode: Inode, run: Run, of: str) -> Iterator[Structure]:
        block = self.volume.block
        start, end = run.physical * block, (run.physical + run.count) * block
        behind = start + (min(max(inode.size - run.logical * block, 0), end - start) if run.written else 0)
        self.contents.append((start, end))
        if inode.number == JOURNAL:
            yield from self._journal(run, start, end)
        elif inode.number not in self.names:
            name, role = ("large attribute value", FACT) if inode.flags & EA_INODE else ("unreachable file", IDENTITY)
            if inode.number in self._special:
                name, role = self._special[inode.number], DERIVED
            yield Structure(start, end, name, role, of=f"{of} block {run.logical}")
        elif inode.kind != base.DIRECTORY:
            if inode.kind == base.SYMLINK:
                yield Structure(start, behind, "symlink target", FACT, of=of)
            if filled(self.volume.view, behind, end):
                name = "file slack" if run.written else "preallocated blocks"
                yield Structure(behind, end, name, IDENTITY, of=of)

    def _journal(self, run: Run, start: int, end: int) -> Iterator[Structure]:
        if not run.logical:
            for each in fields(start, ext_layouts.JOURNAL, "journal "):
                if each.end <= end:
                    yield each
            start = min(start + 1024, end)
        if filled(self.volume.view, start, end):
            yield Structure(start, end, "journal contents", IDENTITY, of=f"block {run.logical}")
