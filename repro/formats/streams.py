"""Single-stream compression: gzip (RFC 1952), xz, zstd (RFC 8878), bzip2 and lz4 (both frames).

Such a stream has one member, whose bytes are the decompressed ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from repro.formats import base, codec
from repro.formats.base import Malformed, Member, Piece, Problems, Structure
from repro.formats.stream_parts import PARTS

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
    """The decompressed bytes of a stream, whose `size` nobody knows beforehand: it is given as 0.

    `ends`: where the streams end that follow each other, once `pieces` was read to its end.
    """

    compression: str
    bytes: memoryview
    size: int = 0
    ends: list[int] = field(default_factory=list)

    def pieces(self) -> Iterator[Piece]:
        self.ends.clear()
        for chunk in codec.stream(self.compression, self.bytes, self.ends):
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
        self._content = Expanded(found, view)

    def members(self) -> Iterator[Member]:
        yield Member("", base.FILE, content=self._content)

    def structures(self) -> Iterator[Structure]:
        yield from PARTS[self.compression](self.view, self._content.ends)
