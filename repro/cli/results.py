"""The files that `build` and `verify` leave in their output folder, and that `attest create` reads."""

from __future__ import annotations

from pathlib import Path

from repro.model.record import FILE as BUILD
from repro.model.trace import FILE as TRACE
from repro.model.verification import FILE as VERIFICATION

_EARLIER = (BUILD, VERIFICATION, "report.txt", "comparison*.json", TRACE)


def clear_results(folder: Path) -> None:
    """Remove what an earlier run said, before the results of another take its place: they must not mix."""
    for pattern in _EARLIER:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
