"""A sample of `make faults`, by the same seeds: servers that misbehave, and kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.snapshot.settings import load_settings
from tests.faults.plans import plan
from tests.faults.runs import Stage, real_packages, run_kill, run_plan
from tests.faults.server import KINDS

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("faults")]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    if not load_settings().mirrors["debian"]:
        pytest.skip("host: no source of Debian's packages")
    folder = tmp_path_factory.mktemp("faults")
    return Stage(folder / "project", real_packages(folder))


@pytest.mark.parametrize("seed", range(0, 200, 14))
def test_it_completes_or_stops_cleanly(stage: Stage, seed: int, tmp_path: Path) -> None:
    """Right bytes or exit 4 or 5 with the culprit's name, within the budget; the second run continues the first."""
    run_plan(stage, seed, tmp_path)


@pytest.mark.parametrize("seed", range(5))
def test_a_kill_leaves_the_store_intact(stage: Stage, seed: int, tmp_path: Path) -> None:
    run_kill(stage, seed, tmp_path)


def test_the_plans_have_every_fault_and_are_the_same_every_time(stage: Stage) -> None:
    plans = [plan(seed, stage.paths) for seed in range(200)]
    assert plans == [plan(seed, stage.paths) for seed in range(200)]
    assert {fault.kind for each in plans for faults in each.faults.values() for fault in faults.values()} == set(KINDS)
    assert any(each.replaced for each in plans)
    assert any(each.other_index for each in plans)
    assert any(each.stale for each in plans)
