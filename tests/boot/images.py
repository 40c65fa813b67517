"""Building what the boot tests boot, through the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from repro.system.run import run

ROOT = Path(__file__).resolve().parents[2]
_PASSED_ON = ("HOME", "REPRO_STORE", "XDG_CACHE_HOME", "PYTHONPATH")


def build_minimal(folder: Path) -> Path:
    """`repro build minimal` into `folder`; stages that were built before come from the store."""
    command = [sys.executable, "-m", "repro.cli.main", "--progress", "plain", "build", "minimal", "-o", str(folder)]
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    run(command, cwd=ROOT, env=env, timeout=1800)
    return folder / "minimal.iso"
