"""The bytes of compressed streams by name: gzip (RFC 1952), xz (file format 1.1.0), zstd (RFC 8878), bzip2, lz4 frames.

Only headers are read, nothing is decompressed; checksums of contents are proven by whoever decompresses.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from repro.formats import base, codec
from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, cut, unpack
from repro.formats.xz_parts import xz

_TEXT = 4096  # bytes of a name or comment
Parts = Iterator[Structure]


def gzip(view: memoryview, ends: list[int]) -> Parts:
    """Each member's header and trailer. `ends`: where members end, as found in decompressing them."""
    starts = [0, *ends[:-1]] if ends else [0]
    for number, (start, end) in enumerate(zip(starts, ends or [len(view)], strict=True), 1):
        yield from _gzip_member(view, start, end, "" if number == 1 else str(number))


def _gzip_member(view: memoryview, start: int, end: int, of: str) -> Parts:
    flags, mtime, extra, system = unpack("<BIBB", view, start + 3)
    yield Structure(start, start + 3, "gzip header magic", IDENTITY, of=of)
    yield Structure(start + 3, start + 4, "gzip header FLG", IDENTITY, flags, of)
    yield Structure(start + 4, start + 8, "gzip header MTIME", IDENTITY, mtime, of)
    yield Structure(start + 8, start + 9, "gzip header XFL", IDENTITY, extra, of)
    yield Structure(start + 9, start + 10, "gzip header OS", IDENTITY, system, of)
    at = start + 10
    if flags & 4:
        (size,) = unpack("<H", view, at)
        yield Structure(at, at + 2 + size, "gzip header extra field", IDENTITY, of=of)
        at += 2 + size
    for bit, name in ((8, "gzip header file name"), (16, "gzip header comment")):
        if flags & bit:
            stop = bytes(view[at : at + _TEXT]).find(b"\0") + at + 1
            if stop <= at:
                raise Malformed(f"{name} without an end")
            yield Structure(at, stop, name, IDENTITY, of=of)
            at = stop
    if flags & 2:
        (said,) = unpack("<H", view, at)
        yield _crc16(view, start, at, said, of)
        at += 2
    if end >= at + 8:
        yield Structure(at, end - 8, "gzip data", of=of)
        (check, size) = unpack("<II", view, end - 8)
        body = view[start:end]
        yield Structure(end - 8, end - 4, "gzip trailer CRC32", DERIVED, check, of, lambda: _decodes(body))
        yield Structure(end - 4, end, "gzip trailer ISIZE", DERIVED, size, of, lambda: _decodes(body))


def _crc16(view: memoryview, start: int, at: int, said: int, of: str) -> Structure:
    """The low half of the header's CRC-32."""
    name = "gzip header CRC16"
    return Structure(at, at + 2, name, DERIVED, said, of, lambda: zlib.crc32(view[start:at]) & 0xFFFF == said)


def _decodes(member: memoryview) -> bool:
    """Whether a gzip member decompresses, which checks its CRC and size."""
    try:
        for _ in codec.stream("gzip", member):
            pass
    except Malformed:
        return False
    return True


def zstd(view: memoryview, ends: list[int]) -> Parts:
    """Frames by header, blocks and checksum, skippable frames too."""
    at = 0
    for number in range(1, base.MEMBERS):
        of = "" if number == 1 else str(number)
        magic = int.from_bytes(view[at : at + 4], "little")
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            (size,) = unpack("<I", view, at + 4)
            cut(view, at, 8 + size)
            yield Structure(at, at + 8 + size, "zstd skippable frame", IDENTITY, of=of)
            at += 8 + size
        elif magic == 0xFD2FB528:
            parts = list(_zstd_frame(view, at, of))
            yield from parts
            at = parts[-1].end
        else:
            return


def _zstd_frame(view: memoryview, at: int, of: str) -> Parts:
    yield Structure(at, at + 4, "zstd frame magic", DERIVED, of=of)
    (flags,) = unpack("<B", view, at + 4)
    yield Structure(at + 4, at + 5, "zstd frame descriptor", IDENTITY, flags, of)
    at += 5
    single = flags & 0x20
    for name, size, role in (
        ("window", 0 if single else 1, IDENTITY),
        ("dictionary id", (0, 1, 2, 4)[flags & 3], IDENTITY),
        ("content size", (1 if single else 0, 2, 4, 8)[flags >> 6], DERIVED),
    ):
        if size:
            value = int.from_bytes(cut(view, at, size), "little")
            yield Structure(at, at + size, f"zstd frame {name}", role, value, of)
            at += size
    start, last = at, False
    while not last:
        head = int.from_bytes(cut(view, at, 3), "little")
        last = bool(head & 1)
        at += 3 + (1 if head >> 1 & 3 == 1 else head >> 3)
    cut(view, start, at - start)
    yield Structure(start, at, "zstd blocks", of=of)
    if flags & 4:
        cut(view, at, 4)
        yield Structure(at, at + 4, "zstd frame checksum", of=of)


def bzip2(view: memoryview, ends: list[int]) -> Parts:
    """The level of each stream, and its data."""
    starts = [0, *ends[:-1]] if ends else [0]
    for number, (start, end) in enumerate(zip(starts, ends or [len(view)], strict=True), 1):
        of = "" if number == 1 else str(number)
        yield Structure(start, start + 3, "bzip2 magic", of=of)
        yield Structure(start + 3, start + 4, "bzip2 header level", IDENTITY, of=of)
        yield Structure(start + 4, end, "bzip2 data", of=of)


def lz4(view: memoryview, ends: list[int]) -> Parts:
    """The first frame's descriptor and blocks; the kernel's legacy frame as its magic and data."""
    yield Structure(0, 4, "lz4 frame magic", IDENTITY)
    if bytes(view[:4]) == b"\x02\x21\x4c\x18":
        yield Structure(4, len(view), "lz4 data")
        return
    flags, sizes = unpack("<BB", view, 4)
    yield Structure(4, 5, "lz4 frame FLG", IDENTITY, flags)
    yield Structure(5, 6, "lz4 frame BD", IDENTITY, sizes)
    at = 6
    for bit, size, name, role in ((8, 8, "content size", DERIVED), (1, 4, "dictionary id", IDENTITY)):
        if flags & bit:
            yield Structure(at, at + size, f"lz4 frame {name}", role, int.from_bytes(cut(view, at, size), "little"))
            at += size
    yield Structure(at, at + 1, "lz4 frame header checksum")
    start = at = at + 1
    while word := unpack("<I", view, at)[0]:
        at += 4 + (word & 0x7FFFFFFF) + (4 if flags & 16 else 0)
    yield Structure(start, at, "lz4 blocks")
    yield Structure(at, at + 4, "lz4 end mark")
    if flags & 4:
        cut(view, at + 4, 4)
        yield Structure(at + 4, at + 8, "lz4 content checksum")
    stop = ends[-1] if ends else at
    if stop > at + 8:
        yield Structure(at + (8 if flags & 4 else 4), stop, "lz4 further frames")


PARTS: dict[str, Callable[[memoryview, list[int]], Parts]] = {
    "gzip": gzip,
    "xz": xz,
    "zstd": zstd,
    "bzip2": bzip2,
    "lz4": lz4,
}
