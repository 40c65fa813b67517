"""Why members diverge: one rule a cause, each looking at the bytes and facts of both sides (docs/causes.md)."""

from repro.diagnose.judge import Judge
from repro.diagnose.registry import RULES

__all__ = ["RULES", "Judge"]
