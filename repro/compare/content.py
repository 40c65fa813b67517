"""Bytes against bytes: equality without decoding where possible, bringing a member into reach, where bytes differ."""

from __future__ import annotations

import hashlib
import mmap
import re
import tempfile
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import IO

from repro.compare.budget import Budget
from repro.formats.base import CHUNK, Content, Malformed, Piece
from repro.system.pool import parallel, processors

_IN_MEMORY = 4 << 20  # bytes; larger members go to a file
_STEP = 1 << 16  # bytes copied at a time: they stay in the processor's cache and come from the heap, eight times faster
_RUN = re.compile(rb"[^\0]+")
_BATCH = 32  # contents that a thread compares in one go
_DEAR = 0.001  # seconds a content from which on threads gain more than they cost
_GAP = 16  # equal bytes that do not split a range

Interval = tuple[int, int]


def same_bytes(left: memoryview, right: memoryview) -> bool:
    """Whether both hold the same bytes; copies a bit at a time, for comparing views item by item is slow."""
    size = len(left)
    if size != len(right):
        return False
    if size <= _STEP:
        return bytes(left) == bytes(right)
    return all(bytes(left[at : at + _STEP]) == bytes(right[at : at + _STEP]) for at in range(0, size, _STEP))


def sha256(view: memoryview) -> str:
    """SHA-256 of `view` as 64 hex digits."""
    digest = hashlib.sha256()
    for at in range(0, len(view), CHUNK):
        digest.update(view[at : at + CHUNK])
    return digest.hexdigest()


class Equality:
    """Compares contents of one pair of containers, remembering verdicts on places that many members share.

    `equal` may be called from several threads.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._verdicts: dict[tuple[Hashable, Hashable], bool] = {}

    def as_stored(self, left: Content, right: Content) -> bool:
        """Whether both are known to be equal by their stored bytes alone; nothing is decoded."""
        if left.size != right.size:
            return False
        pairs = zip_longest(left.pieces(), right.pieces())
        try:
            return all(a is not None and b is not None and self._same_piece(a, b) for a, b in pairs)
        except Malformed:
            return False  # said where it is decoded

    def decided(self, pairs: Sequence[tuple[Content, Content]]) -> Iterator[bool | Malformed]:
        """Whether each pair decodes to the same bytes, or why that cannot be said. Raises LimitReached.

        In several threads where decoding is dear (xz); where it is cheap (zstd), they would only wait for each other.
        """

        def decide(batch: Sequence[tuple[Content, Content]]) -> list[bool | Malformed]:
            found: list[bool | Malformed] = []
            for left, right in batch:
                try:
                    found.append(self.equal(left, right))
                except Malformed as error:
                    found.append(error)
            return found

        began = time.monotonic()
        yield from decide(pairs[:_BATCH])
        rest = pairs[_BATCH:]
        if time.monotonic() - began < _DEAR * len(pairs[:_BATCH]):
            yield from decide(rest)
            return
        batches = [rest[at : at + _BATCH] for at in range(0, len(rest), _BATCH)]
        for found in parallel(decide, batches, processors()):
            yield from found

    def equal(self, left: Content, right: Content) -> bool:
        """Whether both contents decode to the same bytes. Raises Malformed, LimitReached."""
        if left.size != right.size:
            return False
        ours, theirs = left.pieces(), right.pieces()
        rest, other = memoryview(b""), memoryview(b"")
        while True:
            if not rest and not other:
                a, b = next(ours, None), next(theirs, None)
                if a is None or b is None:
                    return a is b
                if self._same_piece(a, b):
                    continue
                if a.parts or b.parts:
                    ours, theirs = chain(_parts(a), ours), chain(_parts(b), theirs)
                    continue
                rest, other = self._read(a), self._read(b)
            elif rest:
                theirs, other = self._next(theirs)
                if not other:
                    return False
            else:
                ours, rest = self._next(ours)
                if not rest:
                    return False
            size = min(len(rest), len(other))
            if not same_bytes(rest[:size], other[:size]):
                return False
            rest, other = rest[size:], other[size:]

    def _next(self, pieces: Iterator[Piece]) -> tuple[Iterator[Piece], memoryview]:
        """The bytes of the next piece, and the pieces after it; no bytes where there is none."""
        for piece in pieces:
            if piece.parts:
                return self._next(chain(piece.parts(), pieces))
            if piece.size:
                return pieces, self._read(piece)
        return pieces, memoryview(b"")

    def _same_piece(self, left: Piece, right: Piece) -> bool:
        """Whether the pieces are known to be equal without decoding them."""
        if left.size != right.size or left.coding != right.coding:
            return False
        if left.place is None or right.place is None:
            self._budget.tick()
            return same_bytes(left.raw, right.raw)
        key = (left.place, right.place)
        if key not in self._verdicts:
            self._verdicts[key] = same_bytes(left.raw, right.raw)
        return self._verdicts[key]

    def _read(self, piece: Piece) -> memoryview:
        self._budget.spend(piece.size)
        return memoryview(piece.read())


def _parts(piece: Piece) -> Iterator[Piece]:
    return piece.parts() if piece.parts else iter((piece,))


def decoded(content: Content, budget: Budget) -> Iterator[memoryview]:
    """The decoded bytes of `content`, in order. Raises Malformed, LimitReached."""
    for whole in content.pieces():
        for piece in _parts(whole):
            budget.spend(piece.size)
            yield memoryview(piece.read())


def digest(content: Content, budget: Budget) -> tuple[int, str]:
    """Size and SHA-256 of the decoded bytes. Raises Malformed, LimitReached."""
    size, state = 0, hashlib.sha256()
    for chunk in decoded(content, budget):
        size += len(chunk)
        state.update(chunk)
    return size, state.hexdigest()


def within_reach(content: Content, budget: Budget, scratch: Path) -> memoryview:
    """All bytes of `content`: where they lie, in memory where they are few, else in a nameless file in `scratch`.

    Raises Malformed where they cannot be decoded, are too many, or do not fit on disk; LimitReached.
    """
    if (view := content.view()) is not None:
        return view
    buffer = bytearray()
    chunks = decoded(content, budget)
    for chunk in chunks:
        buffer += chunk
        if len(buffer) > _IN_MEMORY:
            return _spooled(buffer, chunks, budget.limits.spooled, scratch)
    return memoryview(bytes(buffer))


def _spooled(head: bytearray, chunks: Iterable[memoryview], limit: int, scratch: Path) -> memoryview:
    try:
        with tempfile.TemporaryFile(dir=scratch) as spool:
            size = spool.write(head)
            for chunk in chunks:
                size += spool.write(chunk)
                if size > limit:
                    raise Malformed(f"expands to more than {limit} bytes")
            spool.flush()
            return mapped(spool)
    except OSError as error:
        raise Malformed(f"cannot be expanded: {error.strerror}") from error


def mapped(stream: IO[bytes]) -> memoryview:
    """A read-only map of the file behind `stream`; it outlives the stream. Raises OSError."""
    size = stream.seek(0, 2)
    return memoryview(mmap.mmap(stream.fileno(), size, prot=mmap.PROT_READ) if size else b"")


def _delta(left: bytes, right: bytes) -> bytes:
    """The exclusive or of two byte strings of the same length: zero where they are equal."""
    value = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
    return value.to_bytes(len(left), "little")


def count_differing(left: memoryview, right: memoryview) -> int:
    """At how many positions the two, which have the same length, hold different bytes."""
    total = 0
    for at in range(0, len(left), _STEP):
        ours, theirs = bytes(left[at : at + _STEP]), bytes(right[at : at + _STEP])
        if ours != theirs:
            total += len(ours) - _delta(ours, theirs).count(0)
    return total


def differing(left: memoryview, right: memoryview) -> Iterator[Interval]:
    """The runs of positions that differ, those less than 16 bytes apart joined; the longer side's rest included."""
    common = min(len(left), len(right))
    start = end = -1
    for at, stop in _runs(left, right, common):
        if start >= 0 and at - end < _GAP:
            end = stop
            continue
        if start >= 0:
            yield start, end
        start, end = at, stop
    if len(left) != len(right):
        longer = max(len(left), len(right))
        if start >= 0 and common - end < _GAP:
            end = longer
        else:
            if start >= 0:
                yield start, end
            start, end = common, longer
    if start >= 0:
        yield start, end


def _runs(left: memoryview, right: memoryview, common: int) -> Iterator[Interval]:
    for at in range(0, common, _STEP):
        ours, theirs = bytes(left[at : min(at + _STEP, common)]), bytes(right[at : min(at + _STEP, common)])
        if ours != theirs:
            for match in _RUN.finditer(_delta(ours, theirs)):
                yield at + match.start(), at + match.end()
