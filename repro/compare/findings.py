"""What a walk has found so far: one record a location, however many reasons there are for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from repro.model.comparison import Divergence, Range, Unexamined

Location = tuple[str, ...]


@dataclass
class _Record:
    aspects: set[str] = field(default_factory=set)
    left: dict[str, Any] | None = None
    right: dict[str, Any] | None = None
    ranges: list[Range] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    package: str | None = None


class Findings:
    """Collects divergences and what was not examined; `entries` counts the members compared."""

    def __init__(self) -> None:
        self.entries = 0
        self.watch: Callable[[int, Location], None] | None = None  # told of each new divergence, and which it is
        self._records: dict[Location, _Record] = {}
        self._unexamined: set[tuple[Location, str]] = set()
        self._unread: set[Location] = set()

    def __len__(self) -> int:
        return len(self._records)

    def diverge(
        self,
        location: Location,
        aspects: Iterable[str],
        left: Mapping[str, Any] | None,
        right: Mapping[str, Any] | None,
        *,
        ranges: Iterable[Range] = (),
        detail: str = "",
    ) -> None:
        """Add to the divergence at `location`; facts are None on a side where the member does not exist."""
        record = self._records.get(location) or _Record()
        record.aspects.update(aspects)
        if left is not None:
            record.left = {**(record.left or {}), **left}
        if right is not None:
            record.right = {**(record.right or {}), **right}
        record.ranges.extend(ranges)
        if detail:
            record.details.append(detail)
        if location not in self._records:
            self._records[location] = record  # last: an interrupt leaves no record that says nothing
            if self.watch:
                self.watch(len(self._records), location)

    def attribute(self, location: Location, owners: Callable[[Iterable[str]], Mapping[str, str]]) -> None:
        """Give what diverges in the container at `location`, and has no package yet, the package of its path there."""
        inside: dict[str, list[_Record]] = {}
        depth = len(location)
        for place, record in self._records.items():
            if len(place) > depth and place[:depth] == location and record.package is None:
                inside.setdefault(place[depth], []).append(record)
        for path, package in owners(inside).items():
            for record in inside[path]:
                record.package = package

    def tells(self, location: Location) -> bool:
        """Whether anything is said of `location` itself."""
        return location in self._records

    def unexamined(self, location: Location, reason: str) -> None:
        """Note that something at `location` was not looked into."""
        self._unexamined.add((location, reason))

    def unread(self, location: Location, reason: str) -> None:
        """Note that bytes at `location` could not be read or compared, so that nothing vouches for them."""
        self.unexamined(location, reason)
        self._unread.update(location[:length] for length in range(len(location) + 1))

    def is_unread(self, location: Location) -> bool:
        """Whether something at `location`, or inside of it, is unread."""
        return location in self._unread

    def divergences(self) -> tuple[Divergence, ...]:
        """All divergences, sorted by location."""
        return tuple(
            Divergence(
                location,
                tuple(sorted(record.aspects)),
                record.left,
                record.right,
                ranges=tuple(sorted(set(record.ranges), key=lambda r: (r.start, r.end, r.side, r.structure))),
                detail="\n".join(record.details) or None,
                package=record.package,
            )
            for location, record in sorted(self._records.items())
        )

    def not_examined(self) -> tuple[Unexamined, ...]:
        """All that was not examined, sorted."""
        return tuple(Unexamined(location, reason) for location, reason in sorted(self._unexamined))
