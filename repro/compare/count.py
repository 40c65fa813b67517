"""How many entries an artifact has, container in container: what equal bytes vouch for."""

from __future__ import annotations

from pathlib import Path

from repro import formats
from repro.compare import content
from repro.compare.budget import Budget
from repro.formats.base import Content, Malformed


def entries(view: memoryview, budget: Budget, scratch: Path, depth: int = 0) -> int:
    """The members of the container that `view` is, and of those inside it that lie there readable.

    Files in a compressed file system are counted, not opened. What cannot be read counts as one entry: nothing
    hangs on this number. Raises LimitReached.
    """
    found = 0
    try:
        container = formats.opened(view)
        if container is None:
            return 0
        for member in container.members():
            found += 1
            inside = member.content and _readable(member.content, container.format, budget, scratch)
            if inside and depth < budget.limits.depth:
                found += entries(inside, budget, scratch, depth + 1)
    except Malformed:
        pass
    return found


def _readable(inside: Content, form: str, budget: Budget, scratch: Path) -> memoryview | None:
    return content.within_reach(inside, budget, scratch) if form == "stream" else inside.view()
