"""What goes wrong, by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.server import ALWAYS, KINDS, WRONG, Fault

SOURCES = ("first", "second", "snapshot")
_MOODS = {"calm": 0.0, "light": 0.15, "heavy": 0.5, "hostile": 0.9}


@dataclass(frozen=True)
class Plan:
    """Which sources there are, what happens to which file of each (by its path below the archive's root), and the few
    things that concern a whole source."""

    seed: int
    present: tuple[str, ...]
    faults: dict[str, dict[str, Fault]]
    replaced: tuple[str, ...]  # sources with other .debs under the same names
    other_index: tuple[str, ...]  # with an index of another generation, by name, and none by hash
    stale: bool  # the first mirror has an older InRelease

    def clean(self, source: str) -> bool:
        """Whether `source` serves everything as it should."""
        return not self.faults[source] and source not in (*self.replaced, *self.other_index)

    def lies(self, path: str) -> bool:
        """Whether some source may serve wrong bytes at `path`."""
        kinds = {self.faults[name][path].kind for name in self.present if path in self.faults[name]}
        return bool(kinds & set(WRONG) or self.replaced or self.other_index)


def plan(seed: int, paths: Sequence[str]) -> Plan:
    """The plan of `seed` for an archive with files at `paths`."""
    dice = random.Random(seed)
    present = tuple(name for name, chance in zip(SOURCES, (1.0, 0.5, 0.7), strict=True) if dice.random() < chance)
    faults: dict[str, dict[str, Fault]] = {name: {} for name in SOURCES}
    for name in present:
        chance = _MOODS[dice.choice(list(_MOODS))]
        for path in paths:
            if dice.random() < chance:
                times = dice.choice((1, 1, 2, 3, ALWAYS))
                faults[name][path] = Fault(dice.choice(KINDS), times, dice.randrange(1 << 20))
    replaced = tuple(name for name in present if dice.random() < 0.08)
    other = tuple(name for name in present if dice.random() < 0.1)
    return Plan(seed, present, faults, replaced, other, dice.random() < 0.2)
