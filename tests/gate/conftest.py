"""A desk to compare at, the canned project of the pipeline's tests, and a `repro` for it that a shell can call."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gate.desk import Desk
from tests.pipeline.canned import CANNED, Canned, canned_project


@dataclass(frozen=True)
class Place:
    """A project with the recipes `tiny` and `tony` in a git repository, and `repro`, a program that copies images."""

    canned: Canned
    repro: Path

    @property
    def project(self) -> Path:
        return self.canned.project

    def environment(self, second: Path | None = None, **extra: str) -> dict[str, str]:
        """`second` is what the varied build gives, where that is another image."""
        return {
            **self.canned.environment(second),
            "REPRO": str(self.repro),
            "REPRO_STORE": str(self.canned.world.store),
            "REPRO_SNAPSHOT_URL": "http://127.0.0.1:9",
            **extra,
        }

    def git(self, *words: str) -> str:
        argv = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *words]
        return subprocess.run(argv, cwd=self.project, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("gate")
    canned = canned_project(folder)
    canned.another("tony")
    program = folder / "canned.py"
    program.write_text(CANNED)
    repro = folder / "repro"
    repro.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
    repro.chmod(0o755)
    place = Place(canned, repro)
    (canned.project / ".gitignore").write_text("store/\nout/\ntmp/\n")
    place.git("init", "-q")
    place.git("add", ".")
    place.git("commit", "-qm", "recipes")
    place.git("tag", "start")
    return place


@pytest.fixture
def place(original: Place) -> Iterator[Place]:
    (original.project / "tmp").mkdir(exist_ok=True)
    yield original
    original.git("reset", "-q", "--hard", "start")
    original.git("clean", "-qfd")
    for name in ("out", "tmp"):
        shutil.rmtree(original.project / name, ignore_errors=True)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Canned:
    return canned_project(tmp_path_factory.mktemp("canned"))


@pytest.fixture
def canned(prepared: Canned) -> Iterator[Canned]:
    yield prepared
    for name in ("out", "reports", "tmp", "recipes/tiny/baseline.toml", "known.toml"):
        path = prepared.project / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
