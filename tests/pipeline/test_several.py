"""`repro verify` for several recipes, and for those that a change can touch; the building itself is canned."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest

from repro.cli.exits import WORST, worst
from tests.pipeline.canned import CANNED, Canned, canned_project
from tests.schemas import check


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Canned:
    made = canned_project(tmp_path_factory.mktemp("several"))
    made.another("tony")
    for words in (["init", "-q"], ["add", "recipes", "snapshots"], ["tag", "start"]):
        if words[0] == "tag":
            git(made, "commit", "-qm", "recipes")
        git(made, *words)
    return made


def git(canned: Canned, *words: str) -> None:
    argv = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *words]
    subprocess.run(argv, cwd=canned.project, check=True, capture_output=True)


@pytest.fixture
def canned(prepared: Canned) -> Iterator[Canned]:
    yield prepared
    git(prepared, "checkout", "-q", "--", "recipes", "snapshots")
    for name in ("out", "reports", "tmp", "elsewhere"):
        shutil.rmtree(prepared.project / name, ignore_errors=True)


def test_each_gets_results_of_its_own_and_the_worst_counts(canned: Canned) -> None:
    reports = canned.project / "tmp"
    args = ("-o", "elsewhere", "--report", f"json={reports}/gate.json", "--report", f"junit={reports}/junit")
    done = canned.run("verify", "tiny", "tony", "tiny", *args, env={"SECOND_tony": str(canned.second)})
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("results in ") == 2
    assert done.stdout.endswith("tiny: exit 0 (as it should be)\ntony: exit 1 (different)\n")
    verdicts = {name: check((reports / f"gate.{name}.json").read_bytes())["verdict"] for name in ("tiny", "tony")}
    assert verdicts == {"tiny": "identical", "tony": "different"}
    assert sorted(path.name for path in reports.iterdir()) == [
        "gate.tiny.json",
        "gate.tony.json",
        "junit.tiny",
        "junit.tony",
    ]
    for name in ("tiny", "tony"):
        assert (canned.project / "elsewhere" / name / f"{name}.squashfs").exists()


def test_what_fails_does_not_keep_the_others(canned: Canned) -> None:
    done = canned.run("verify", "tiny", "tony", env={"BROKEN": "tiny"})
    assert done.returncode == 3, done.stderr
    assert "repro: tiny: the build step failed\nhint: this is a test" in done.stderr
    assert "tiny: exit 3 (no verdict)\ntony: exit 0" in done.stdout
    (canned.project / "recipes/tony/recipe.lock").write_text("nonsense")
    done = canned.run("verify", "tony", "tiny", second=canned.second)
    assert (done.returncode, "tony: exit 2" in done.stdout, "tiny: exit 1" in done.stdout) == (2, True, True)


def test_interrupted_is_the_end_of_all(canned: Canned) -> None:
    (canned.project / "tmp").mkdir()
    command = canned.world.command()
    process = subprocess.Popen(
        [command[0], "-c", CANNED, *command[3:], "verify", "tiny", "tony"],
        env=canned.environment(SLOW="second"),
        cwd=canned.project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = ""
    while "root file system" not in said.partition("rebuild-2: tiny")[2]:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    said += process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "tony" not in said


@pytest.mark.parametrize("args", [("--against", "x.iso"), ("--publish",)])
@pytest.mark.parametrize("named", [("tiny", "tony"), ("--changed-since", "start")])
def test_what_is_about_one_image_takes_one_recipe(
    canned: Canned, args: tuple[str, ...], named: tuple[str, ...]
) -> None:
    done = canned.run("verify", *named, *args)
    assert done.returncode == 2 and f"{args[0]} takes exactly one RECIPE" in done.stderr and "hint: " in done.stderr


def test_nothing_named_and_names_that_are_not_there(canned: Canned) -> None:
    done = canned.run("verify")
    assert done.returncode == 2 and "no RECIPE is named" in done.stderr and "hint: " in done.stderr
    done = canned.run("verify", "tiny", "tonny")
    assert done.returncode == 2 and "there is no recipe 'tonny'" in done.stderr
    assert not canned.out.exists(), "names are looked at before anything is built"


def test_only_what_a_change_touches(canned: Canned) -> None:
    done = canned.run("verify", "--changed-since", "start")
    assert (done.returncode, done.stdout) == (0, "tiny: untouched since start\ntony: untouched since start\n"), (
        done.stderr
    )
    overlay = canned.project / "recipes/tony/overlay"
    overlay.mkdir()
    (overlay / "file").write_text("new")
    try:
        done = canned.run("verify", "--changed-since", "start", second=canned.second)
        assert done.returncode == 1 and done.stdout.startswith("tiny: untouched since start\ntony:\n"), done.stdout
        assert not canned.out.exists() and (canned.project / "out/tony").exists()
        done = canned.run("verify", "tiny", "--changed-since", "start", "--against", str(canned.second))
        assert (done.returncode, done.stdout) == (0, "tiny: untouched since start\n")
    finally:
        shutil.rmtree(overlay)


@pytest.mark.parametrize("revision", ["nowhere", "-x", "--output=owned"])
def test_a_revision_that_is_none(canned: Canned, revision: str) -> None:
    done = canned.run("verify", "tiny", f"--changed-since={revision}")
    assert done.returncode == 2 and revision in done.stderr and "hint: " in done.stderr
    assert not (canned.project / "owned").exists()


def test_the_order_is_total_and_first_wins() -> None:
    assert [WORST.index(code) for code in (130, 5, 3, 4, 1, 6, 7, 0)] == sorted(
        WORST.index(code) for code in (130, 5, 3, 4, 1, 6, 7, 0)
    )
    for pair in itertools.permutations(WORST, 2):
        assert worst(pair) == next(code for code in WORST if code in pair)
    assert worst([]) == 0
