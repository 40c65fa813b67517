"""Divergences by container and package, or by top folder where no package is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from repro.model.comparison import Divergence
from repro.model.text import printable
from repro.report.facts import place


@dataclass(frozen=True)
class Group:
    """Divergences of one container that belong to one `package`, or else lie in one top `folder` (may be empty)."""

    container: tuple[str, ...]
    package: str
    folder: str
    members: tuple[Divergence, ...]

    @property
    def where(self) -> str:
        """The container, for a person."""
        return place(self.container, "artifact")

    @property
    def what(self) -> str:
        """The package, or the folder, for a person; the same from one comparison to the next."""
        if self.package:
            return f"package {printable(self.package)}"
        return f"{printable(self.folder)}/" if self.folder else "(top)"

    @property
    def aspects(self) -> str:
        """What differs in how many members: `content 12, mtime 3`, the most frequent first."""
        found = Counter(aspect for member in self.members for aspect in member.aspects)
        return ", ".join(f"{name} {count}" for name, count in sorted(found.items(), key=lambda i: (-i[1], i[0])))


def grouped(divergences: Iterable[Divergence]) -> list[Group]:
    """By container, package and folder, in that order; what belongs to no package comes first."""
    keyed = sorted(divergences, key=lambda d: (_key(d), d.location))
    return [Group(*key, tuple(members)) for key, members in groupby(keyed, key=_key)]


def largest(groups: Sequence[Group], limit: int) -> list[Group]:
    """The `limit` groups with most members, in the order in which they come."""
    kept = sorted(range(len(groups)), key=lambda number: -len(groups[number].members))[:limit]
    return [groups[number] for number in sorted(kept)]


def some_of_each(groups: Sequence[Group], limit: int) -> list[Divergence]:
    """At most `limit` divergences of the largest groups: as many of each as fit, all of the small ones."""
    chosen = largest(groups, limit)
    fair = (n for n in range(limit, 0, -1) if sum(min(len(group.members), n) for group in chosen) <= limit)
    share = next(fair, 0)
    return [member for group in chosen for member in group.members[:share]]


def _key(divergence: Divergence) -> tuple[tuple[str, ...], str, str]:
    """Container, package, folder; the last two as far as they are known."""
    package = divergence.package or ""
    folder = "" if package else "".join(divergence.location[-1:]).rpartition("/")[0].partition("/")[0]
    return divergence.location[:-1], package, folder
