"""Walking two artifacts side by side; the bridge to diffoscope."""

from repro.compare.artifacts import compare_artifacts, compare_with_digest
from repro.compare.baseline import complete, judge, judge_all
from repro.compare.baseline_update import Terms, updated
from repro.compare.budget import Limits

__all__ = [
    "Limits",
    "Terms",
    "compare_artifacts",
    "compare_with_digest",
    "complete",
    "judge",
    "judge_all",
    "updated",
]
