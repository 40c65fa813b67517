"""What one side alone has: whole packages, names made at random, or versions; then the inputs may differ."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from repro.compare.renamed import VERSION
from repro.diagnose.registry import RULES
from repro.diagnose.rule import sides
from repro.model.cause import HIGH, MEDIUM, Cause
from repro.model.comparison import Divergence

_LIST = re.compile(r"var/lib/dpkg/info/([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\.list")
_RANDOM = re.compile(r"[A-Za-z0-9_]{6,}")
_STATUS = ("var/lib/dpkg/status", "var/lib/dpkg/available")

Location = tuple[str, ...]


def one_sided(divergences: Iterable[Divergence]) -> dict[Location, Cause]:
    """The causes of members that one side alone has, and of dpkg's status where packages are added or removed."""
    divergences = tuple(divergences)
    alone = [d for d in divergences if d.aspects == ("presence",) and d.location]
    packages = {
        match.group(1): "left" if d.right is None else "right"
        for d in alone
        if (match := _LIST.fullmatch(d.location[-1]))
    }
    found: dict[Location, Cause] = {}
    if packages:
        said = [f"package {name} is on the {side} alone" for name, side in sorted(packages.items())]
        for d in divergences:
            if d.package in packages or (d.location and d.location[-1] in _STATUS):
                found[d.location] = RULES["inputs_differ"].found(HIGH, *said)
    for pattern, label, confidence in (
        (VERSION, "inputs_differ", MEDIUM),
        (_RANDOM, "temporary_name", MEDIUM),
    ):
        for ours, theirs in _paired(alone, pattern):
            cause = RULES[label].found(confidence, sides(ours[-1], theirs[-1]))
            found.setdefault(ours, cause)
            found.setdefault(theirs, cause)
    return found


def _paired(alone: Iterable[Divergence], pattern: re.Pattern[str]) -> Iterable[tuple[Location, Location]]:
    """Members of either side in one folder whose names are the same but for `pattern`, one alone of each."""
    by_shape: dict[Location, tuple[list[Location], list[Location]]] = defaultdict(lambda: ([], []))
    for d in alone:
        folder, slash, name = d.location[-1].rpartition("/")
        shape = pattern.sub("#", name)
        if shape != name and re.search(r"\d|[a-z][A-Z]", name):
            by_shape[*d.location[:-1], f"{folder}{slash}{shape}"][d.left is None].append(d.location)
    for ours, theirs in by_shape.values():
        if len(ours) == len(theirs) == 1:
            yield ours[0], theirs[0]
