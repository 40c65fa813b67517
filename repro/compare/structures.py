"""What is said of containers themselves: fields that stand for themselves, and bytes that nothing names.

Derived structures (offsets, checksums, tables) differ whenever a member does; they are told only where nothing
else explains why two containers differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from repro.compare.accounting import PADDING, UNMAPPED, Ledger, Pair
from repro.compare.content import Interval, differing, sha256
from repro.formats.base import IDENTITY, Structure
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


def independent(
    ledger: Ledger,
    views: tuple[memoryview, memoryview],
    limit: int,
    told: Callable[[str], bool] = lambda _: False,
) -> Difference:
    """Fields of role IDENTITY that differ, and bytes in no structure or member that differ; at most `limit` ranges.

    Fields that one side alone has of a member of which something is `told` anyway are left out: that says it.
    """
    own = (pair for pair in ledger.differing if IDENTITY in _roles(pair))
    own = (pair for pair in own if None not in pair or not any(s.of and told(s.of) for s in pair if s))
    found = _told(sorted(own, key=_label), views)
    for ours, theirs in ledger.unmapped:
        found.ranges.extend(_ranges(UNMAPPED, ours, theirs))
    del found.ranges[limit:]
    return found


def derived(ledger: Ledger, views: tuple[memoryview, memoryview], limit: int) -> Difference:
    """The structures that differ; failing that, the very bytes, as `unmapped`; for containers known to differ."""
    found = _told(sorted(ledger.differing, key=_label)[:limit], views)
    del found.ranges[limit:]
    left, right = views
    if len(left) != len(right):
        found.left["size"], found.right["size"] = len(left), len(right)
    if not found.ranges:
        for start, end in differing(left, right):
            if len(found.ranges) >= limit:
                break
            found.ranges.append(Range("both", start, end, UNMAPPED))
    return found


def all_of(ledger: Ledger, views: tuple[memoryview, memoryview], limit: int) -> Difference:
    """All that differs, whatever it follows from: for a leaf, of which nothing else tells. At most `limit` ranges."""
    found = _told(sorted(ledger.differing, key=lambda pair: (IDENTITY not in _roles(pair), _label(pair))), views)
    for ours, theirs in ledger.unmapped:
        found.ranges.extend(_ranges(UNMAPPED, ours, theirs))
    for side, segments in zip(("left", "right"), ledger.segments, strict=True):
        more = (segment for segment in segments if segment.row == PADDING and segment.differing)
        found.ranges.extend(Range(side, segment.start, segment.end, PADDING) for segment in more)
    del found.ranges[limit:]
    return found


def _roles(pair: Pair) -> set[str]:
    return {structure.role for structure in pair if structure}


def _label(pair: Pair) -> str:
    return next(s.label for s in pair if s)


def _told(pairs: list[Pair], views: tuple[memoryview, memoryview]) -> Difference:
    found = Difference()
    for pair in pairs:
        label = _label(pair)
        for facts, structure, view in zip((found.left, found.right), pair, views, strict=True):
            if structure:
                facts[label] = _shown(structure, view[structure.start : structure.end])
        ours, theirs = ((s.start, s.end) if s else None for s in pair)
        found.ranges.extend(_ranges(label, ours, theirs))
    return found


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


def _ranges(label: str, left: Interval | None, right: Interval | None) -> list[Range]:
    name = printable(label)
    if left and left == right:
        return [Range("both", *left, name)]
    return [Range(side, *interval, name) for side, interval in (("left", left), ("right", right)) if interval]
