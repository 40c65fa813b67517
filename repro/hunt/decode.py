"""What the builds say of one file: which factors explain that it came out as it did, and how surely.

A hypothesis is a set of factors. It is *firm* where the file is a function of those factors alone: builds that agree
in them agree in the file. It is *loose* where the file is the same whenever none of them is varied, and anything
otherwise: a factor that lets chance in. Fewer factors explain better than more, and firm better than loose; every
build in which a loose factor had no effect counts against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from repro.hunt.codes import Setting
from repro.model.hunt import CERTAIN, LIKELY, OPEN

MOST = 3  # factors of a firm hypothesis; a loose one has one less
_NEAR = 1  # how much worse another explanation may be and still leave doubt


@dataclass(frozen=True)
class Hypothesis:
    """`factors` that explain a file; none of them: it differs by itself. `cost` is its complexity, less is better."""

    factors: Setting
    loose: bool
    cost: int


@dataclass(frozen=True)
class Explained:
    """The best explanations of one file, all of the same cost; none where no few factors explain it."""

    best: tuple[Hypothesis, ...]
    confidence: str


CHANCE = Hypothesis(frozenset(), True, 1)


def explain(outcomes: Sequence[str], settings: Sequence[Setting]) -> Explained | None:
    """Which factors of `settings` explain `outcomes`, one of each build; None where all are the same.

    The first setting is the baseline. What an outcome is does not matter, only which are equal.
    """
    if len(set(outcomes)) == 1:
        return None
    if _by_chance(outcomes, settings):
        return Explained((CHANCE,), CERTAIN)
    found = sorted(_consistent(outcomes, settings), key=lambda each: (each.cost, sorted(each.factors)))
    if not found:
        return Explained((), OPEN)
    least = found[0].cost
    best = tuple(each for each in found if each.cost == least)
    if len(best) > 1:
        return Explained(best, OPEN)
    doubt = best[0].loose or any(each.cost <= least + _NEAR for each in found[1:])
    return Explained(best, LIKELY if doubt else CERTAIN)


def _by_chance(outcomes: Sequence[str], settings: Sequence[Setting]) -> bool:
    """Whether two builds of the baseline differ. Others may: a factor can let chance in."""
    return len({outcome for outcome, setting in zip(outcomes, settings, strict=True) if not setting}) > 1


def _consistent(outcomes: Sequence[str], settings: Sequence[Setting]) -> Iterator[Hypothesis]:
    """Every hypothesis that the builds do not refute, without those that only add factors to another of its kind."""
    factors = sorted(frozenset().union(*settings))
    firm: list[Setting] = []
    loose: list[Setting] = []
    for size in range(1, MOST + 1):
        for chosen in map(frozenset, combinations(factors, size)):
            if not _covered(chosen, firm) and _firm(chosen, outcomes, settings):
                firm.append(chosen)
                yield Hypothesis(chosen, False, 2 * size)
            if size < MOST and not _covered(chosen, (*firm, *loose)):
                quiet = _quiet(chosen, outcomes, settings)
                if quiet is not None:
                    loose.append(chosen)
                    yield Hypothesis(chosen, True, 2 * size + 1 + 2 * quiet)


def _covered(chosen: Setting, known: Iterable[Setting]) -> bool:
    return any(each <= chosen for each in known)


def _firm(chosen: Setting, outcomes: Sequence[str], settings: Sequence[Setting]) -> bool:
    seen: dict[Setting, str] = {}
    return all(
        seen.setdefault(setting & chosen, outcome) == outcome
        for outcome, setting in zip(outcomes, settings, strict=True)
    )


def _quiet(chosen: Setting, outcomes: Sequence[str], settings: Sequence[Setting]) -> int | None:
    """In how many builds with one of `chosen` the file is as in the baseline; None where it differs without them."""
    quiet = 0
    for outcome, setting in zip(outcomes, settings, strict=True):
        same = outcome == outcomes[0]
        if not setting & chosen and not same:
            return None
        quiet += bool(setting & chosen) and same
    return quiet


def expected(hypothesis: Hypothesis, setting: Setting, outcomes: Sequence[str], settings: Sequence[Setting]) -> str:
    """What `hypothesis` says would come out of a build with `setting`: one of `outcomes`, or empty for something else
    or unknown."""
    wanted = setting & hypothesis.factors
    if hypothesis.loose:
        return "" if wanted else outcomes[0]
    known = (outcome for outcome, made in zip(outcomes, settings, strict=True) if made & hypothesis.factors == wanted)
    return next(known, "")
