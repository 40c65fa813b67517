"""The bytes of .xz files by name (The .xz File Format 1.1.0), from the index at each stream's end backwards."""

from __future__ import annotations

from collections.abc import Iterator

from repro.formats import base
from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, cut, unpack
from repro.formats.fields import crc32, padding

_HEADER = 12  # bytes of a stream's header, and of its footer
_CHECKS = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)  # bytes of a check, by its id


def xz(view: memoryview, ends: list[int]) -> Iterator[Structure]:
    """All streams. `ends`: where they end, as found in decompressing them; else one that ends with `view`."""
    start = 0
    for number, end in enumerate(ends or [len(view)], 1):
        while start < end and not any(view[start : start + 4]):
            yield from padding(view, start, start + 4, "xz stream padding", str(start))
            start += 4
        yield from _stream(view, start, end, "" if number == 1 else f"{number}")
        start = end


def _stream(view: memoryview, start: int, end: int, of: str) -> Iterator[Structure]:
    foot = end - _HEADER
    if bytes(cut(view, foot, _HEADER)[10:]) != b"YZ":
        raise Malformed("no xz footer")
    yield Structure(start, start + 6, "xz stream header magic", of=of)
    yield Structure(start + 6, start + 8, "xz stream header flags", IDENTITY, of=of)
    yield crc32(view, start + 8, (start + 6, start + 8), "xz stream header CRC32", of)
    (words,) = unpack("<I", view, foot + 4)
    index = foot - 4 * (words + 1)
    if index < start + _HEADER:
        raise Malformed("xz index larger than its stream")
    check = _CHECKS[view[start + 7] & 15]
    at = start + _HEADER
    for number, unpadded in enumerate(_index(view, index, foot), 1):
        yield from _block(view, at, unpadded, check, f"{of}:{number}" if of else str(number))
        at += unpadded + -unpadded % 4
        if at > index:
            raise Malformed("xz index names more than its stream holds")
    yield Structure(index, foot - 4, "xz index", of=of)
    yield crc32(view, foot - 4, (index, foot - 4), "xz index CRC32", of)
    yield crc32(view, foot, (foot + 4, foot + 10), "xz stream footer CRC32", of)
    yield Structure(foot + 4, foot + 8, "xz stream footer backward size", DERIVED, 4 * (words + 1), of)
    same = bytes(view[start + 6 : start + 8]) == bytes(view[foot + 8 : foot + 10])
    yield Structure(foot + 8, foot + 10, "xz stream footer flags", DERIVED, None, of, lambda: same)
    yield Structure(foot + 10, end, "xz stream footer magic", of=of)


def _index(view: memoryview, at: int, end: int) -> Iterator[int]:
    """The unpadded size of each block."""
    count, at = _vli(view, at + 1)
    if count > min(base.MEMBERS, end - at):
        raise Malformed(f"xz index of {count} blocks")
    for _ in range(count):
        unpadded, at = _vli(view, at)
        _, at = _vli(view, at)
        yield unpadded


def _block(view: memoryview, at: int, unpadded: int, check: int, of: str) -> Iterator[Structure]:
    size = 4 * (cut(view, at, 2)[0] + 1)
    flags, fields = view[at + 1], at + 2
    if size + check > unpadded:
        raise Malformed("xz block header larger than its block")
    cut(view, at, unpadded + -unpadded % 4)
    yield Structure(at, at + 1, "xz block header size", of=of)
    yield Structure(at + 1, at + 2, "xz block header flags", IDENTITY, flags, of)
    for bit in (0x40, 0x80):
        if flags & bit:
            _, fields = _vli(view, fields)
    yield Structure(at + 2, fields, "xz block header sizes", of=of)
    yield Structure(fields, at + size - 4, "xz block header filters", IDENTITY, of=of)
    yield crc32(view, at + size - 4, (at, at + size - 4), "xz block header CRC32", of)
    body, end = at + size, at + unpadded - check
    yield Structure(body, end, "xz block data", of=of)
    yield from padding(view, end, end + -unpadded % 4, "xz block padding", of)
    if check:
        end += -unpadded % 4
        yield Structure(end, end + check, "xz block check", of=of)


def _vli(view: memoryview, at: int) -> tuple[int, int]:
    """A variable-length integer, and where the next byte is."""
    value = 0
    for number, byte in enumerate(cut(view, at, min(9, len(view) - at))):
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, at + number + 1
    raise Malformed("xz number without an end")
