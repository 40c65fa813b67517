"""Judging a comparison: the bytes of leaves as they come by, then the facts of what was found, and what no rule knows.

Raises nothing about what is in them: all of it is untrusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from repro.diagnose.byte_rules import LARGEST, At, content_causes
from repro.diagnose.fact_rules import fact_causes, leaf_causes
from repro.diagnose.inputs import one_sided
from repro.diagnose.known import Known, Pair
from repro.diagnose.registry import RULES
from repro.model.cause import CONFIDENCES, LOW, UNKNOWN, Cause
from repro.model.comparison import Comparison, Divergence

Location = tuple[str, ...]
_LEAVES = 2000  # that are looked into
_BYTES = 256 << 20  # of them all, both sides


class Judge:
    """Sees the leaves that diverge while their bytes are there, and judges the comparison afterwards."""

    def __init__(self, known: Mapping[Pair, str] | None = None) -> None:
        """`known`: words that stand for one another, by label, as the surroundings of both sides say."""
        self._seen: dict[Location, list[Cause]] = {}
        self._known = Known(known)
        self._unexplained: dict[Location, tuple[Pair, ...]] = {}
        self._bytes = 0
        self._passed: set[Location] = set()

    def look(self, location: Location, left: memoryview, right: memoryview) -> None:
        """Keep what the bytes of the leaf at `location` show; large ones, and very many, are not looked into."""
        size = len(left) + len(right)
        if max(len(left), len(right)) > LARGEST or len(self._seen) >= _LEAVES or self._bytes + size > _BYTES:
            self._passed.add(location)
            return
        self._bytes += size
        name = location[-1] if location else ""
        self._seen[location] = content_causes(name, bytes(left), bytes(right), At(self._known))
        self._unexplained[location] = self._known.taken()

    def judged(self, comparison: Comparison) -> Comparison:
        """`comparison` with the causes of each divergence, those of its content first, guesses last."""
        alone = one_sided(comparison.divergences)
        return replace(comparison, divergences=tuple(self._with(d, alone) for d in comparison.divergences))

    def _with(self, divergence: Divergence, alone: dict[Location, Cause]) -> Divergence:
        if cause := alone.get(divergence.location):
            return replace(divergence, cause=cause.label, causes=(cause,))
        content = self._of_content(divergence)
        found = [*content, *fact_causes(divergence)]
        if not found or ("content" in divergence.aspects and not content):
            passed = divergence.location in self._passed
            why = "not looked into: too large, or too many files differ" if passed else "no rule explains it"
            found.append(RULES[UNKNOWN].found(LOW, why))
        merged = tuple(sorted(_merged(found), key=lambda cause: (cause.label == UNKNOWN, cause.confidence == LOW)))
        return replace(divergence, cause=merged[0].label, causes=merged)

    def _of_content(self, divergence: Divergence) -> list[Cause]:
        if "content" not in divergence.aspects:
            return []
        return list(leaf_causes(divergence)) or self._by_words(divergence.location)

    def _by_words(self, location: Location) -> list[Cause]:
        """What the bytes showed; and of words that no rule knew then, what other files say of them by now."""
        found = self._seen.get(location, [])
        open_ = [(pair, self._known.told(*pair)) for pair in self._unexplained.get(location, ())]
        learned = [RULES[told[0]].found(*told[1:]) for _, told in open_ if told]
        if learned and all(told for _, told in open_):
            found = [cause for cause in found if cause.label != UNKNOWN]
        return [*found, *learned]


def _merged(causes: list[Cause]) -> list[Cause]:
    """One cause a label: the first, with the evidence of all."""
    by_label: dict[str, Cause] = {}
    for cause in causes:
        before = by_label.get(cause.label)
        evidence = tuple(dict.fromkeys((*before.evidence, *cause.evidence))) if before else cause.evidence
        surest = min(before or cause, cause, key=lambda c: CONFIDENCES.index(c.confidence))
        by_label[cause.label] = replace(surest, evidence=evidence)
    return list(by_label.values())
