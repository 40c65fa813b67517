"""How often the rules are right: precision and recall by label and in total, of what rules were written against and
of what was held back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from repro.model.cause import HIGH, UNKNOWN


@dataclass(frozen=True)
class Answer:
    """A labelled divergence: where it is, which labels are right, and what the rules said first."""

    case: str
    place: str
    right: frozenset[str]
    said: str
    confidence: str
    held_back: bool

    @property
    def correct(self) -> bool:
        return self.said in self.right

    @property
    def label(self) -> str:
        """The label that this divergence counts for: what was said where that is right, else the first by name."""
        return self.said if self.correct else min(self.right)


@dataclass(frozen=True)
class Row:
    """Of one label, or of all: how many divergences bear it, how many were told so, and how many of those rightly."""

    label: str
    labelled: int
    said: int
    right: int
    confident_wrong: int

    @property
    def precision(self) -> float:
        return self.right / self.said if self.said else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.labelled if self.labelled else 1.0

    @property
    def misled(self) -> float:
        """The share of wrong labels that were said with high confidence."""
        return self.confident_wrong / self.labelled if self.labelled else 0.0


def rows(answers: Sequence[Answer]) -> list[Row]:
    """One row a label that is right or was said, sorted by name."""
    labels = sorted({each.label for each in answers} | {each.said for each in answers if each.said != UNKNOWN})
    return [_row(label, answers) for label in labels]


def _row(label: str, answers: Iterable[Answer]) -> Row:
    bears = [each for each in answers if each.label == label]
    said = [each for each in answers if each.said == label]
    wrong = [each for each in said if not each.correct]
    confident = sum(each.confidence == HIGH for each in wrong)
    return Row(label, len(bears), len(said), len(said) - len(wrong), confident)


def total(answers: Sequence[Answer]) -> Row:
    """All labels as one; `unknown` is no answer, so that it costs recall but not precision."""
    said = [each for each in answers if each.said != UNKNOWN or each.correct]
    right = sum(each.correct for each in said)
    confident = sum(not each.correct and each.confidence == HIGH for each in said)
    return Row("total", len(answers), len(said), right, confident)


def render(answers: Sequence[Answer]) -> Iterator[str]:
    """The table, lines of at most 80 characters."""
    yield f"{'label':<30}{'open':>6}{'prec.':>8}{'recall':>8}{'held':>8}{'prec.':>8}{'recall':>8}"
    parts = [[each for each in answers if each.held_back is held] for held in (False, True)]
    by_label = [{row.label: row for row in rows(part)} for part in parts]
    for label in sorted({*by_label[0], *by_label[1]}):
        yield f"{label:<30}{_cells(by_label[0].get(label)):>22}{_cells(by_label[1].get(label)):>24}"
    sums = [total(part) for part in parts]
    yield f"{'total':<30}{_cells(sums[0]):>22}{_cells(sums[1]):>24}"


def _cells(row: Row | None) -> str:
    if not row:
        return ""
    return f"{row.labelled:>6}{row.precision:>8.1%}{row.recall:>8.1%}"


def cases(answers: Sequence[Answer]) -> str:
    """In a line, how many cases these are answers to, and in how many of those held back each answer is right."""
    names = {each.case for each in answers}
    held = {each.case for each in answers if each.held_back}
    wrong = {each.case for each in answers if each.held_back and not each.correct}
    return f"{len(names)} cases; of {len(held)} with answers held back all are right in {len(held - wrong)}"


def summary(answers: Sequence[Answer]) -> str:
    """The last line; shares from 0 to 1, `confident_wrong` the larger of that of all and that of what was held back."""
    all_, held = total(answers), total([each for each in answers if each.held_back])
    return (
        f"labelled={all_.labelled} precision={all_.precision:.3f} recall={all_.recall:.3f} "
        f"heldback_accuracy={held.recall:.3f} confident_wrong={max(all_.misled, held.misled):.3f}"
    )


def good(answers: Sequence[Answer]) -> bool:
    """Whether the targets are met: 150 labelled, 90 % of those held back right, 2 % wrong with high confidence."""
    all_, held = total(answers), total([each for each in answers if each.held_back])
    return all_.labelled >= 150 and held.recall >= 0.9 and max(all_.misled, held.misled) < 0.02
