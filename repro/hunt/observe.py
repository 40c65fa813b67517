"""What a build gave, file by file: every container walked, and each member's facts and content as short values.

Only whether two values are equal matters to a hunt. Bytes are read through `repro.formats`; nothing is unpacked.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from repro import formats
from repro.compare import content, facts
from repro.compare.budget import Budget, Limits
from repro.formats.base import IDENTITY, Container, Malformed, Member
from repro.hunt.search import Key

_LEAVES = ("elf", "pyc")  # formats that have structures but no members
_STREAM = "stream"
_DEPTH = 8


def observe(path: Path, scratch: Path) -> dict[Key, str]:
    """The values of everything in the file at `path`, by location and aspect; `scratch` is a folder for what is large.

    Raises Inconclusive where it cannot be read, OSError.
    """
    with open(path, "rb") as stream:
        view = content.mapped(stream)
    walk = _Walk(Budget(Limits()), scratch)
    container = walk.opened(view)
    if container is None:
        return {((), "content"): content.sha256(view)}
    walk.container((), container, view, 0)
    return walk.found


class _Walk:
    def __init__(self, budget: Budget, scratch: Path) -> None:
        self.found: dict[Key, str] = {}
        self._budget, self._scratch = budget, scratch

    def opened(self, view: memoryview) -> Container | None:
        """The container of members in `view`, also behind a compression; None where there is none."""
        with suppress(Malformed):
            container = formats.opened(view)
            if container and container.format == _STREAM:
                member = next(iter(container.members()))
                inner = formats.opened(self._bytes(member)) if member.content else None
                return container if inner and inner.format not in (_STREAM, *_LEAVES) else None
            return container if container and container.format not in _LEAVES else None
        return None

    def container(self, location: tuple[str, ...], container: Container, view: memoryview, depth: int) -> None:
        """Take down every member of `container`, whose bytes are `view`, and what it says of itself."""
        for number, member in enumerate(container.members()):
            self._budget.member()
            if container.format == _STREAM:
                inside = self._bytes(member)
                if inner := self.opened(inside):
                    self.container(location, inner, inside, depth + 1)
                continue
            place = (*location, member.name)
            if (place, "type") in self.found:
                place = (*location, f"{member.name} ({number})")
            self._member(place, member, depth)
        with suppress(Malformed):
            for structure in container.structures():
                if structure.role == IDENTITY and ((*location, structure.of), "type") not in self.found:
                    there = view[structure.start : structure.end]
                    self.found[location, f"structure {structure.label}"] = content.sha256(there)

    def _member(self, place: tuple[str, ...], member: Member, depth: int) -> None:
        for aspect, said in facts.properties(member).items():
            if said:
                self.found[place, aspect] = json.dumps(said, sort_keys=True, default=str)
        if member.content is None:
            return
        view = self._bytes(member)
        inner = self.opened(view) if depth < _DEPTH else None
        if inner:
            self.container(place, inner, view, depth + 1)
        else:
            self.found[place, "content"] = content.sha256(view)

    def _bytes(self, member: Member) -> memoryview:
        assert member.content is not None
        return content.within_reach(member.content, self._budget, self._scratch)
