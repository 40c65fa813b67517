"""Running `repro` as an ordinary user, also where the tests run as root in a folder that nobody else may read."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534
_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
# What only developers use, and is large.
_LEFT_OUT = (
    "pip*",
    "setuptools*",
    "mypy*",
    "*__mypyc*",
    "ruff*",
    "hypothesis*",
    "_pytest*",
    "ast_serialize*",
    "__pycache__",
)


class OrdinaryUser:
    """`repro` and its libraries where all may read them, and a `home` that the user may write."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="repro-ordinary-"))
        self.folder.chmod(0o755)
        self.home = self.folder / "home"
        self.home.mkdir()
        self._python, self._library = sys.executable, str(ROOT)
        if os.getuid() == 0:
            os.chown(self.home, NOBODY, NOBODY)
            self._python = _readable_python()
            self._library = str(self._copied())

    def argv(self, *args: str) -> list[str]:
        """`repro ARGS`, to be started with `identity()`."""
        return [self._python, "-B", "-m", "repro.cli.main", "--store", str(self.home / "store"), *args]

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": self._library}

    def identity(self) -> dict[str, Any]:
        """What makes a program that user's, for subprocess.Popen."""
        return {"env": self.environment(), "cwd": self.home, **(_NOBODY if os.getuid() == 0 else {})}

    def run(self, *args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*args), capture_output=True, text=True, timeout=timeout, check=False, **self.identity()
        )

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _copied(self) -> Path:
        library = self.folder / "library"
        shutil.copytree(sysconfig.get_path("purelib"), library, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        shutil.copytree(ROOT / "repro", library / "repro", ignore=shutil.ignore_patterns("__pycache__"))
        for folder, _, files in os.walk(library):
            os.chmod(folder, 0o755)
            for name in files:
                os.chmod(os.path.join(folder, name), 0o644)
        return library


def _readable_python() -> str:
    """A Python of our own minor version that any user may run."""
    minor = f"python3.{sys.version_info[1]}"
    for python in (os.path.realpath(sys.executable), f"/usr/bin/{minor}", f"/usr/local/bin/{minor}"):
        with contextlib.suppress(OSError):
            if subprocess.run([python, "-c", ""], capture_output=True, check=False, cwd="/", **_NOBODY).returncode == 0:
                return python
    pytest.skip(f"host: no {minor} that an ordinary user may run")
