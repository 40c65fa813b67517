"""The hunt itself: the first round, what fails in it, and a few more builds where the first leave a choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from repro.hunt.codes import Setting, first_round
from repro.hunt.decode import Explained, Hypothesis, expected, explain, proof
from repro.model.errors import BuildFailed
from repro.model.hunt import LIKELY, OPEN

Key = tuple[tuple[str, ...], str]  # location and aspect
Outcome = Mapping[Key, str]  # what a build gave; a key is missing where there is no such file
ABSENT = "absent"


@dataclass(frozen=True)
class Experiment:
    """One build: its `name`, the factors that are varied in it, and which repetition of the same it is."""

    name: str
    setting: Setting
    repeat: int = 0


Run = Callable[[Sequence[Experiment]], Sequence[Outcome | BuildFailed]]


@dataclass
class Hunted:
    """What was built and what came out; `refused` are factors under which nothing can be built, with the reason."""

    experiments: list[Experiment] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    failed: list[tuple[Experiment, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> list[Setting]:
        return [experiment.setting for experiment in self.experiments]

    def explained(self) -> Iterator[tuple[Key, tuple[str, ...], Explained]]:
        """Each key that did not come out the same in all builds, sorted, with its outcomes and what explains them."""
        known: dict[tuple[int, ...], Explained | None] = {}
        for key in sorted(set(chain.from_iterable(self.outcomes))):
            outcomes = tuple(outcome.get(key, ABSENT) for outcome in self.outcomes)
            shape = pattern(outcomes)
            if shape not in known:
                known[shape] = explain(outcomes, self.settings)
            if found := known[shape]:
                yield key, outcomes, found


def hunt(factors: Sequence[str], run: Run, *, extra: int, jobs: int = 1) -> Hunted:
    """Find which of `factors` diverges what, in builds that `run` makes, `jobs` at a time, and at most `extra` more
    where the first round leaves a choice.

    Raises BuildFailed where the baseline itself cannot be built.
    """
    hunted = Hunted()
    _round(hunted, first_round(factors), run)
    if hunted.failed:
        _without_refused(hunted, run)
    left = extra
    while left and (settings := _telling(hunted, min(jobs, left))):
        left -= len(settings)
        _round(hunted, settings, run)
    return hunted


def one_by_one(factors: Sequence[str], run: Run) -> Hunted:
    """The same without a code: the baseline twice, and each factor alone. Raises as `hunt` does."""
    hunted = Hunted()
    _round(hunted, [frozenset(), *(frozenset({factor}) for factor in factors), frozenset()], run)
    if hunted.failed:
        _without_refused(hunted, run)
    return hunted


def _round(hunted: Hunted, settings: Iterable[Setting], run: Run) -> None:
    """Make the builds of `settings`. Raises BuildFailed where it is the baseline that failed."""
    made = Counter(hunted.settings)
    experiments: list[Experiment] = []
    for setting in settings:
        number = len(hunted.experiments) + len(hunted.failed) + len(experiments) + 1
        experiments.append(Experiment(f"build-{number:02d}", setting, made[setting]))
        made[setting] += 1
    for experiment, outcome in zip(experiments, run(experiments), strict=True):
        if not isinstance(outcome, BuildFailed):
            hunted.experiments.append(experiment)
            hunted.outcomes.append(outcome)
        elif not experiment.setting:
            raise outcome
        else:
            hunted.failed.append((experiment, outcome.message))


def _without_refused(hunted: Hunted, run: Run) -> None:
    """Find the factors under which builds fail, and make the failed builds again without them.

    Suspect is what no build had that did not fail. Where there are several, each is tried alone.
    """
    tried: set[Setting] = set()
    while True:
        worked = frozenset[str]().union(*hunted.settings)
        again: list[Setting] = []
        for experiment, reason in hunted.failed:
            if experiment.setting & hunted.refused.keys():
                again.append(experiment.setting.difference(hunted.refused))
            elif len(suspects := experiment.setting - worked) == 1:
                hunted.refused[min(suspects)] = reason
                again.append(experiment.setting - suspects)
            else:
                again += [frozenset({name}) for name in sorted(suspects)]
        settings = [each for each in dict.fromkeys(again) if each and each not in tried.union(hunted.settings)]
        if not settings:
            return
        tried.update(settings)
        _round(hunted, settings, run)


def _telling(hunted: Hunted, most: int) -> list[Setting]:
    """Up to `most` settings not built yet that tell more: under which what is open would come out differently, the
    best first; then those that prove what is likely."""
    cases: Counter[tuple[tuple[str, ...], tuple[Hypothesis, ...]]] = Counter()
    proofs: Counter[Setting] = Counter()
    unexplained = False
    for _, outcomes, found in hunted.explained():
        if found.confidence == OPEN and found.best:
            cases[_names(outcomes), found.best] += 1
        elif found.confidence == LIKELY:
            proofs[proof(found.best[0].factors, hunted.settings)] += 1
        unexplained = unexplained or not found.best
    made = set(hunted.settings)
    candidates = {setting for _, best in cases for setting in _candidates(best)} - made
    rated = sorted((_left(setting, cases, hunted.settings), sorted(setting)) for setting in candidates)
    before = sum(len(best) * number for (_, best), number in cases.items())
    chosen = [frozenset(setting) for left, setting in rated if left < before]
    chosen += [setting for setting, _ in proofs.most_common() if setting not in made]
    if not chosen and unexplained and hunted.settings.count(frozenset()) == 2:
        return [frozenset()]  # perhaps it differs by itself, and did not by chance
    return list(dict.fromkeys(chosen))[:most]


def _candidates(best: Sequence[Hypothesis]) -> Iterator[Setting]:
    for hypothesis in best:
        yield hypothesis.factors
        for factor in hypothesis.factors:
            yield frozenset({factor})


def _left(
    setting: Setting, cases: Mapping[tuple[tuple[str, ...], tuple[Hypothesis, ...]], int], settings: Sequence[Setting]
) -> float:
    """How many explanations a build with `setting` would leave of all cases together, on average."""
    left = 0.0
    for (outcomes, best), number in cases.items():
        classes = Counter(expected(hypothesis, setting, outcomes, settings) for hypothesis in best)
        left += number * sum(size * size for size in classes.values()) / len(best)
    return left


def pattern(outcomes: Sequence[str]) -> tuple[int, ...]:
    """Which outcomes are equal, as numbers in the order of their first appearance."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(outcome, len(numbers)) for outcome in outcomes)


def _names(outcomes: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(str, pattern(outcomes)))
