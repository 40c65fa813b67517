"""Members that one side alone has, paired with those of the other side whose path differs by version numbers only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from repro.model.comparison import Divergence
from repro.model.text import printable

_VERSION = re.compile(r"\d+(?:[.+~:_-]*\d+)*")


def noted(divergences: Iterable[Divergence]) -> tuple[Divergence, ...]:
    """`divergences`, where both of such a pair of files say in `detail` what the other one is called.

    A pair lies in one container and is the only one of its pattern: `6.1.0-37-amd64` and `6.1.0-38-amd64`.
    """
    found = tuple(divergences)
    sides: dict[tuple[str, ...], tuple[list[Divergence], list[Divergence]]] = defaultdict(lambda: ([], []))
    for one in found:
        facts = one.left or one.right
        if one.aspects == ("presence",) and one.location and facts and facts.get("sha256"):
            sides[(*one.location[:-1], _VERSION.sub("#", one.location[-1]))][one.left is None].append(one)
    notes: dict[tuple[str, ...], str] = {}
    for left, right in sides.values():
        if len(left) == len(right) == 1:
            same = (left[0].left or {})["sha256"] == (right[0].right or {})["sha256"]
            for one, other in ((left[0], right[0]), (right[0], left[0])):
                name = printable(other.location[-1])
                notes[one.location] = f"on the other side as {name}, {'same' if same else 'different'} bytes"
    return tuple(
        replace(d, detail="\n".join(filter(None, (notes[d.location], d.detail)))) if d.location in notes else d
        for d in found
    )
