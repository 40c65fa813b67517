"""diffoscope on many pairs, each in a process of its own but with one import for all: it takes most of the time.

    python -m tests.compare.diffoscope_runs LEFT RIGHT OUT     two folders with the same names, one JSON file a pair

A pair on which diffoscope fails leaves no file. Runs apart from the tests because it forks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from diffoscope import main as program
from diffoscope.comparators import ComparatorManager

_SECONDS = 60
_OPTIONS = ("--no-progress", "--exclude-directory-metadata=yes", "--fuzzy-threshold", "0", "--max-report-size", "0")


def one(name: str, left: Path, right: Path, out: Path) -> None:
    """Compare the pair called `name`; never returns."""
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    signal.alarm(_SECONDS)
    made = out / f"{name}.part"
    with contextlib.suppress(BaseException):
        program.main([*_OPTIONS, "--json", str(made), str(left / name), str(right / name)])
    with contextlib.suppress(OSError, ValueError):
        if made.read_bytes().rstrip().endswith(b"}"):
            made.rename(out / f"{name}.json")
    os._exit(0)


def run(left: Path, right: Path, out: Path, at_once: int) -> None:
    """Compare all pairs, `at_once` at a time."""
    ComparatorManager().reload()
    running = 0
    for name in sorted(path.name for path in left.iterdir()):
        if running >= at_once:
            os.wait()
            running -= 1
        if not os.fork():
            one(name, left, right, out)
        running += 1
    for _ in range(running):
        os.wait()


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:4]), at_once=2)
