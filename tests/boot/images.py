"""Building what the boot tests boot, through the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from repro.system.run import run

ROOT = Path(__file__).resolve().parents[2]
_PASSED_ON = ("HOME", "REPRO_STORE", "XDG_CACHE_HOME", "PYTHONPATH")


def build(recipe: str, folder: Path, *more: str, project: Path = ROOT) -> Path:
    """`repro build RECIPE` of `project` into `folder`; stages that were built before come from the store."""
    repro("build", recipe, "-o", str(folder), *more, project=project)
    return folder


def repro(*args: str, project: Path = ROOT) -> str:
    """What `repro ARGS` in the folder of `project` writes on its standard output."""
    command = [sys.executable, "-m", "repro.cli.main", "--progress", "plain", *args]
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return run(command, cwd=project, env={**env, "PYTHONPATH": str(ROOT)}, timeout=3600).stdout.decode()
