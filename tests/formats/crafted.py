"""Containers made by hand with fields that lie: each an encoder of few lines, so that any value can be written."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterable, Sequence

SECTOR = 2048


def cpio_entry(
    name: bytes, data: bytes = b"", *, mode: int = 0o100644, links: int = 1, inode: int = 1, **lies: int
) -> bytes:
    """One newc entry; `lies` replaces header fields by name: `size`, `namesize`, `mtime`, `uid`."""
    sizes = {"size": len(data), "namesize": len(name) + 1, "mtime": 1, "uid": 0} | lies
    numbers = (inode, mode, sizes["uid"], 0, links, sizes["mtime"], sizes["size"], 0, 0, 0, 0, sizes["namesize"], 0)
    head = b"070701" + b"".join(b"%08x" % (n & 0xFFFFFFFF) for n in numbers) + name + b"\0"
    head += bytes(-len(head) % 4)
    return head + data + bytes(-len(data) % 4)


def cpio(entries: Iterable[bytes]) -> bytes:
    """An archive of `cpio_entry`s with its trailer."""
    return b"".join(entries) + cpio_entry(b"TRAILER!!!", mode=0)


def tar_entry(
    name: bytes, data: bytes = b"", *, kind: bytes = b"0", target: bytes = b"", size: bytes | None = None
) -> bytes:
    """One ustar entry with a right checksum; `size` replaces the field of twelve bytes."""
    field = size if size is not None else b"%011o\0" % len(data)
    head = name[:100].ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + field.ljust(12, b"\0")[:12]
    head += b"00000000001\0" + b" " * 8 + kind + target[:100].ljust(100, b"\0") + b"ustar\0" + b"00"
    head = head.ljust(512, b"\0")
    head = head[:148] + b"%06o\0 " % sum(head) + head[156:]
    return head + data + bytes(-len(data) % 512)


def tar(entries: Iterable[bytes]) -> bytes:
    """An archive of `tar_entry`s with its two empty blocks."""
    return b"".join(entries) + bytes(1024)


def ar_entry(name: bytes, data: bytes = b"", size: bytes | None = None) -> bytes:
    """One member; `size` replaces the field of ten bytes."""
    field = size if size is not None else b"%d" % len(data)
    return (
        name.ljust(16)[:16]
        + b"1           0     0     100644  "
        + field.ljust(10)[:10]
        + b"`\n"
        + data
        + b"\n" * (len(data) % 2)
    )


def ar(entries: Iterable[bytes]) -> bytes:
    """An archive of `ar_entry`s."""
    return b"!<arch>\n" + b"".join(entries)


def _both(number: int, size: int) -> bytes:
    mask = (1 << 8 * size) - 1
    return (number & mask).to_bytes(size, "little") + (number & mask).to_bytes(size, "big")


def susp(name: bytes, body: bytes, version: int = 1) -> bytes:
    """One System Use entry, as Rock Ridge writes them."""
    return name + bytes((len(body) + 4 & 0xFF, version)) + body


def iso_record(
    name: bytes, extent: int, size: int, *, flags: int = 0, use: bytes = b"", length: int | None = None
) -> bytes:
    """One directory record; `length` replaces its own."""
    body = _both(extent, 4) + _both(size, 4) + bytes((100, 1, 1, 0, 0, 0, 0, flags, 0, 0)) + _both(1, 2)
    body += bytes((len(name),)) + name + bytes((len(name) + 1) % 2) + use
    body += bytes(len(body) % 2)
    return bytes(((len(body) + 2 if length is None else length) & 0xFF, 0)) + body


def iso(directories: Sequence[bytes], *, root: int = 20, root_size: int | None = None, tail: bytes = b"") -> bytes:
    """An image whose directories lie one a sector from sector 20 on; the primary descriptor names `root`."""
    size = SECTOR if root_size is None else root_size
    primary = bytearray(SECTOR)
    primary[:7] = b"\x01CD001\x01"
    primary[40:72] = b"LIVE".ljust(32)
    primary[80:88] = _both(20 + len(directories), 4)
    primary[120:132] = _both(1, 2) + _both(1, 2) + _both(SECTOR, 2)
    primary[156:190] = iso_record(b"\0", root, size, flags=2)[:34]
    primary[881] = 1
    end = b"\xffCD001\x01".ljust(SECTOR, b"\0")
    laid = b"".join(data[:SECTOR].ljust(SECTOR, b"\0") for data in directories)
    return bytes(16 * SECTOR) + bytes(primary) + end + bytes(2 * SECTOR) + laid + tail


def fat(entries: bytes, *, chain: Sequence[int] = (), sectors: int = 1440, **lies: int) -> bytes:
    """A FAT12 file system of 720 KiB: `entries` is the root directory, `chain` the FAT from cluster 2 on."""
    said = {"sector": 512, "cluster": 2, "reserved": 1, "tables": 1, "root": 112, "table": 3} | lies
    boot = bytearray(512)
    boot[:11] = b"\xeb\x3c\x90mkfs.fat"
    struct.pack_into(
        "<HBHBHHBHHHII",
        boot,
        11,
        said["sector"] & 0xFFFF,
        said["cluster"] & 0xFF,
        said["reserved"] & 0xFFFF,
        said["tables"] & 0xFF,
        said["root"] & 0xFFFF,
        sectors & 0xFFFF,
        0xF9,
        said["table"] & 0xFFFF,
        9,
        2,
        0,
        0,
    )
    boot[38] = 0x29
    boot[54:62] = b"FAT12   "
    boot[510:] = b"\x55\xaa"
    packed = bytearray(3 * 512)
    for number, value in enumerate((0xFF9, 0xFFF, *chain)):
        at = number * 3 // 2
        old = int.from_bytes(packed[at : at + 2], "little")
        new = (old & 0x000F | (value & 0xFFF) << 4) if number % 2 else (old & 0xF000 | value & 0xFFF)
        packed[at : at + 2] = new.to_bytes(2, "little")
    return (bytes(boot) + bytes(packed) + entries.ljust(112 * 32, b"\0")).ljust(1440 * 512, b"\0")


def fat_entry(name: bytes, cluster: int, size: int, attributes: int = 0x20) -> bytes:
    """One short directory entry."""
    head = name.ljust(11)[:11] + bytes((attributes,)) + bytes(14)
    return head + struct.pack("<HI", cluster & 0xFFFF, size & 0xFFFFFFFF)


def mbr(partitions: Iterable[tuple[int, int, int]], size: int = 1 << 20) -> bytes:
    """A disk of `size` bytes with up to four (type, first sector, sectors)."""
    entries = b"".join(struct.pack("<B3xB3xII", 0, kind, at & 0xFFFFFFFF, n & 0xFFFFFFFF) for kind, at, n in partitions)
    return (bytes(446) + entries[:64].ljust(64, b"\0") + b"\x55\xaa").ljust(size, b"\0")


def gpt(entries: Iterable[tuple[int, int]], size: int = 1 << 20, **lies: int) -> bytes:
    """A protective MBR and a GPT of (first, last) sectors with right checksums over lying fields."""
    table = b"".join(
        struct.pack("<16s16sQQQ72s", b"\1" * 16, b"\2" * 16, a % 2**64, b % 2**64, 0, b"") for a, b in entries
    )
    said = {
        "mine": 1,
        "other": size // 512 - 1,
        "first": 34,
        "last": size // 512 - 34,
        "table": 2,
        "count": 128,
        "entry": 128,
    } | lies
    head = struct.pack(
        "<8sIIIIQQQQ16sQIII",
        b"EFI PART",
        0x10000,
        92,
        0,
        0,
        *(said[name] % 2**64 for name in ("mine", "other", "first", "last")),
        b"\3" * 16,
        said["table"] % 2**64,
        said["count"] % 2**32,
        said["entry"] % 2**32,
        zlib.crc32(table.ljust(128 * 128, b"\0")),
    )
    head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
    disk = bytearray(mbr([(0xEE, 1, size // 512 - 1)], size))
    disk[512 : 512 + 92] = head
    disk[1024 : 1024 + len(table)] = table
    return bytes(disk[:size])


def metadata(data: bytes, *, said: int | None = None) -> bytes:
    """Squashfs metadata blocks of `data`, uncompressed; `said` replaces the size word of each."""
    blocks = [data[at : at + 8192] for at in range(0, len(data), 8192)] or [b""]
    return b"".join(
        struct.pack("<H", 0x8000 | len(block) if said is None else said & 0xFFFF) + block for block in blocks
    )


def squashfs_directory(entries: Sequence[tuple[bytes, int, int, int]], **lies: int) -> bytes:
    """One directory listing: a header and entries of (name, offset in the inode block, type, inode delta)."""
    said = {"count": len(entries) - 1, "start": 0, "inode": 1} | lies
    head = struct.pack("<III", *(said[name] & 0xFFFFFFFF for name in ("count", "start", "inode")))
    rows = (
        struct.pack("<HHHH", at & 0xFFFF, delta & 0xFFFF, kind & 0xFFFF, (len(name) - 1) & 0xFFFF) + name
        for name, at, kind, delta in entries
    )
    return head + b"".join(rows)


def squashfs(inodes: bytes, listing: bytes, /, *, rows: bytes = b"", data: bytes = b"", **lies: int) -> bytes:
    """A gzip squashfs with uncompressed tables, `rows` the fragments'; `lies` replaces superblock fields by name."""
    parts, at = {}, 96 + len(data)
    out = bytearray(96) + data
    for name, table in (
        ("inodes", metadata(inodes)),
        ("directories", metadata(listing)),
        ("rows", metadata(rows) if rows else b""),
    ):
        parts[name], at = at, at + len(table)
        out += table
    parts["fragments"] = at if rows else 2**64 - 1
    if rows:
        out += struct.pack("<Q", parts["rows"])
    ids = len(out)
    out += metadata(struct.pack("<I", 0))
    parts["ids"] = len(out)
    out += struct.pack("<Q", ids)
    said = {
        "count": 2,
        "time": 1,
        "block": 131072,
        "fragment_count": len(rows) // 16,
        "compressor": 1,
        "log": 17,
        "flags": 0x0B,
        "id_count": 1,
        "major": 4,
        "minor": 0,
        "root": 0,
        "used": len(out),
        "ids": parts["ids"],
        "xattrs": 2**64 - 1,
        "inodes": parts["inodes"],
        "directories": parts["directories"],
        "fragments": parts["fragments"],
        "exports": 2**64 - 1,
    } | lies
    short = ("count", "time", "block", "fragment_count")
    words = ("compressor", "log", "flags", "id_count", "major", "minor")
    longs = ("root", "used", "ids", "xattrs", "inodes", "directories", "fragments", "exports")
    out[:96] = b"hsqs" + struct.pack(
        "<4I6H8Q",
        *(said[n] % 2**32 for n in short),
        *(said[n] % 2**16 for n in words),
        *(said[n] % 2**64 for n in longs),
    )
    return bytes(out) + bytes(-len(out) % 4096)


def squashfs_inode(kind: int, number: int, body: bytes, mode: int = 0o755) -> bytes:
    """The head that all inodes share, and `body`."""
    return struct.pack("<HHHHII", kind & 0xFFFF, mode, 0, 0, 1, number & 0xFFFFFFFF) + body


def squashfs_folder(number: int, *, block: int = 0, size: int = 3, offset: int = 0, parent: int = 2) -> bytes:
    """A basic directory inode."""
    body = struct.pack("<IIHHI", block & 0xFFFFFFFF, 2, size & 0xFFFF, offset & 0xFFFF, parent & 0xFFFFFFFF)
    return squashfs_inode(1, number, body)


def squashfs_file(
    number: int, size: int, blocks: Sequence[int] = (), *, start: int = 96, fragment: int = -1, offset: int = 0
) -> bytes:
    """A basic file inode with its block sizes."""
    body = struct.pack("<IIII", start & 0xFFFFFFFF, fragment & 0xFFFFFFFF, offset & 0xFFFFFFFF, size & 0xFFFFFFFF)
    return squashfs_inode(2, number, body + b"".join(struct.pack("<I", b & 0xFFFFFFFF) for b in blocks))


def nested(levels: int, core: bytes) -> bytes:
    """`core` in a cpio in a cpio in …"""
    for _ in range(levels):
        core = cpio([cpio_entry(b"x", core)])
    return core


def bomb(size: int, end: bytes) -> bytes:
    """A gzip stream of `size` zeros and `end`, which a few thousand bytes hold."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = bytes(1 << 20)
    packed = [packer.compress(chunk) for _ in range(size >> 20)]
    return b"".join((*packed, packer.compress(end), packer.flush()))


def packed(data: bytes) -> bytes:
    """`data` by gzip without a time."""
    return gzip.compress(data, mtime=0)
