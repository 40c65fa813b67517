from __future__ import annotations

from collections.abc import Iterator

import pytest

from repro.sandbox.backend import choose
from repro.sandbox.environment import Environment
from repro.sandbox.session import Session, open_session

MODULES = ("tests.image.inside", "repro.image.normalize", "repro.image.root_inside", "repro.sandbox.unpack")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A sandbox with nothing in it: only functions can be called there."""
    log = tmp_path_factory.mktemp("bare") / "log"
    with (
        open(log, "wb") as stream,
        open_session(
            Environment(1700000000), choose("auto"), log=stream, preload=MODULES, timeout=60, size=256 << 20
        ) as session,
    ):
        yield session
