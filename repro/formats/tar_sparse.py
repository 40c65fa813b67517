"""Sparse members of tar archives: GNU's old header, and pax formats 0.0, 0.1 and 1.0 (GNU tar manual, appendix D).

The maps are read as they are stored, and holes become zero bytes that are never allocated as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from repro.formats import base
from repro.formats.base import CHUNK, Malformed, Piece, Stored, cut
from repro.formats.tar_fields import BLOCK

_ZEROS = memoryview(bytes(CHUNK))
_ENTRIES = 1_000_000
_MAP_BYTES = 32 << 20

Map = list[tuple[int, int]]  # (offset in the member, bytes stored)


@dataclass(frozen=True)
class Sparse:
    """Content with holes: `parts` are (offset in the content, start in the container, bytes), in order."""

    container: memoryview
    parts: tuple[tuple[int, int, int], ...]
    size: int

    def pieces(self) -> Iterator[Piece]:
        at = 0
        for offset, start, count in self.parts:
            yield from _hole(offset - at)
            yield from Stored(self.container[start : start + count], start).pieces()
            at = offset + count
        yield from _hole(self.size - at)

    def extents(self) -> Iterable[tuple[int, int]]:
        return tuple((start, start + count) for _, start, count in self.parts if count)

    def view(self) -> memoryview | None:
        return None


def _hole(size: int) -> Iterator[Piece]:
    while size > 0:
        yield base.stored_piece(_ZEROS[: min(size, CHUNK)])
        size -= CHUNK


def content(view: memoryview, start: int, stored: int, places: Map, size: int) -> Sparse:
    """The content whose `stored` bytes begin at `start`. Raises Malformed where the map does not fit them."""
    parts, at, end = [], start, 0
    for offset, count in places:
        if offset < end or offset + count > size:
            raise Malformed("sparse map out of order, or beyond the member's size")
        parts.append((offset, at, count))
        at, end = at + count, offset + count
    if at > start + stored:
        raise Malformed("sparse map of more bytes than are stored")
    return Sparse(view, tuple(parts), size)


def old(view: memoryview, at: int, number: Callable[[bytes], int]) -> tuple[Map, int, int]:
    """GNU's own: (map, size of the member, where its data starts). The header lies at `at`."""
    head = bytes(view[at : at + BLOCK])
    found = list(_entries(head[386:482], number))
    size, more, at = number(head[483:495]), head[482], at + BLOCK
    while more:
        block = bytes(cut(view, at, BLOCK))
        found += _entries(block[:504], number)
        more, at = block[504], at + BLOCK
        if len(found) > _ENTRIES:
            raise Malformed(f"more than {_ENTRIES} parts of a sparse member")
    return found, size, at


def _entries(raw: bytes, number: Callable[[bytes], int]) -> Iterator[tuple[int, int]]:
    for at in range(0, len(raw), 24):
        if not raw[at]:
            return
        offset, count = number(raw[at : at + 12]), number(raw[at + 12 : at + 24])
        if min(offset, count) < 0:
            raise Malformed("negative number in a sparse map")
        yield offset, count


def pax(view: memoryview, start: int, stored: int, records: dict[str, bytes], old_map: Map) -> tuple[Map, int, int]:
    """(map, size, where the data starts) of a member with GNU.sparse records; `old_map`: those of format 0.0."""
    size = _decimal(records.get("GNU.sparse.realsize", records.get("GNU.sparse.size", b"")))
    if records.get("GNU.sparse.major") == b"1":
        found, used = _stored_map(view, start, stored)
        return found, size, start + used
    if "GNU.sparse.map" in records:
        numbers = [_decimal(text) for text in records["GNU.sparse.map"].split(b",") if text]
        return _pairs(numbers), size, start
    return old_map, size, start


def _stored_map(view: memoryview, start: int, stored: int) -> tuple[Map, int]:
    """The decimal lines that precede the data in format 1.0, and the whole blocks that they fill."""
    raw, at, numbers, wanted = bytes(view[start : start + min(stored, _MAP_BYTES)]), 0, list[int](), 1
    while len(numbers) < wanted:
        end = raw.find(b"\n", at, at + 24)
        if end < 0:
            raise Malformed("sparse map without an end")
        numbers.append(_decimal(raw[at:end]))
        at = end + 1
        wanted = 1 + 2 * numbers[0]
    return _pairs(numbers[1:]), at + -at % BLOCK


def _pairs(numbers: list[int]) -> Map:
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 19:
        raise Malformed(f"not a number in a sparse map: {text[:24]!r}")
    return int(text)
