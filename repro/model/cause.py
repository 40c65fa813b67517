"""Why a member diverges: a cause of a known kind, how sure that is, what shows it, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repro.model.reading import one_of, rows, text, word

HIGH, MEDIUM, LOW = "high", "medium", "low"
CONFIDENCES = (HIGH, MEDIUM, LOW)  # the surest first

UNKNOWN = "unknown"  # the label that says that no rule explains it


@dataclass(frozen=True)
class Cause:
    """One cause of a divergence. `label` is the rule's, `evidence` what both sides show, a sentence each, `remedy` what
    settles it, `link` where to read more (may be empty). `confidence` is `high` only where both sides show it."""

    label: str
    confidence: str
    evidence: tuple[str, ...]
    remedy: str
    link: str


def cause(raw: dict[str, Any]) -> Cause:
    """A cause as a comparison holds it. Raises what `reading.WRONG` names."""
    return Cause(
        label=word(raw["label"]),
        confidence=one_of(raw["confidence"], CONFIDENCES),
        evidence=rows(raw["evidence"], text),
        remedy=text(raw["remedy"]),
        link=text(raw["link"]),
    )
