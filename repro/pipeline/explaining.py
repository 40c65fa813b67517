"""Comparing two artifacts and saying why what diverges does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from repro.compare import Limits, compare_artifacts
from repro.diagnose import Judge
from repro.diagnose.known import Pair
from repro.model.comparison import Comparison
from repro.sandbox.environment import Environment
from repro.system.progress import Observer


def compare(
    left: Path,
    right: Path,
    *,
    deep: bool,
    observer: Observer,
    limits: Limits | None = None,
    on_partial: Callable[[Comparison], None] | None = None,
    surroundings: tuple[Environment, Environment] | None = None,
) -> Comparison:
    """As `compare_artifacts`, with the causes of each divergence. `surroundings` are those in which either side was
    made, where that is known: then their names and paths are certain, not guessed. Raises as it does."""
    judge = Judge(_known(*surroundings) if surroundings else None)

    def partial(found: Comparison) -> None:
        if on_partial:
            on_partial(judge.judged(found))

    found = compare_artifacts(
        left, right, deep=deep, observer=observer, limits=limits, on_partial=partial, on_leaf=judge.look
    )
    return judge.judged(found)


def _known(left: Environment, right: Environment) -> dict[Pair, str]:
    """The words that stand for one another because the surroundings differ in them."""
    pairs = {
        "captures_hostname": (left.hostname, right.hostname),
        "captures_build_path": (left.build_path, right.build_path),
        "captures_home_dir": (left.home, right.home),
        "captures_user": (left.user, right.user),
        "captures_kernel_version": (left.release, right.release),
        "locale_text": (left.locale, right.locale),
        "timezone": (left.timezone, right.timezone),
    }
    return {pair: label for label, pair in pairs.items() if pair[0] != pair[1] and all(pair)}
