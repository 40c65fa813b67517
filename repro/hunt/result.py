"""What a hunt found, as the document that is written and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from repro.hunt.decode import Explained
from repro.hunt.search import Experiment, Hunted, Key, pattern
from repro.model.hunt import CHANCE, FIRM, LOOSE, UNEXPLAINED, Attribution, Hunt, Trial

WHOLE: Key = ((), "bytes")  # the artifact's own digest: it tells only where nothing else does

Took = Mapping[str, tuple[float, bool]]  # of each experiment by name: seconds, and whether it was reused


def result(
    hunted: Hunted, took: Took, *, subject: str, factors: Mapping[str, str], skipped: Mapping[str, str], seconds: float
) -> Hunt:
    """`hunted` as a document; `factors` and `skipped` as in `Hunt`."""
    return Hunt(
        subject=subject,
        factors=factors,
        skipped=skipped,
        refused=hunted.refused,
        builds=tuple(_trial(experiment, took) for experiment in hunted.experiments),
        failed=tuple(_trial(experiment, took, reason) for experiment, reason in hunted.failed),
        attributions=tuple(_attributions(hunted)),
        entries=len({location for outcome in hunted.outcomes for location, _ in outcome}),
        seconds=round(seconds, 1),
    )


def _trial(experiment: Experiment, took: Took, problem: str = "") -> Trial:
    seconds, reused = took.get(experiment.name, (0.0, False))
    return Trial(
        experiment.name, tuple(sorted(experiment.setting)), experiment.repeat, round(seconds, 1), reused, problem
    )


def _attributions(hunted: Hunted) -> Iterator[Attribution]:
    found = list(hunted.explained())
    for key, outcomes, what in found:
        if key != WHOLE or len(found) == 1:
            yield _attribution(key, pattern(outcomes), what)


def _attribution(key: Key, outcomes: Sequence[int], found: Explained) -> Attribution:
    location, aspect = key
    how, factors = UNEXPLAINED, tuple[str, ...]()
    if found.best:
        best = found.best[0]
        factors = tuple(sorted(best.factors))
        how = CHANCE if not factors else LOOSE if best.loose else FIRM
    others = tuple(tuple(sorted(each.factors)) for each in found.best[1:])
    return Attribution(location, aspect, factors, how, found.confidence, others, tuple(outcomes))
