"""What the builds say of one file: which factors explain that it came out as it did, and how surely.

One factor that is the only explanation is certain; several, or chance, only once a build with all others bore it out.

A hypothesis is a set of factors. It is *firm* where the file is a function of those factors alone: builds that agree
in them agree in the file. It is *loose* where the file is the same whenever none of them is varied, and anything
otherwise: a factor that lets chance in. Fewer factors explain better than more, and firm better than loose; every
build in which a loose factor had no effect counts against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from repro.hunt.codes import Setting
from repro.model.hunt import CERTAIN, LIKELY, OPEN

MOST = 3  # factors of a firm hypothesis; a loose one has one less
_LOOSE = 3  # what it costs to fit almost anything: as much as one and a half factors
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
    alone = len(best[0].factors) == 1 and not best[0].loose
    near = any(each.cost <= least + _NEAR and not each.factors > best[0].factors for each in found[1:])
    certain = not near and (alone or proof(best[0].factors, settings) in settings)
    return Explained(best, CERTAIN if certain else LIKELY)


def proof(factors: Setting, settings: Sequence[Setting]) -> Setting:
    """The build that refutes best that `factors` alone are behind something: every other one is varied in it, and the
    file must come out as in the baseline."""
    return frozenset[str]().union(*settings) - factors


def _by_chance(outcomes: Sequence[str], settings: Sequence[Setting]) -> bool:
    """Whether two builds of the baseline differ. Others may: a factor can let chance in."""
    return len({outcome for outcome, setting in zip(outcomes, settings, strict=True) if not setting}) > 1


def _consistent(outcomes: Sequence[str], settings: Sequence[Setting]) -> Iterator[Hypothesis]:
    """Every hypothesis that the builds do not refute, without those that only add factors to another."""
    factors = sorted(frozenset[str]().union(*settings))
    bits = {factor: 1 << number for number, factor in enumerate(factors)}
    builds = [
        (outcome, sum(bits[name] for name in setting)) for outcome, setting in zip(outcomes, settings, strict=True)
    ]
    found: list[int] = []  # as a number with the bits of its factors: a thousand sets are tried for each pattern
    for size in range(1, MOST + 1):
        for chosen in combinations(factors, size):
            mask = sum(bits[name] for name in chosen)
            if any(each & mask == each for each in found):
                continue
            if _firm(mask, builds):
                found.append(mask)
                yield Hypothesis(frozenset(chosen), False, 2 * size)
            elif size < MOST and (quiet := _quiet(mask, builds)) is not None:
                yield Hypothesis(frozenset(chosen), True, 2 * size + _LOOSE + 2 * quiet)


def _firm(mask: int, builds: Sequence[tuple[str, int]]) -> bool:
    seen: dict[int, str] = {}
    return all(seen.setdefault(setting & mask, outcome) == outcome for outcome, setting in builds)


def _quiet(mask: int, builds: Sequence[tuple[str, int]]) -> int | None:
    """In how many builds with one of the factors the file is as in the baseline; None where it differs without them."""
    baseline, quiet = builds[0][0], 0
    for outcome, setting in builds:
        if not setting & mask and outcome != baseline:
            return None
        quiet += bool(setting & mask) and outcome == baseline
    return quiet


def expected(hypothesis: Hypothesis, setting: Setting, outcomes: Sequence[str], settings: Sequence[Setting]) -> str:
    """What `hypothesis` says would come out of a build with `setting`: one of `outcomes`, or empty for something else
    or unknown."""
    wanted = setting & hypothesis.factors
    if hypothesis.loose:
        return "" if wanted else outcomes[0]
    known = (outcome for outcome, made in zip(outcomes, settings, strict=True) if made & hypothesis.factors == wanted)
    return next(known, "")
