"""Single-stream compression: gzip (RFC 1952), xz, zstd (RFC 8878), bzip2 and lz4's legacy frame.

Such a stream has one member, whose bytes are the decompressed ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from repro.formats import base, codec
from repro.formats.base import IDENTITY, Malformed, Member, Piece, Problems, Structure, unpack

MAGICS = {
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x04\x22\x4d\x18": "lz4",
}


def compression(view: memoryview) -> str | None:
    """What `view` is compressed with, by its first bytes; None where by nothing known here."""
    head = bytes(view[:6])
    return next((name for magic, name in MAGICS.items() if head.startswith(magic)), None)


@dataclass(frozen=True)
class Expanded:
    """The decompressed bytes of a stream, whose `size` nobody knows beforehand: it is given as 0."""

    compression: str
    bytes: memoryview
    size: int = 0

    def pieces(self) -> Iterator[Piece]:
        for chunk in codec.stream(self.compression, self.bytes):
            raw = memoryview(chunk)
            yield base.stored_piece(raw)

    def extents(self) -> Iterable[tuple[int, int]]:
        return ((0, len(self.bytes)),)

    def view(self) -> memoryview | None:
        return None


class Stream:
    """A `Container` of one member, on the bytes of a compressed stream."""

    format: ClassVar[str] = "stream"

    def __init__(self, view: memoryview) -> None:
        found = compression(view)
        if found is None:
            raise Malformed("no known compression")
        self.compression = found
        self.view = view
        self.problems = Problems()

    def members(self) -> Iterator[Member]:
        yield Member("", base.FILE, content=Expanded(self.compression, self.view))

    def structures(self) -> Iterator[Structure]:
        yield Structure(0, min(2, len(self.view)), "compression", IDENTITY, self.compression)
        if self.compression == "gzip":
            yield from _gzip_header(self.view)
        else:
            yield Structure(2, len(self.view), f"{self.compression} stream")


def _gzip_header(view: memoryview) -> Iterator[Structure]:
    flags, mtime, extra, system = unpack("<BIBB", view, 3)
    yield Structure(3, 4, "gzip header FLG", IDENTITY, flags)
    yield Structure(4, 8, "gzip header MTIME", IDENTITY, mtime)
    yield Structure(8, 9, "gzip header XFL", IDENTITY, extra)
    yield Structure(9, 10, "gzip header OS", IDENTITY, system)
    at = 10
    if flags & 4:
        (size,) = unpack("<H", view, at)
        yield Structure(at, at + 2 + size, "gzip header extra field", IDENTITY)
        at += 2 + size
    for bit, name in ((8, "gzip header file name"), (16, "gzip header comment")):
        if flags & bit:
            end = bytes(view[at : at + 4096]).find(b"\0") + at + 1
            yield Structure(at, end, name, IDENTITY)
            at = end
    if len(view) >= at + 8:
        yield Structure(at, len(view) - 8, "gzip stream")
        yield Structure(len(view) - 8, len(view), "gzip trailer")
