"""Pairs on which a comparison once raised, hung or swallowed memory (tests/crashers), and a short look for more."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import fuzz

KEPT = sorted(path.name.removesuffix(".left.gz") for path in fuzz.CRASHERS.glob("*.left.gz"))
SECONDS = 30


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    left, right = (gzip.decompress((fuzz.CRASHERS / f"{name}.{side}.gz").read_bytes()) for side in ("left", "right"))
    assert fuzz.apart(lambda: fuzz.examine(left, right)) == ""


def test_something_is_kept() -> None:
    assert KEPT


def test_a_short_run() -> None:
    """The same seed every time, so that it fails for what was changed; `make fuzz` takes others."""
    seed = os.environ.get("REPRO_FUZZ_SEED", "ci")
    argv = [sys.executable, "-m", "tests.fuzz", str(SECONDS), seed]
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=SECONDS * 10, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "pairs in" in done.stdout


def test_the_fuzzer_notices() -> None:
    def raises() -> None:
        raise KeyError("a bug")

    def swallows() -> None:
        bytearray(fuzz.MEMORY)

    assert "KeyError" in fuzz.apart(raises)
    assert "MemoryError" in fuzz.apart(swallows)
    assert fuzz.apart(lambda: os.kill(os.getpid(), 9)) == "ended by signal 9"
