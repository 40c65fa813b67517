"""What differs in containers themselves: fields that stand for themselves, and bytes that nothing names.

Derived structures (offsets, checksums, tables) differ whenever a member does; they are told only where nothing
else explains why two containers differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from repro.compare.content import Interval, differing, same_bytes, sha256
from repro.formats.base import CHUNK, IDENTITY, Structure
from repro.model.comparison import Range
from repro.model.text import printable

_SHOWN = 48  # bytes of a field


@dataclass
class Difference:
    """The facts and ranges of one pair of containers, ready for a divergence; empty where nothing differs."""

    left: dict[str, Any] = field(default_factory=dict)
    right: dict[str, Any] = field(default_factory=dict)
    ranges: list[Range] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.left or self.right or self.ranges)


@dataclass(frozen=True)
class Map:
    """One container's bytes, its structures by unique name, and the sorted extents of its members' contents."""

    view: memoryview
    structures: dict[str, Structure]
    extents: tuple[Interval, ...]

    def gaps(self) -> Iterator[Interval]:
        """The ranges that neither a structure nor a member covers."""
        covered = [(s.start, s.end) for s in self.structures.values()]
        at = 0
        for start, end in sorted([*covered, *self.extents]):
            if start > at:
                yield at, min(start, len(self.view))
            at = max(at, end)
        if at < len(self.view):
            yield at, len(self.view)


def mapped(view: memoryview, structures: Iterable[Structure], extents: Iterable[Interval]) -> Map:
    """The map of one container; of structures with the same name, later ones get a number."""
    named: dict[str, Structure] = {}
    seen: Counter[str] = Counter()
    for structure in structures:
        if structure.start < 0 or structure.end > len(view) or structure.end <= structure.start:
            continue
        seen[structure.name] += 1
        count = seen[structure.name]
        named[structure.name if count == 1 else f"{structure.name} ({count})"] = structure
    return Map(view, named, tuple(sorted(extents)))


def independent(left: Map, right: Map, limit: int) -> Difference:
    """Fields of role IDENTITY that differ, and bytes in no structure or member that differ (but for zeros)."""
    found = Difference()
    for name in sorted(left.structures.keys() | right.structures.keys()):
        ours, theirs = left.structures.get(name), right.structures.get(name)
        if IDENTITY in {s.role for s in (ours, theirs) if s}:
            _compare(found, name, (left.view, ours), (right.view, theirs))
    _unmapped(found, left, right)
    del found.ranges[limit:]
    return found


def derived(left: Map, right: Map, limit: int) -> Difference:
    """Every structure that differs; failing that, the very bytes, as `unmapped`; for containers known to differ."""
    found = Difference()
    for name in sorted(left.structures.keys() | right.structures.keys()):
        _compare(found, name, (left.view, left.structures.get(name)), (right.view, right.structures.get(name)))
        if len(found.ranges) >= limit:
            break
    if len(left.view) != len(right.view):
        found.left["size"], found.right["size"] = len(left.view), len(right.view)
    if not found.ranges:
        for start, end in differing(left.view, right.view):
            if len(found.ranges) >= limit:
                break
            found.ranges.append(Range("both", start, end, "unmapped"))
    return found


Placed = tuple[memoryview, Structure | None]


def _compare(found: Difference, name: str, left: Placed, right: Placed) -> None:
    ours, theirs = _bytes(left), _bytes(right)
    if ours is not None and theirs is not None and same_bytes(ours, theirs):
        return
    for facts, (_, structure), raw in ((found.left, left, ours), (found.right, right, theirs)):
        if structure and raw is not None:
            facts[name] = _shown(structure, raw)
    found.ranges.extend(_ranges(name, left[1], right[1]))


def _bytes(placed: Placed) -> memoryview | None:
    view, structure = placed
    return view[structure.start : structure.end] if structure else None


def _shown(structure: Structure, raw: memoryview) -> Any:
    if structure.value is not None:
        return structure.value
    if len(raw) > _SHOWN and any(raw[_SHOWN:]):
        return f"{len(raw)} bytes, sha256 {sha256(raw)}"
    data = bytes(raw[:_SHOWN])
    text = data.rstrip(b"\0 ")
    if len(text) >= 4 and text.isascii() and text.decode("ascii").isprintable():
        return text.decode("ascii")
    return "0x" + (data if len(raw) <= 16 else data.rstrip(b"\0")).hex()


def _ranges(name: str, left: Structure | None, right: Structure | None) -> list[Range]:
    name = printable(name)
    if left and right and (left.start, left.end) == (right.start, right.end):
        return [Range("both", left.start, left.end, name)]
    sides = (("left", left), ("right", right))
    return [Range(side, s.start, s.end, name) for side, s in sides if s]


def _unmapped(found: Difference, left: Map, right: Map) -> None:
    ours, theirs = list(_filled(left)), list(_filled(right))
    if [digest for _, _, digest in ours] == [digest for _, _, digest in theirs]:
        return
    for side, mine, others in (("left", ours, theirs), ("right", theirs, ours)):
        known = {digest for _, _, digest in others}
        for start, end, digest in mine:
            if digest not in known:
                found.ranges.append(Range(side, start, end, "unmapped"))


def _filled(container: Map) -> Iterator[tuple[int, int, str]]:
    """(start, end, SHA-256) of what is left of each gap without the zeros at its ends."""
    for start, end in container.gaps():
        first, last = _stripped(container.view, start, end)
        if first < last:
            yield first, last, sha256(container.view[first:last])


def _stripped(view: memoryview, start: int, end: int) -> Interval:
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
