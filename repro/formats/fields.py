"""Small structures that several formats have: padding, and checksums over bytes that lie in one run."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from repro.formats.base import DERIVED, Structure


def padding(
    view: memoryview, start: int, end: int, name: str, of: str = "", fill: bytes = b"\0"
) -> Iterator[Structure]:
    """The bytes from `start` to `end`, if any, that ought to be `fill` throughout."""
    if start < end:
        yield Structure(start, end, name, DERIVED, of=of, holds=lambda: not bytes(view[start:end]).strip(fill))


def crc32(view: memoryview, at: int, covered: tuple[int, int], name: str, of: str = "") -> Structure:
    """The little-endian CRC-32 at `at` of the bytes `covered` (start, end)."""
    value = int.from_bytes(view[at : at + 4], "little")
    start, end = covered
    return Structure(at, at + 4, name, DERIVED, value, of, lambda: zlib.crc32(view[start:end]) == value)
