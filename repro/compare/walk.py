"""Walking two artifacts side by side, from container to container, down to the leaves that diverge.

Knows the protocol of `repro.formats.base` alone. Equal bytes are never descended into. A container that was
walked whole is represented by what differs inside; one that could not be walked whole is listed itself as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from repro import formats
from repro.compare import content, facts, orders, renamed, structures
from repro.compare.accounting import UNREAD, Claim, Ledger, settle
from repro.compare.budget import Budget
from repro.compare.content import Equality, Interval
from repro.compare.findings import Findings, Location
from repro.compare.owners import STATUS, owners
from repro.compare.picture import Painter
from repro.formats.base import FILE, Container, Content, Malformed, Member, Structure
from repro.model.comparison import Account, Range

Key = tuple[str, int]  # a member's name, and which of those of that name it is
LeafSink = Callable[[Location, memoryview, memoryview], None]
Bases = tuple[int, int] | None  # where two containers begin in the artifacts, if they lie there as they are

_FILES = "file contents"
_TRANSPARENT = "stream"  # a compressed stream adds no component to a location
_LEAVES = ("elf", "pyc")  # formats that have structures but no members


@dataclass(frozen=True)
class Side:
    """One of two containers that are walked together."""

    name: str
    container: Container
    view: memoryview
    members: dict[Key, Member]
    whole: bool


@dataclass(frozen=True)
class _Undecided:
    """A member whose stored bytes are not the same, so that they have to be decoded."""

    key: Key
    place: Location
    left: Content
    right: Content


class Walker:
    """Collects into `findings` and `accounts`; hands the bytes of diverging leaves to each of `sinks`, valid during
    that call alone, and what lies where to `painter`."""

    def __init__(
        self, findings: Findings, budget: Budget, scratch: Path, sinks: Sequence[LeafSink], painter: Painter
    ) -> None:
        self.findings, self._budget, self._scratch, self._leaf_sinks = findings, budget, scratch, sinks
        self._painter = painter
        self.accounts: list[Account] = []

    def artifacts(self, left: memoryview, right: memoryview) -> None:
        """Explain why two artifacts differ. Raises LimitReached."""
        if self.blobs((), left, right, (0, 0)) is None and not self.accounts:
            self._keep((), settle((), "file", (left, right), ((), ()), [_whole(left, right)]), (0, 0))

    def blobs(
        self, location: Location, left: memoryview, right: memoryview, bases: Bases, depth: int = 0
    ) -> Account | None:
        """Explain why `left` and `right`, which are not the same bytes, differ; their account if it was taken.

        Raises LimitReached.
        """
        ours, theirs = self._opened(location, "left", left), self._opened(location, "right", right)
        if ours and theirs:
            ours, theirs = formats.reconciled(ours, theirs, (left, right))
        if ours is None or theirs is None or ours.format != theirs.format:
            self._leaf(location, left, right)
        elif depth >= self._budget.limits.depth:
            self.findings.unread(location, f"more than {depth} containers in each other")
            self._leaf(location, left, right)
        elif ours.format == _TRANSPARENT:
            return self._streams(location, (ours, left), (theirs, right), bases, depth)
        elif ours.format in _LEAVES:
            self._leaf(location, left, right, (ours, theirs))
        else:
            return self._containers(location, (ours, left), (theirs, right), bases, depth)
        return None

    def _opened(self, location: Location, side: str, view: memoryview) -> Container | None:
        try:
            return formats.opened(view)
        except Malformed as error:
            self.findings.unread(location, f"{side}: {error.message}")
            return None

    def _streams(
        self,
        location: Location,
        left: tuple[Container, memoryview],
        right: tuple[Container, memoryview],
        bases: Bases,
        depth: int,
    ) -> Account | None:
        """Two compressed streams: what they hold if that is a container, else the stream as one leaf."""
        layouts = left[0], right[0]
        ours, theirs = self._inner(location, "left", left[0]), self._inner(location, "right", right[0])
        if ours is None or theirs is None or content.same_bytes(ours, theirs):
            self._leaf(location, left[1], right[1], layouts, same_inside=ours is not None and theirs is not None)
            return None
        if not self._alike(location, ours, theirs):
            self._leaf(location, left[1], right[1], layouts)
            return None
        sides = [Side(name, c, view, {}, True) for name, (c, view) in (("left", left), ("right", right))]
        ledger = self._settled(location, sides[0], sides[1], (), bases)
        self.blobs(location, ours, theirs, None, depth + 1)
        self._structure(location, ledger, (left[1], right[1]), explained=True)
        return ledger.account

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
            self.findings.unread(location, f"{side}: {error.message}")
            return None

    def _containers(
        self,
        location: Location,
        left: tuple[Container, memoryview],
        right: tuple[Container, memoryview],
        bases: Bases,
        depth: int,
    ) -> Account:
        ours = self._side(location, "left", *left)
        theirs = self._side(location, "right", *right)
        before = len(self.findings)
        claims, changed = self._members(location, ours, theirs, bases, depth)
        self._orders(location, ours, theirs, changed)
        self._renamed(location, ours, theirs)
        for side in (ours, theirs):
            self._owned(location, side)
        ledger = self._settled(location, ours, theirs, claims, bases)
        self._structure(location, ledger, (left[1], right[1]), explained=len(self.findings) > before)
        if not (ours.whole and theirs.whole):
            self._content(location, left[1], right[1])
        return ledger.account

    def _side(self, location: Location, name: str, container: Container, view: memoryview) -> Side:
        members: dict[Key, Member] = {}
        seen: dict[str, int] = {}
        try:
            for member in container.members():
                self._budget.member()
                key = member.name, 1
                if key in members:
                    key = member.name, seen.get(member.name, 1) + 1
                    seen[member.name] = key[1]
                members[key] = member
        except Malformed as error:
            container.problems.found.append(("", error.message))
        for inside, reason in container.problems.found:
            self.findings.unread((*location, inside) if inside else location, f"{name}: {reason}")
        return Side(name, container, view, members, not container.problems.found)

    def _owned(self, location: Location, side: Side) -> None:
        """Name the packages of what differs, where `side` is a root file system with dpkg's database."""
        if (STATUS, 1) in side.members:
            named = {name: member for (name, number), member in side.members.items() if number == 1}
            self.findings.attribute(location, lambda paths: owners(paths, named, self._bytes))

    def _bytes(self, member: Member) -> bytes | None:
        try:
            return bytes(content.within_reach(member.content, self._budget, self._scratch)) if member.content else None
        except Malformed:
            return None

    def _members(
        self, location: Location, left: Side, right: Side, bases: Bases, depth: int
    ) -> tuple[list[Claim], set[Key]]:
        """Compare member by member; returns whose bytes are whose, and the keys of those that differ in content."""
        equality, claims, undecided = Equality(self._budget), list[Claim](), list[_Undecided]()
        changed: set[Key] = set()
        for key in dict.fromkeys((*left.members, *right.members)):
            self.findings.entries += 1
            name, number = key
            place = (*location, name if number == 1 else f"{name} ({number})")
            ours, theirs = left.members.get(key), right.members.get(key)
            if ours and theirs:
                self._facts(place, ours, theirs)
                mine, other = ours.content, theirs.content
                if ours.kind != FILE or theirs.kind != FILE:
                    claims.append(_claim(_FILES, mine, other))
                elif mine is None or other is None:
                    changed.add(key)
                    claims.append(_claim(UNREAD, mine, other))
                elif equality.as_stored(mine, other):
                    claims.append(_claim(_FILES, mine, other, same=True))
                else:
                    undecided.append(_Undecided(key, place, mine, other))
                continue
            changed.add(key)
            for member, side, opposite in ((ours, "left", right), (theirs, "right", left)):
                if member and opposite.whole:
                    self._one_sided(place, member, side)
                elif member:
                    self.findings.unread(place, f"{opposite.name}: may lie in what could not be read")
            row = UNREAD if self.findings.is_unread(place) else _FILES
            claims.append(_claim(row, ours.content if ours else None, theirs.content if theirs else None))
        outcomes = equality.decided([(pair.left, pair.right) for pair in undecided])
        for pair, equal in zip(undecided, outcomes, strict=True):
            account = None
            if equal is not True:
                changed.add(pair.key)
                account = self._differ(pair, equal, bases, depth)
            row = UNREAD if self.findings.is_unread(pair.place) else _FILES
            claims.append(_claim(row, pair.left, pair.right, nested=account))
        return claims, changed

    def _facts(self, place: Location, left: Member, right: Member) -> None:
        aspects, ours, theirs = facts.differences(left, right)
        if aspects:
            self.findings.diverge(place, aspects, ours, theirs)
        for side, member in (("left", left), ("right", right)):
            if member.problem:
                self.findings.unread(place, f"{side}: {member.problem}")

    def _differ(self, pair: _Undecided, error: bool | Malformed, bases: Bases, depth: int) -> Account | None:
        """Explain why two contents differ, or say why they could not be compared."""
        if isinstance(error, Malformed):
            self.findings.unread(pair.place, f"could not be compared: {error.message}")
            return None
        views = []
        for side, member in (("left", pair.left), ("right", pair.right)):
            try:
                views.append(content.within_reach(member, self._budget, self._scratch))
            except Malformed as problem:
                self.findings.unread(pair.place, f"{side}: {problem.message}")
        if len(views) == 2:
            return self.blobs(pair.place, views[0], views[1], _within(bases, pair.left, pair.right), depth + 1)
        self.findings.diverge(pair.place, ("content",), {"size": pair.left.size}, {"size": pair.right.size})
        return None

    def _one_sided(self, place: Location, member: Member, side: str) -> None:
        said = facts.presence(member)
        if member.problem:
            self.findings.unread(place, f"{side}: {member.problem}")
        if member.content:
            try:
                said["size"], said["sha256"] = content.digest(member.content, self._budget)
            except Malformed as error:
                self.findings.unread(place, f"{side}: {error.message}")
        self.findings.diverge(place, ("presence",), said if side == "left" else None, said if side == "right" else None)

    def _orders(self, location: Location, left: Side, right: Side, changed: set[Key]) -> None:
        """Say once a container and order where the members that both sides have stop coming in the same order."""
        for order, at, *names in orders.apart(left.members, right.members, changed):
            said = ({f"order of {order}": f"position {at} is {name}"} for name in names)
            self.findings.diverge(location, ("order",), *said)

    def _renamed(self, location: Location, left: Side, right: Side) -> None:
        """Have the files explained that differ and whose paths differ by version numbers only."""
        if not self._leaf_sinks or not (left.whole and right.whole):
            return
        alone = [
            [key[0] for key, member in side.members.items() if member.content and key not in other.members]
            for side, other in ((left, right), (right, left))
        ]
        for ours, theirs in renamed.paired(*alone):
            contents = left.members[ours, 1].content, right.members[theirs, 1].content
            with suppress(Malformed):  # said where each of them is told as absent on the other side
                views = [content.within_reach(each, self._budget, self._scratch) for each in contents if each]
                if not content.same_bytes(*views):
                    self._hand((*location, ours), views[0], views[1])

    def _settled(self, location: Location, left: Side, right: Side, claims: Sequence[Claim], bases: Bases) -> Ledger:
        """The ledger of one pair of containers, which is kept."""
        ledger = self._ledger(location, left, right, claims)
        self._keep(location, ledger, bases)
        return ledger

    def _keep(self, location: Location, ledger: Ledger, bases: Bases) -> None:
        """Keep an account, and paint its segments where they lie in the artifact as they are."""
        self.accounts.append(ledger.account)
        if bases:
            prefix = "".join(f"{part} → " for part in location)
            for side in (0, 1):
                self._painter.paint(side, bases[side], ledger.segments[side], prefix)

    def _ledger(self, location: Location, left: Side, right: Side, claims: Sequence[Claim]) -> Ledger:
        views = left.view, right.view
        named = self.structures_of(location, left), self.structures_of(location, right)
        return settle(location, left.container.format, views, named, claims)

    def _structure(
        self, location: Location, ledger: Ledger, views: tuple[memoryview, memoryview], *, explained: bool
    ) -> None:
        limit = self._budget.limits.ranges
        found = structures.independent(ledger, views, limit, lambda name: self.findings.tells((*location, name)))
        if not found and not explained:
            found = structures.derived(ledger, views, limit)
        if found:
            self.findings.diverge(location, ("structure",), found.left, found.right, ranges=found.ranges)

    def structures_of(self, location: Location, side: Side) -> Iterator[Structure]:
        """The structures of one side's container, as far as they can be read."""
        try:
            yield from side.container.structures()
        except Malformed as error:
            if side.container.format not in _LEAVES:  # a leaf is compared as a whole, whatever its bytes are called
                self.findings.unread(location, f"{side.name}: {error.message}")

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
            sides = Side("left", layouts[0], left, {}, True), Side("right", layouts[1], right, {}, True)
            ledger = self._ledger(location, *sides, ())
            named = structures.independent(ledger, (left, right), self._budget.limits.ranges)
            named = named or structures.derived(ledger, (left, right), self._budget.limits.ranges)
            every = structures.all_of(ledger, (left, right), self._budget.limits.ranges)
            ranges = every.ranges or named.ranges
            if not location:
                self._keep(location, ledger, (0, 0))
            fields = sorted({r.structure for r in named.ranges if r.structure != "unmapped"})
            detail = f"{', '.join(fields)} {'differs' if len(fields) == 1 else 'differ'}" if fields else ""
        if same_inside:
            detail += "; " * bool(detail) + "the decompressed bytes are the same"
        self.findings.diverge(location, (), None, None, ranges=ranges, detail=detail)
        self._hand(location, left, right)

    def _hand(self, location: Location, left: memoryview, right: memoryview) -> None:
        for sink in self._leaf_sinks:
            sink(location, left, right)


def _claim(
    row: str, left: Content | None, right: Content | None, *, same: bool = False, nested: Account | None = None
) -> Claim:
    ours = tuple(left.extents()) if left else ()
    theirs = tuple(right.extents()) if right else ()
    return Claim(row, ours, theirs, same, row != UNREAD, nested)


def _whole(left: memoryview, right: memoryview) -> Claim:
    return Claim("content", ((0, len(left)),), ((0, len(right)),))


def _within(bases: Bases, left: Content, right: Content) -> Bases:
    """Where two contents of containers at `bases` begin, if they lie there in one run as they are."""
    if bases is None or left.view() is None or right.view() is None:
        return None
    ours, theirs = next(iter(left.extents()), None), next(iter(right.extents()), None)
    return (bases[0] + ours[0], bases[1] + theirs[0]) if ours and theirs else None


def _first(runs: Iterator[Interval], limit: int) -> Iterator[Range]:
    for _, (start, end) in zip(range(limit), runs, strict=False):
        yield Range("both", start, end, "content")
