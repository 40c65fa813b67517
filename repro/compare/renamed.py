"""Members that one side alone has, paired with those of the other side whose path differs by version numbers only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from repro.model.comparison import Divergence
from repro.model.text import printable

VERSION = re.compile(r"\d+(?:[.+~:_-]*\d+)*")


def paired(left: Iterable[str], right: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The paths of either side that differ by version numbers only, where there is one alone of the pattern."""
    sides: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, names in enumerate((left, right)):
        for name in names:
            sides[VERSION.sub("#", name)][side].append(name)
    for ours, theirs in sides.values():
        if len(ours) == len(theirs) == 1:
            yield ours[0], theirs[0]


def noted(divergences: Iterable[Divergence]) -> tuple[Divergence, ...]:
    """`divergences`, where both of such a pair of files say in `detail` what the other one is called.

    A pair lies in one container: `6.1.0-37-amd64` and `6.1.0-38-amd64`.
    """
    found = tuple(divergences)
    containers: dict[tuple[str, ...], tuple[dict[str, str], dict[str, str]]] = defaultdict(lambda: ({}, {}))
    for one in found:
        facts = one.left or one.right
        if one.aspects == ("presence",) and one.location and facts and facts.get("sha256"):
            containers[one.location[:-1]][one.left is None][one.location[-1]] = facts["sha256"]
    notes: dict[tuple[str, ...], str] = {}
    for location, (left, right) in containers.items():
        for ours, theirs in paired(left, right):
            same = "same" if left[ours] == right[theirs] else "different"
            notes[*location, ours] = f"on the other side as {printable(theirs)}, {same} bytes"
            notes[*location, theirs] = f"on the other side as {printable(ours)}, {same} bytes"
    return tuple(
        replace(d, detail="\n".join(filter(None, (notes[d.location], d.detail)))) if d.location in notes else d
        for d in found
    )
