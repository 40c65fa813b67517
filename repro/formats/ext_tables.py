"""The superblock, group descriptors and inodes of ext2, ext3 and ext4 (Linux: Documentation/filesystems/ext4/)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from repro.formats import base
from repro.formats.base import Malformed, cut, unpack

START = 1024  # of the superblock
SIZE = 1024
MAGIC = 0xEF53
ROOT, RESIZE, JOURNAL = 2, 7, 8

# Features: compatible (C), incompatible (I), compatible to read (R).
C_SPARSE_SUPER2, I_FILETYPE, I_RECOVER, I_JOURNAL_DEVICE, I_META_BG = 0x200, 0x2, 0x4, 0x8, 0x10
I_64BIT, I_CSUM_SEED = 0x80, 0x2000
R_SPARSE_SUPER, R_GDT_CSUM, R_BIGALLOC, R_METADATA_CSUM = 0x1, 0x10, 0x200, 0x400
_INCOMPATIBLE = 0x3F7DF  # all that this reader knows: not compression (0x1) and nothing unheard of

# Inode flags.
INDEX, ENCRYPTED, EXTENTS, EA_INODE, INLINE = 0x1000, 0x800, 0x80000, 0x200000, 0x10000000

_INODE = "<HHIIIIIHHIII60sIIIIHHHH"
_POLYNOMIAL = 0x82F63B78


def _table(polynomial: int) -> tuple[int, ...]:
    words = []
    for byte in range(256):
        word = byte
        for _ in range(8):
            word = word >> 1 ^ (polynomial if word & 1 else 0)
        words.append(word)
    return tuple(words)


_CRC32C, _CRC16 = _table(_POLYNOMIAL), _table(0xA001)


def crc32c(seed: int, data: bytes | memoryview, table: tuple[int, ...] = _CRC32C) -> int:
    """Castagnoli's CRC of `data` as ext4 uses it: from `seed` on, without a final inversion."""
    for byte in data:
        seed = table[(seed ^ byte) & 0xFF] ^ seed >> 8
    return seed


def crc16(seed: int, data: bytes | memoryview) -> int:
    """The CRC of group descriptors before metadata_csum."""
    return crc32c(seed, data, _CRC16)


@dataclass(frozen=True)
class Inode:
    """An inode; `start` is where its bytes begin, `body` (60 bytes) maps its blocks or holds its data.

    Times are (seconds, nanoseconds); `created` is None where the inode has no room for it.
    """

    number: int
    start: int
    mode: int
    uid: int
    gid: int
    size: int
    links: int
    flags: int
    body: bytes
    generation: int
    acl: int
    extra: int
    atime: tuple[int, int]
    ctime: tuple[int, int]
    mtime: tuple[int, int]
    created: tuple[int, int] | None
    project: int

    @property
    def kind(self) -> str:
        """One of the kinds of `base`."""
        return base.KINDS_BY_MODE.get(self.mode & 0o170000, base.UNKNOWN)


@dataclass(frozen=True)
class Group:
    """A block group's descriptor: where it lies (`start`), and the block numbers that it names."""

    number: int
    start: int
    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    flags: int


@dataclass
class Volume:
    """The geometry of a file system on `view`, checked. Raises Malformed."""

    view: memoryview
    _known: dict[int, Inode] = field(default_factory=dict)
    _groups: dict[int, Group] = field(default_factory=dict)

    def __post_init__(self) -> None:
        head = cut(self.view, START, SIZE)
        self.inodes, low, _, _, _, self.first, log, log_cluster, self.per_group = unpack("<9I", head, 0)
        self.clusters_per_group, self.inodes_per_group = unpack("<II", head, 36)
        magic, revision = unpack("<H18xI", head, 56)
        if magic != MAGIC or revision > 1:
            raise Malformed("no ext superblock")
        if log > 6 or not log <= log_cluster <= 20:
            raise Malformed(f"block size 2^{10 + log}, cluster size 2^{10 + log_cluster}")
        self.inode_size, self.compatible, self.incompatible, self.read_only = unpack("<H2xIII", head, 88)
        if not revision:
            self.inode_size, self.compatible, self.incompatible, self.read_only = 128, 0, 0, 0
        if self.incompatible & ~_INCOMPATIBLE or self.incompatible & I_JOURNAL_DEVICE:
            raise Malformed(f"features {self.incompatible:#x} are not known")
        self.block = 1024 << log
        self.cluster = 1024 << log_cluster
        self.blocks = low | (unpack("<I", head, 336)[0] << 32 if self.incompatible & I_64BIT else 0)
        self.size = self.blocks * self.block
        wide = unpack("<H", head, 254)[0] if self.incompatible & I_64BIT else 32
        self.descriptor = wide if wide >= 32 else 32
        self.uuid = bytes(head[104:120])
        self.checksums = bool(self.read_only & R_METADATA_CSUM)
        (seed,) = unpack("<I", head, 624)
        self.seed = seed if self.incompatible & I_CSUM_SEED else crc32c(0xFFFFFFFF, self.uuid)
        self._check()
        self.groups = (self.blocks - self.first + self.per_group - 1) // self.per_group
        if self.groups * self.descriptor > len(self.view) or self.inodes > self.groups * self.inodes_per_group:
            raise Malformed(f"{self.groups} groups, {self.inodes} inodes in {len(self.view)} bytes")
        self._first_meta = unpack("<I", head, 260)[0] if self.incompatible & I_META_BG else self.groups
        self.reserved_tables = 0 if self.incompatible & I_META_BG else unpack("<H", head, 206)[0]
        self._backups = unpack("<II", head, 588)
        self._claims = 4 * self.blocks + 4096  # blocks of all files together: none should belong to two

    def _check(self) -> None:
        bits = self.block * 8
        if not (0 < self.per_group <= bits * (self.cluster // self.block) and 0 < self.inodes_per_group <= bits):
            raise Malformed(f"{self.per_group} blocks, {self.inodes_per_group} inodes a group")
        sizes = self.inode_size, self.descriptor
        if any(size & size - 1 for size in sizes) or not 128 <= sizes[0] <= self.block or sizes[1] > self.block:
            raise Malformed(f"inodes of {sizes[0]} bytes, group descriptors of {sizes[1]}")
        if self.blocks <= self.first or self.first > 1:
            raise Malformed("no blocks")

    def claim(self, blocks: int) -> None:
        """Account for `blocks` blocks that a file takes. Raises Malformed where all take too many."""
        self._claims -= blocks
        if self._claims < 0:
            raise Malformed("blocks belong to many files")

    def at(self, block: int, count: int = 1) -> memoryview:
        """The bytes of `count` blocks. Raises Malformed where they are not there."""
        if not 0 < block <= self.blocks - count:
            raise Malformed(f"block {block} of {self.blocks}")
        return cut(self.view, block * self.block, count * self.block)

    def first_block(self, group: int) -> int:
        """The number of a group's first block."""
        return int(self.first + group * self.per_group)

    def has_superblock(self, group: int) -> bool:
        """Whether a group holds a copy of the superblock."""
        if group == 0:
            return True
        if self.compatible & C_SPARSE_SUPER2:
            return group in self._backups
        return group == 1 or not self.read_only & R_SPARSE_SUPER or any(_power(group, of) for of in (3, 5, 7))

    def table_blocks(self, group: int) -> list[tuple[int, int]]:
        """The group descriptor blocks that lie in `group`, as (block number, first group described)."""
        per_block = self.block // self.descriptor
        needed = (self.groups + per_block - 1) // per_block
        after = self.first_block(group) + self.has_superblock(group)
        if self.block == 1024 and self.first == 0 and group == 0:
            after += 1  # bigalloc with 1 KiB blocks: the superblock lies in block 1
        found: list[tuple[int, int]] = []
        if self.has_superblock(group):
            found += [(after + n, n * per_block) for n in range(min(self._first_meta, needed))]
        meta, place = divmod(group, per_block)
        if meta >= self._first_meta and place in (0, 1, per_block - 1):
            found.append((after, meta * per_block))
        return found

    def group(self, number: int) -> Group:
        """The descriptor of group `number`. Raises Malformed."""
        if number not in self._groups:
            self._groups[number] = self._read_group(number)
        return self._groups[number]

    def _read_group(self, number: int) -> Group:
        per_block = self.block // self.descriptor
        index, place = divmod(number, per_block)
        home = index * per_block if index >= self._first_meta else 0
        tables = self.table_blocks(home)
        wanted = next((block for block, first in tables if first == index * per_block), 0)
        start = wanted * self.block + place * self.descriptor
        raw = cut(self.view, start, self.descriptor)
        low, (flags,) = unpack("<III", raw, 0), unpack("<H", raw, 18)
        high = unpack("<III", raw, 32) if self.descriptor >= 64 else (0, 0, 0)
        return Group(number, start, low[0] | high[0] << 32, low[1] | high[1] << 32, low[2] | high[2] << 32, flags)

    def all_groups(self) -> Iterator[Group]:
        """Every group's descriptor. Raises Malformed."""
        return map(self.group, range(self.groups))

    def inode(self, number: int) -> Inode:
        """Inode `number`, whether in use or not. Raises Malformed."""
        if number not in self._known:
            self._known[number] = self._read_inode(number)
        return self._known[number]

    def _read_inode(self, number: int) -> Inode:
        if not 0 < number <= self.inodes:
            raise Malformed(f"inode {number} of {self.inodes}")
        group, index = divmod(number - 1, self.inodes_per_group)
        start = self.group(group).inode_table * self.block + index * self.inode_size
        raw = cut(self.view, start, self.inode_size)
        values = unpack(_INODE, raw, 0)
        mode, uid, size, atime, ctime, mtime, _, gid, links, _, flags, _, body, generation, acl, high = values[:16]
        _, _, acl_high, uid_high, gid_high = values[16:]
        extra = unpack("<H", raw, 128)[0] if self.inode_size > 128 else 0
        if extra > self.inode_size - 128 or extra % 4:
            raise Malformed(f"inode {number} has {extra} extra bytes")
        fine = [unpack("<I", raw, at)[0] if 128 + extra >= at + 4 else 0 for at in (132, 136, 140, 144, 148, 156)]
        regular = mode & 0o170000 in (0o100000, 0o040000)
        return Inode(
            number,
            start,
            mode,
            uid | uid_high << 16,
            gid | gid_high << 16,
            size | (high << 32 if regular else 0),
            links,
            flags,
            body,
            generation,
            acl | acl_high << 32,
            extra,
            _time(atime, fine[2]),
            _time(ctime, fine[0]),
            _time(mtime, fine[1]),
            _time(fine[3], fine[4]) if extra >= 24 else None,
            fine[5],
        )

    def inode_seed(self, inode: Inode) -> int:
        """What the checksums of an inode's own blocks start from."""
        owner = inode.number.to_bytes(4, "little") + inode.generation.to_bytes(4, "little")
        return crc32c(self.seed, owner)


def _power(number: int, of: int) -> bool:
    while number > 1 and number % of == 0:
        number //= of
    return number == 1


def _time(seconds: int, fine: int) -> tuple[int, int]:
    signed = seconds - (1 << 32 if seconds >> 31 else 0)
    return signed + ((fine & 3) << 32), fine >> 2
