"""Cutting a container into an exact partition: which range belongs to which owner, and what belongs to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from repro.compare.content import Interval
from repro.formats.base import CHUNK, Structure

Owner = TypeVar("Owner")
Piece = tuple[int, int, Owner]  # start, end, whose


def claimed(ranges: Iterable[Sequence[Interval]], size: int) -> list[Piece[int]]:
    """The ranges of owner 0, 1…, sorted and without overlap: what begins first keeps its bytes."""
    wanted = [
        (start, min(end, size), number) for number, mine in enumerate(ranges) for start, end in mine if start < end
    ]
    wanted.sort()
    found: list[Piece[int]] = []
    at = 0
    for start, end, number in wanted:
        if max(start, at) < end:
            found.append((max(start, at), end, number))
            at = end
    return found


def flattened(structures: Mapping[Owner, Structure]) -> Iterator[Piece[Owner]]:
    """Structures without overlap: of two, the one that begins later keeps its bytes; of two that begin together, the
    shorter one."""
    ordered = sorted(structures.items(), key=lambda item: (item[1].start, -item[1].end))
    open_ones: list[tuple[int, Owner]] = []  # (end, owner), innermost last
    at = 0
    for owner, structure in ordered:
        while open_ones and at < structure.start:
            end, outer = open_ones[-1]
            stop = min(end, structure.start)
            if at < stop:
                yield at, stop, outer
                at = stop
            if stop == structure.start:
                break
            open_ones.pop()
        at = structure.start
        open_ones.append((structure.end, owner))
    while open_ones:
        end, outer = open_ones.pop()
        if at < end:
            yield at, end, outer
            at = end


def cut_out(pieces: Iterable[Piece[Owner]], holes: Sequence[Piece[object]]) -> Iterator[Piece[Owner]]:
    """`pieces` without the bytes of `holes`; both are sorted and free of overlap."""
    number = 0
    for start, end, owner in pieces:
        while number < len(holes) and holes[number][1] <= start:
            number += 1
        at, hole = start, number
        while hole < len(holes) and holes[hole][0] < end:
            if at < holes[hole][0]:
                yield at, holes[hole][0], owner
            at = max(at, holes[hole][1])
            hole += 1
        if at < end:
            yield at, end, owner


def gaps(intervals: Iterable[Interval], size: int) -> Iterator[Interval]:
    """What `intervals`, in any order, leave of `size` bytes."""
    at = 0
    for start, end in sorted(intervals):
        if start > at:
            yield at, start
        at = max(at, end)
    if at < size:
        yield at, size


def without_zeros(view: memoryview, start: int, end: int) -> Interval:
    """`start` to `end` of `view` without the zeros at either end; empty where there is nothing else."""
    while start < end:
        chunk = bytes(view[start : min(start + CHUNK, end)])
        rest = chunk.lstrip(b"\0")
        start += len(chunk) - len(rest)
        if rest:
            break
    while start < end:
        chunk = bytes(view[max(start, end - CHUNK) : end])
        rest = chunk.rstrip(b"\0")
        end -= len(chunk) - len(rest)
        if rest:
            break
    return start, end
