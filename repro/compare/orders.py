"""The orders in which the members of two containers come: entries, inodes, data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from repro.formats.base import Member

Key = tuple[str, int]  # a member's name, and which of those of that name it is


def apart(
    left: Mapping[Key, Member], right: Mapping[Key, Member], changed: Set[Key]
) -> Iterator[tuple[str, int, str, str]]:
    """Each order that is not the same on both sides: its name, the first position of the members that both have at
    which other ones come, and their names. `changed` members, whose content differs, may lie elsewhere."""
    ours, theirs = _sequences(left, changed), _sequences(right, changed)
    for order in sorted(ours.keys() & theirs.keys()):
        common = set(ours[order]) & set(theirs[order])
        a = [key for key in ours[order] if key in common]
        b = [key for key in theirs[order] if key in common]
        at = next((n for n, (one, other) in enumerate(zip(a, b, strict=True)) if one != other), None)
        if at is not None:
            yield order, at, a[at][0], b[at][0]


def _sequences(members: Mapping[Key, Member], changed: Set[Key]) -> dict[str, list[Key]]:
    """Each order's members as they come; those that share a position, or whose content changed, are left out."""
    placed: dict[str, dict[int, Key | None]] = {}
    for key, member in members.items():
        for order, position in member.positions:
            if order == "data" and key in changed:
                continue
            slots = placed.setdefault(order, {})
            slots[position] = None if position in slots else key
    return {order: [key for _, key in sorted(slots.items()) if key] for order, slots in placed.items()}
