"""Comparing two artifacts and saying why what diverges does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from repro.compare import Limits, compare_artifacts
from repro.diagnose import Judge
from repro.model.comparison import Comparison
from repro.system.progress import Observer


def compare(
    left: Path,
    right: Path,
    *,
    deep: bool,
    observer: Observer,
    limits: Limits | None = None,
    on_partial: Callable[[Comparison], None] | None = None,
) -> Comparison:
    """As `compare_artifacts`, with the causes of each divergence. Raises as it does."""
    judge = Judge()

    def partial(found: Comparison) -> None:
        if on_partial:
            on_partial(judge.judged(found))

    found = compare_artifacts(
        left, right, deep=deep, observer=observer, limits=limits, on_partial=partial, on_leaf=judge.look
    )
    return judge.judged(found)
