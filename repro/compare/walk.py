"""Walking two artifacts side by side, from container to container, down to the leaves that diverge.

Knows the protocol of `repro.formats.base` alone. Equal bytes are never descended into. A container that was
walked whole is represented by what differs inside; one that could not be walked whole is listed itself as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from repro import formats
from repro.compare import content, facts, structures
from repro.compare.budget import Budget
from repro.compare.content import Equality, Interval
from repro.compare.findings import Findings, Location
from repro.formats.base import FILE, Container, Content, Malformed, Member, Structure
from repro.model.comparison import Range

Key = tuple[str, int]  # a member's name, and which of those of that name it is
LeafSink = Callable[[Location, memoryview, memoryview], None]

_TRANSPARENT = "stream"  # a compressed stream adds no component to a location
_LEAVES = ("pyc",)  # formats that have structures but no members


@dataclass(frozen=True)
class Side:
    """One of two containers that are walked together."""

    name: str
    container: Container
    view: memoryview
    members: dict[Key, Member]
    whole: bool

    @property
    def extents(self) -> list[Interval]:
        """Where the contents of all members lie."""
        return [extent for member in self.members.values() if member.content for extent in member.content.extents()]


class Walker:
    """Collects into `findings`; hands the bytes of diverging leaves to `leaf`, valid during that call alone."""

    def __init__(self, findings: Findings, budget: Budget, scratch: Path, leaf: LeafSink) -> None:
        self.findings, self._budget, self._scratch, self._leaf_sink = findings, budget, scratch, leaf
        self.outermost: tuple[Side, Side] | None = None  # unless that is no container, or a compressed stream

    def blobs(self, location: Location, left: memoryview, right: memoryview, depth: int = 0) -> None:
        """Explain why `left` and `right`, which are not the same bytes, differ. Raises LimitReached."""
        ours, theirs = self._opened(location, "left", left), self._opened(location, "right", right)
        if ours and theirs:
            ours, theirs = formats.reconciled(ours, theirs, (left, right))
        if ours is None or theirs is None or ours.format != theirs.format:
            self._leaf(location, left, right)
        elif depth >= self._budget.limits.depth:
            self.findings.unexamined(location, f"more than {depth} containers in each other")
            self._leaf(location, left, right)
        elif ours.format == _TRANSPARENT:
            self._streams(location, (ours, left), (theirs, right), depth)
        elif ours.format in _LEAVES:
            self._leaf(location, left, right, (ours, theirs))
        else:
            self._containers(location, (ours, left), (theirs, right), depth)

    def _opened(self, location: Location, side: str, view: memoryview) -> Container | None:
        try:
            return formats.opened(view)
        except Malformed as error:
            self.findings.unexamined(location, f"{side}: {error.message}")
            return None

    def _streams(
        self, location: Location, left: tuple[Container, memoryview], right: tuple[Container, memoryview], depth: int
    ) -> None:
        """Two compressed streams: what they hold if that is a container, else the stream as one leaf."""
        layouts = left[0], right[0]
        ours, theirs = self._inner(location, "left", left[0]), self._inner(location, "right", right[0])
        if ours is None or theirs is None or content.same_bytes(ours, theirs):
            self._leaf(location, left[1], right[1], layouts, same_inside=ours is not None and theirs is not None)
            return
        if not self._alike(location, ours, theirs):
            self._leaf(location, left[1], right[1], layouts)
            return
        self.blobs(location, ours, theirs, depth + 1)
        sides = [Side(name, c, view, {}, True) for name, (c, view) in (("left", left), ("right", right))]
        self._structure(location, sides[0], sides[1], explained=True)

    def _alike(self, location: Location, left: memoryview, right: memoryview) -> bool:
        """Whether both are containers of members that can be walked together."""
        ours, theirs = self._opened(location, "left", left), self._opened(location, "right", right)
        if ours is None or theirs is None:
            return False
        ours, theirs = formats.reconciled(ours, theirs, (left, right))
        return ours.format == theirs.format and ours.format not in (_TRANSPARENT, *_LEAVES)

    def _inner(self, location: Location, side: str, container: Container) -> memoryview | None:
        try:
            member = next(iter(container.members()))
            return content.within_reach(member.content, self._budget, self._scratch) if member.content else None
        except Malformed as error:
            self.findings.unexamined(location, f"{side}: {error.message}")
            return None

    def _containers(
        self, location: Location, left: tuple[Container, memoryview], right: tuple[Container, memoryview], depth: int
    ) -> None:
        ours = self._side(location, "left", *left)
        theirs = self._side(location, "right", *right)
        if not depth:
            self.outermost = ours, theirs
        before = len(self.findings)
        changed = self._members(location, ours, theirs, depth)
        self._orders(location, ours, theirs, changed)
        self._structure(location, ours, theirs, explained=len(self.findings) > before)
        if not (ours.whole and theirs.whole):
            self._content(location, left[1], right[1])

    def _side(self, location: Location, name: str, container: Container, view: memoryview) -> Side:
        members: dict[Key, Member] = {}
        seen: dict[str, int] = {}
        try:
            for member in container.members():
                self._budget.member()
                number = seen[member.name] = seen.get(member.name, 0) + 1
                members[member.name, number] = member
        except Malformed as error:
            container.problems.found.append(("", error.message))
        for inside, reason in container.problems.found:
            self.findings.unexamined((*location, inside) if inside else location, f"{name}: {reason}")
        return Side(name, container, view, members, not container.problems.found)

    def _members(self, location: Location, left: Side, right: Side, depth: int) -> set[Key]:
        """Compare member by member; returns those that differ in content or are on one side alone."""
        equality = Equality(self._budget)
        changed: set[Key] = set()
        for key in sorted(left.members.keys() | right.members.keys()):
            self.findings.entries += 1
            name, number = key
            place = (*location, name if number == 1 else f"{name} ({number})")
            ours, theirs = left.members.get(key), right.members.get(key)
            if ours and theirs:
                if self._pair(place, ours, theirs, equality, depth):
                    changed.add(key)
                continue
            changed.add(key)
            for member, side, other in ((ours, "left", right), (theirs, "right", left)):
                if member and other.whole:
                    self._one_sided(place, member, side)
                elif member:
                    self.findings.unexamined(place, f"{other.name}: may lie in what could not be read")
        return changed

    def _one_sided(self, place: Location, member: Member, side: str) -> None:
        said = facts.presence(member)
        if member.problem:
            self.findings.unexamined(place, f"{side}: {member.problem}")
        if member.content:
            try:
                said["size"], said["sha256"] = content.digest(member.content, self._budget)
            except Malformed as error:
                self.findings.unexamined(place, f"{side}: {error.message}")
        self.findings.diverge(place, ("presence",), said if side == "left" else None, said if side == "right" else None)

    def _pair(self, place: Location, left: Member, right: Member, equality: Equality, depth: int) -> bool:
        """Compare one member; returns whether its content differs or could not be compared."""
        aspects, ours, theirs = facts.differences(left, right)
        if aspects:
            self.findings.diverge(place, aspects, ours, theirs)
        for side, member in (("left", left), ("right", right)):
            if member.problem:
                self.findings.unexamined(place, f"{side}: {member.problem}")
        if left.kind != FILE or right.kind != FILE:
            return False
        if left.content is None or right.content is None:
            return True
        try:
            if equality.equal(left.content, right.content):
                return False
        except Malformed as error:
            self.findings.unexamined(place, f"could not be compared: {error.message}")
            return True
        self._content_pair(place, left.content, right.content, depth)
        return True

    def _content_pair(self, place: Location, left: Content, right: Content, depth: int) -> None:
        views = []
        for side, member in (("left", left), ("right", right)):
            try:
                views.append(content.within_reach(member, self._budget, self._scratch))
            except Malformed as error:
                self.findings.unexamined(place, f"{side}: {error.message}")
        if len(views) == 2:
            self.blobs(place, views[0], views[1], depth + 1)
        else:
            self.findings.diverge(place, ("content",), {"size": left.size}, {"size": right.size})

    def _orders(self, location: Location, left: Side, right: Side, changed: set[Key]) -> None:
        """Say once a container and order where the members that both sides have stop coming in the same order."""
        ours, theirs = _sequences(left, changed), _sequences(right, changed)
        for order in sorted(ours.keys() & theirs.keys()):
            common = set(ours[order]) & set(theirs[order])
            a = [key for key in ours[order] if key in common]
            b = [key for key in theirs[order] if key in common]
            at = next((n for n, (one, other) in enumerate(zip(a, b, strict=True)) if one != other), None)
            if at is not None:
                said = ({f"order of {order}": f"position {at} is {names[at][0]}"} for names in (a, b))
                self.findings.diverge(location, ("order",), *said)

    def _structure(self, location: Location, left: Side, right: Side, *, explained: bool) -> None:
        limit = self._budget.limits.ranges
        maps = [self._map(location, side) for side in (left, right)]
        found = structures.independent(maps[0], maps[1], limit)
        if not found and not explained:
            found = structures.derived(maps[0], maps[1], limit)
        if found:
            self.findings.diverge(location, ("structure",), found.left, found.right, ranges=found.ranges)

    def _map(self, location: Location, side: Side) -> structures.Map:
        return structures.mapped(side.view, self.structures_of(location, side), side.extents)

    def structures_of(self, location: Location, side: Side) -> Iterator[Structure]:
        """The structures of one side's container, as far as they can be read."""
        try:
            yield from side.container.structures()
        except Malformed as error:
            self.findings.unexamined(location, f"{side.name}: {error.message}")

    def _content(self, location: Location, left: memoryview, right: memoryview) -> None:
        said = [{"size": len(view), "sha256": content.sha256(view)} for view in (left, right)]
        self.findings.diverge(location, ("content",), said[0], said[1])

    def _leaf(
        self,
        location: Location,
        left: memoryview,
        right: memoryview,
        layouts: tuple[Container, Container] | None = None,
        *,
        same_inside: bool = False,
    ) -> None:
        """A content divergence; `layouts` name what lies where in it."""
        self._content(location, left, right)
        ranges: Iterable[Range] = _first(content.differing(left, right), self._budget.limits.ranges)
        detail = ""
        if layouts:
            maps = [
                self._map(location, Side(name, layout, view, {}, True))
                for name, layout, view in (("left", layouts[0], left), ("right", layouts[1], right))
            ]
            named = structures.independent(maps[0], maps[1], self._budget.limits.ranges)
            named = named or structures.derived(maps[0], maps[1], self._budget.limits.ranges)
            ranges = named.ranges
            fields = sorted({r.structure for r in named.ranges if r.structure != "unmapped"})
            detail = f"{', '.join(fields)} {'differs' if len(fields) == 1 else 'differ'}" if fields else ""
        if same_inside:
            detail += "; " * bool(detail) + "the decompressed bytes are the same"
        self.findings.diverge(location, (), None, None, ranges=ranges, detail=detail)
        if not same_inside:
            self._leaf_sink(location, left, right)


def _first(runs: Iterator[Interval], limit: int) -> Iterator[Range]:
    for _, (start, end) in zip(range(limit), runs, strict=False):
        yield Range("both", start, end, "content")


def _sequences(side: Side, changed: set[Key]) -> dict[str, list[Key]]:
    """Each order's members as they come; those that share a position, or whose content changed, are left out."""
    placed: dict[str, dict[int, Key | None]] = {}
    for key, member in side.members.items():
        for order, position in member.positions:
            if order == "data" and key in changed:
                continue
            slots = placed.setdefault(order, {})
            slots[position] = None if position in slots else key
    return {order: [key for _, key in sorted(slots.items()) if key] for order, slots in placed.items()}
