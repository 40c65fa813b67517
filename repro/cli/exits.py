"""Exit codes (DESIGN section 5) and the one mapping from errors and verdicts to them."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from repro.model import errors
from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE

EXIT_DIFFERENT = 1
EXIT_UNAVAILABLE = 4
EXIT_INCONCLUSIVE = 7
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141  # whoever read our output went away: no verdict was given, so it must not look like one

_ERRORS: dict[type[errors.ReproError], int] = {
    errors.InvalidInput: 2,
    errors.BuildFailed: 3,
    errors.Unavailable: EXIT_UNAVAILABLE,
    errors.IntegrityFailure: 5,
    errors.PolicyNotMet: 6,
    errors.Inconclusive: EXIT_INCONCLUSIVE,
}
# Of several recipes, the worst first: what ended it all, then what gave no verdict (first what may be an attack, then
# what only a person can mend, last what another try may mend), then bad news, then none. ci/gate.sh goes by it too.
WORST = (EXIT_INTERRUPTED, 5, 2, 3, EXIT_UNAVAILABLE, EXIT_DIFFERENT, 6, 7, 0)
VERDICTS = {IDENTICAL: 0, DIFFERENT: EXIT_DIFFERENT, INCONCLUSIVE: EXIT_INCONCLUSIVE}


def exit_code(error: errors.ReproError) -> int:
    """The exit code of the nearest class in `error`'s ancestry."""
    return next((_ERRORS[kind] for kind in type(error).__mro__ if kind in _ERRORS), EXIT_BUG)


def worst(codes: Iterable[int]) -> int:
    """The one of `codes` that stands first in `WORST`; 0 where there are none."""
    return min(codes, key=WORST.index, default=0)


def complain(error: errors.ReproError, about: str = "") -> None:
    """Say on standard error what failed and what to do."""
    print(f"repro: {about}{error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
