"""Walking two artifacts side by side; the bridge to diffoscope."""

from repro.compare.artifacts import compare_artifacts, compare_with_digest
from repro.compare.budget import Limits

__all__ = ["Limits", "compare_artifacts", "compare_with_digest"]
