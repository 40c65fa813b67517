"""`repro hunt RECIPE` on a real root tree, ended and gone on with, and what normalizers are for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repro.model import hunt as hunts
from repro.model.hunt import CERTAIN, CHANCE, Attribution, Hunt
from tests import schemas
from tests.pipeline.bench import TINY, Bench, Clone
from tests.pipeline.conftest import Built

HOOK = """\
#!/bin/sh
umask 022
hostname > /opt/host
date +%s > /opt/time
head -c 8 /dev/urandom > /opt/random
umask > /opt/mask
(umask 027; echo > /opt/open)
"""
FACTORS = ("hostname", "time", "umask")


@pytest.fixture(scope="module")
def planted(bench: Bench, built: Built) -> Clone:
    clone = bench.clone("planted")
    (clone.folder / "recipes/tiny/recipe.lock").write_text(
        (built.clone.folder / "recipes/tiny/recipe.lock").read_text()
    )
    clone.recipe("planted", TINY.replace('["squashfs", "iso"]', '["squashfs"]'))
    clone.lock_like("tiny", "planted")
    clone.write("recipes/planted/hooks/10-plant", HOOK, 0o755)
    return clone


@pytest.fixture(scope="module")
def hunted(bench: Bench, built: Built, planted: Clone) -> Hunt:
    options = [word for name in FACTORS for word in ("--vary", name)]
    done = bench.run(
        *("--offline", "hunt", "planted", "--json", "--without-normalizer", "clamped-times", *options),
        clone=planted,
        store=built.store,
    )
    assert done.returncode == 1, done.stderr
    schemas.check(done.stdout)
    return hunts.decode(done.stdout.encode(), "stdout")


def of(found: Hunt, path: str, aspect: str = "content") -> Attribution:
    return next(each for each in found.attributions if each.location == (path,) and each.aspect == aspect)


def test_each_file_has_its_factor(hunted: Hunt) -> None:
    content = {each.location[0] for each in hunted.attributions if each.aspect == "content" and each.location}
    assert {path for path in content if path.startswith("opt")} == {"opt/host", "opt/time", "opt/random"}
    assert of(hunted, "opt/host").factors == ("hostname",)
    assert of(hunted, "opt/time").factors == ("time",)
    assert of(hunted, "opt/random").how == CHANCE
    assert {of(hunted, f"opt/{name}").confidence for name in ("host", "time", "random")} == {CERTAIN}


def test_what_a_normalizer_is_for(hunted: Hunt) -> None:
    """Without it what a build writes carries the time of writing, by the kernel's clock; what it unpacks does not."""
    assert of(hunted, "opt/open", "mtime").how == CHANCE
    assert not any(each.location == ("usr/bin/dpkg",) for each in hunted.attributions)


def test_a_hunt_goes_on_where_it_was(bench: Bench, built: Built, planted: Clone, hunted: Hunt) -> None:
    """Every build is kept: the same hunt again builds nothing, and finds the same."""
    options = [word for name in FACTORS for word in ("--vary", name)]
    args = ("hunt", "planted", "--without-normalizer", "clamped-times", *options)
    done = bench.run("--offline", *args, clone=planted, store=built.store)
    assert done.returncode == 1, done.stderr
    out: Path = planted.folder / "out/hunt-planted"
    again = hunts.decode((out / "hunt.json").read_bytes(), "hunt.json")
    assert all(build.reused for build in again.builds)
    assert again.attributions == hunted.attributions
    assert "opt/host" in done.stdout and "hostname" in done.stdout


def test_a_build_without_a_normalizer_says_so(bench: Bench, built: Built, planted: Clone, hunted: Hunt) -> None:
    args = ("build", "planted", "--without-normalizer", "clamped-times", "--without-normalizer", "apt-state", "--json")
    done = bench.run("--offline", *args, clone=planted, store=built.store)
    assert done.returncode == 0, done.stderr
    record = schemas.check(done.stdout)
    assert record["claim"]["environment"]["without"] == ["apt-state", "clamped-times"]
    assert not {"apt-state", "clamped-times"} & record["claim"]["normalizers"].keys()
    assert "without" not in json.loads((built.out / "build.json").read_bytes())["claim"]["environment"]


def test_nothing_that_was_built_without_one_is_published(bench: Bench, built: Built, planted: Clone) -> None:
    args = ("verify", "planted", "--without-normalizer", "logs", "--publish")
    done = bench.run("--offline", *args, clone=planted, store=built.store)
    assert (done.returncode, "not to be published" in done.stderr) == (2, True)
    assert not (planted.folder / "reports/planted.json").exists()
    done = bench.run("--offline", "build", "planted", "--without-normalizer", "snow", clone=planted, store=built.store)
    assert (done.returncode, "no normalizer is called 'snow'" in done.stderr) == (2, True)
