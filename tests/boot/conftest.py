"""The image that is booted, as a disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repro.system.run import run
from tests.boot.images import build


@pytest.fixture(scope="session")
def stick(iso: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bytes of the ISO at the start of a larger disk, as on a real stick."""
    disk = tmp_path_factory.mktemp("stick") / "disk.img"
    run(["cp", "--sparse=always", str(iso), str(disk)])
    os.truncate(disk, (iso.stat().st_size // (1 << 28) + 1) * (1 << 28))
    return disk


@pytest.fixture(scope="session")
def amnesic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The USB image of the amnesic system: $REPRO_TEST_AMNESIC, or one that is built here from the committed lock."""
    if given := os.environ.get("REPRO_TEST_AMNESIC"):
        return Path(given)
    return build("amnesic", tmp_path_factory.mktemp("amnesic"), "--output", "usb") / "amnesic.img"
