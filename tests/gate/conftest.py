"""A desk to compare at, and a project whose building is canned."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate.desk import Desk
from tests.pipeline.canned import Canned
from tests.snapshot.world import Server, World


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Canned:
    if not shutil.which("mksquashfs"):
        pytest.skip("mksquashfs is missing (package squashfs-tools)")
    folder = tmp_path_factory.mktemp("canned")
    world = World(folder / "project", (100, 200))
    with Server() as server:
        server.files = world.tree()
        done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
        assert done.returncode == 0, done.stderr
    return Canned(folder, world)


@pytest.fixture
def canned(prepared: Canned) -> Iterator[Canned]:
    yield prepared
    for name in ("out", "reports", "tmp", "recipes/tiny/baseline.toml", "known.toml"):
        path = prepared.project / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
