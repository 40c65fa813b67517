"""The image that is booted: $REPRO_TEST_ISO, or one that is built here from the committed lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repro.system.run import run
from tests.boot.images import build_minimal


@pytest.fixture(scope="session")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("REPRO_TEST_ISO"):
        return Path(given)
    return build_minimal(tmp_path_factory.mktemp("iso"))


@pytest.fixture(scope="session")
def stick(iso: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bytes of the ISO at the start of a larger disk, as on a real stick."""
    disk = tmp_path_factory.mktemp("stick") / "disk.img"
    run(["cp", "--sparse=always", str(iso), str(disk)])
    os.truncate(disk, (iso.stat().st_size // (1 << 28) + 1) * (1 << 28))
    return disk
