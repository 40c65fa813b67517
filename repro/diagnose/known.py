"""Words that are known to stand for one another: by what is known of both surroundings, or by another file of the
same comparison that shows it."""

from __future__ import annotations

from collections.abc import Mapping

from repro.diagnose.rule import sides
from repro.model.cause import HIGH, MEDIUM

Pair = tuple[str, str]

# What one file shows of the surroundings holds for all: labels of words that are the same in a whole build.
_OF_THE_BUILD = frozenset(
    ("captures_hostname", "captures_user", "captures_home_dir", "captures_build_path", "captures_kernel_version")
)
_SHORTEST = 4  # letters: shorter words stand in others by chance
_LONGEST = 200
_UNEXPLAINED = 50  # of a file that are kept


class Known:
    """`given`: the words of either side that are certain, with the label of what they stand for."""

    def __init__(self, given: Mapping[Pair, str] | None = None) -> None:
        self._given = dict(given or {})
        self._learned: dict[Pair, str] = {}
        self._unexplained: list[Pair] = []

    def told(self, left: str, right: str) -> tuple[str, str, str] | None:
        """Label, confidence and evidence of two words that differ by known ones alone; None where they do not."""
        for known, confidence in ((self._given, HIGH), (self._learned, MEDIUM)):
            for (ours, theirs), label in known.items():
                if left.replace(ours, theirs) == right and ours in left:
                    return label, confidence, sides(left, right)
        return None

    def learn(self, left: str, right: str, label: str) -> None:
        """Take down two words that a rule is sure of."""
        if label in _OF_THE_BUILD and _SHORTEST <= min(len(left), len(right)) <= max(len(left), len(right)) < _LONGEST:
            self._learned.setdefault((left, right), label)

    def unexplained(self, left: str, right: str) -> None:
        """Take down two words of the file at hand that no rule knows."""
        if len(self._unexplained) < _UNEXPLAINED:
            self._unexplained.append((left[:_LONGEST], right[:_LONGEST]))

    def taken(self) -> tuple[Pair, ...]:
        """The words of the file at hand that no rule knows; the next file begins."""
        found, self._unexplained = tuple(self._unexplained), []
        return found
