"""What all tests share: in CI a skipped test is a failure; property tests take more examples when asked to."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.boot.images import build
from tests.users import OrdinaryUser

# No deadline: the machine may be busy with other things, and slow is not wrong.
settings.register_profile("repro", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("repro"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repro"))

# A skip in CI whose reason begins so is about the kind of host, not about something that the set-up forgot.
ABOUT_THE_HOST = "host:"

# Groups of slow tests that must stay on one worker: they begin first, side by side, so that none is left for the end.
LONG_GROUPS = ("boot", "pipeline", "serve-tools")


@pytest.hookimpl(trylast=True)  # the marks are given by the folders' own conftest files
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        mark = item.get_closest_marker("xdist_group")
        group = mark.args[0] if mark else None
        return LONG_GROUPS.index(group) if group in LONG_GROUPS else len(LONG_GROUPS)

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(ABOUT_THE_HOST):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped, and in CI nothing is: {reason}"
    return report


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[OrdinaryUser]:
    user = OrdinaryUser()
    yield user
    user.close()


@pytest.fixture(scope="session")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The minimal ISO: $REPRO_TEST_ISO, or one that is built here from the committed lock."""
    if given := os.environ.get("REPRO_TEST_ISO"):
        return Path(given)
    return build("minimal", tmp_path_factory.mktemp("iso")) / "minimal.iso"
