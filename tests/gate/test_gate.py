"""ci/gate.sh by itself: what it writes, what it exits with, what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from markdown_it import MarkdownIt

from ci import summary
from repro.cli.exits import WORST
from tests.gate.conftest import Place
from tests.schemas import check
from tests.users import ROOT

GATE = ROOT / "ci/gate.sh"
SCRIPTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "ci").glob("*.sh"))


def gate(place: Place, *args: str, second: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GATE, *args],
        cwd=place.project,
        env=place.environment(second, **env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def report(place: Place, name: str) -> str:
    return (place.project / "out/gate" / name).read_text()


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script: str) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is missing (package shellcheck)")
    done = subprocess.run(["shellcheck", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_two_recipes_with_every_report(place: Place) -> None:
    done = gate(place, second=None, SECOND_tony=str(place.canned.second))
    assert done.returncode == 1, done.stderr
    assert done.stdout.endswith(
        "gate: tiny: identical (exit 0)\ngate: tony: different (exit 1)\n"
        "gate: different: different (exit 1); reports in out/gate\n"
    )
    for name, verdict in (("tiny", "identical"), ("tony", "different")):
        assert check(report(place, f"{name}/report.json"))["verdict"] == verdict
        assert "<html" in report(place, f"{name}/report.html")
        (suite,) = JUnitXml.fromstring(report(place, f"{name}/junit.xml").encode())
        assert bool(suite.failures) == (verdict == "different") and suite.errors == 0
        (run,) = json.loads(report(place, f"{name}/report.sarif"))["runs"]
        assert run["automationDetails"] == {"id": f"repro/{name}/report/"}
        assert f"verdict: {verdict}" in report(place, f"{name}/log.txt")
    text = report(place, "summary.md")
    assert text.startswith("<!-- repro gate: repro -->\n## repro: different\n\nExit code 1: different.\n")
    assert "| `tiny` | identical | 0: the check holds |\n| `tony` | different | 1: different |\n" in text
    assert "**IDENTICAL**" in text and "`etc/changing`" in text
    assert report(place, "verdict") == "different\n"


def test_without_a_verdict_the_log_says_why(place: Place) -> None:
    done = gate(place, "--name", "nightly", "tony", "tiny", BROKEN="tony")
    assert done.returncode == 3, done.stderr
    text = report(place, "summary.md")
    assert text.startswith("<!-- repro gate: nightly -->\n## repro: none\n\nExit code 3: a build step failed.\n")
    assert "repro: the build step failed\nhint: this is a test\n```\n" in text and "### `tiny`" in text
    assert report(place, "verdict") == "none\n" and not (place.project / "out/gate/tony/report.json").exists()


def test_untouched_and_touched(place: Place) -> None:
    done = gate(place, "--changed-since", "start")
    assert (done.returncode, report(place, "verdict")) == (0, "untouched\n"), done.stderr
    assert "| `tiny` | untouched | 0: the check holds |" in report(place, "summary.md")
    (place.project / "recipes/tiny/overlay").mkdir()
    (place.project / "recipes/tiny/overlay/file").write_text("text")
    done = gate(place, "--changed-since", "start")
    assert (done.returncode, report(place, "verdict")) == (0, "identical\n"), done.stderr
    assert "| `tony` | untouched |" in report(place, "summary.md")
    done = gate(place, "--changed-since", "nowhere", "tiny")
    assert done.returncode == 2 and "git knows no commit 'nowhere'" in report(place, "summary.md")


def test_what_a_baseline_knows_does_not_fail_the_gate(place: Place) -> None:
    if "--update-baseline" not in place.canned.run("verify", "--help").stdout:
        assert "No such option" in gate(place, "tiny", "--baseline", "known.toml").stdout
        return  # this repro has none yet
    done = place.canned.run("verify", "tiny", "--update-baseline", "--owner", "somebody", second=place.canned.second)
    assert (place.project / "recipes/tiny/baseline.toml").exists(), done.stdout + done.stderr
    done = gate(place, "tiny", second=place.canned.second)
    assert (done.returncode, report(place, "verdict")) == (0, "known\n"), done.stdout


def test_recipes_with_a_baseline_get_it(place: Place, tmp_path: Path) -> None:
    """What the program is called with, recorded by one that does nothing else."""
    (place.project / "recipes/tony/baseline.toml").write_text("")
    stand_in = tmp_path / "repro"
    stand_in.write_text(f'#!/bin/sh\necho "$*" >>"{tmp_path}/calls"\necho "tiny: untouched since x"\nexit 4\n')
    stand_in.chmod(0o755)
    done = gate(place, "--rebuilds", "3", "--backend", "root", REPRO=str(stand_in))
    assert done.returncode == 4
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split(" --report ")[0] for call in calls] == [
        "verify tiny --rebuilds=3 --backend=root",
        "verify tony --rebuilds=3 --backend=root --baseline=recipes/tony/baseline.toml",
    ]
    done = gate(place, "--baseline", "here.toml", "tiny", REPRO=str(stand_in))
    assert "verify tiny --baseline=here.toml --report" in (tmp_path / "calls").read_text().splitlines()[-1]


def codes(tmp_path: Path, found: dict[str, int]) -> str:
    """A program that exits as told for each recipe."""
    stand_in = tmp_path / "repro"
    cases = "".join(f"  {name}) exit {code} ;;\n" for name, code in found.items())
    stand_in.write_text(f'#!/bin/sh\necho "$2: untouched since x"\ncase $2 in\n{cases}esac\n')
    stand_in.chmod(0o755)
    return str(stand_in)


@pytest.mark.parametrize("worse", range(len(WORST) - 1))
def test_the_worst_exit_code_as_repro_itself_orders_them(place: Place, tmp_path: Path, worse: int) -> None:
    better = WORST[worse + 1]
    for pair in ((WORST[worse], better), (better, WORST[worse])):
        done = gate(place, REPRO=codes(tmp_path, dict(zip(("tiny", "tony"), pair, strict=True))))
        assert done.returncode == WORST[worse], done.stdout
        assert f"(exit {WORST[worse]}); reports in out/gate" in done.stdout


@pytest.mark.parametrize("code", [70, 137, 141, 99])
def test_what_is_no_answer_is_worse_than_any(place: Place, tmp_path: Path, code: int) -> None:
    done = gate(place, REPRO=codes(tmp_path, {"tiny": 5, "tony": code}))
    assert done.returncode == code and report(place, "verdict") == "none\n"


def test_interrupted_is_the_end(place: Place, tmp_path: Path) -> None:
    done = gate(place, REPRO=codes(tmp_path, {"tiny": 130, "tony": 0}))
    assert done.returncode == 130 and "tony" not in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nope",), "there is no recipe nope"),
        (("../tiny",), "there is no recipe ../tiny"),
        (("tiny", "--", "--offline"), "there is no recipe --offline"),
        (("--publish", "tiny"), "there is no option --publish"),
        (("--changed-since",), "--changed-since needs a value"),
        (("--baseline", "x", "tiny", "tony"), "--baseline takes exactly one RECIPE"),
        (("--name", "a --> b"), "--name: a --> b is not valid"),
        (("-o", "recipes"), "recipes holds something else"),
        (("-o", "snapshots/tiny.toml/x"), "cannot write to"),
    ],
)
def test_what_is_refused_before_anything_is_built(place: Place, args: tuple[str, ...], said: str) -> None:
    done = gate(place, *args)
    assert done.returncode == 2 and said in done.stderr and "\nhint: " in done.stderr, done.stderr
    assert not (place.project / "out").exists() and (place.project / "recipes/tiny/recipe.toml").exists()


def test_reports_of_an_earlier_gate_go(place: Place, tmp_path: Path) -> None:
    stand_in = codes(tmp_path, {})
    assert gate(place, REPRO=stand_in).returncode == 0
    (place.project / "out/gate/tony/old").touch()
    assert gate(place, "tiny", REPRO=stand_in).returncode == 0
    assert not (place.project / "out/gate/tony").exists()


def test_help(place: Place) -> None:
    done = gate(place, "--help")
    assert done.returncode == 0 and "ci/gate.sh [-o DIR]" in done.stdout and "set -" not in done.stdout


# --- the comment


def written(folder: Path, recipes: dict[str, list[str]], code: int = 1) -> str:
    for name, reports in recipes.items():
        (folder / name).mkdir(parents=True)
        for number, text in enumerate(reports, 1):
            suffix = "" if number == 1 else f"-{number}"
            (folder / name / f"report{suffix}.md").write_text(text)
    argv = [sys.executable, ROOT / "ci/summary.py", "--name", "x", "--code", str(code), folder]
    done = subprocess.run([*argv, *(f"{name}={code}" for name in recipes)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "summary.md").read_text("utf-8")


@pytest.mark.parametrize("count", [1, 3, 40, 3000])
def test_a_comment_is_never_too_long_nor_torn(tmp_path: Path, count: int) -> None:
    fold = "\n<details><summary>{}</summary>\n\n```diff\n{}```\n\n</details>\n"
    body = "**DIFFERENT**: 7\n\n| a | b |\n| --- | --- |\n" + "| `é` | 1 |\n" * 40
    body += (
        fold.format("small", "+ <details>\n" * 9)
        + fold.format("large", "+ x\n" * 20_000)
        + fold.format("last", "+ y\n")
    )
    text = written(tmp_path, {f"r{number}": [body] for number in range(count)})
    assert len(text) <= summary.LIMIT and text.endswith("\n")
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    html = "".join(token.content for token in tokens if token.type == "html_block")
    assert html.count("<details>") == html.count("</details>")
    assert all(token.content.endswith("\n") for token in tokens if token.type == "fence")
    if count == 1:
        assert "small" in text and "large" not in text and "last" in text and "the rest is in the reports" in text
    if count == 3:
        assert html.count("<summary>small") == 3


def test_several_comparisons_of_one_recipe_are_in_order(tmp_path: Path) -> None:
    text = written(tmp_path, {"a": [f"comparison {number}\n" for number in range(1, 12)]})
    assert re.findall(r"comparison (\d+)", text) == [str(number) for number in range(1, 12)]


def test_a_log_cannot_leave_its_fence(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/log.txt").write_bytes(b"```\n@everyone <img>\n`````` \x1b[31m\xff\n" + b"x" * 9000 + b"\n")
    argv = [sys.executable, ROOT / "ci/summary.py", "--name", "x", "--code", "3", tmp_path, "a=3"]
    subprocess.run(argv, check=True, capture_output=True)
    text = (tmp_path / "summary.md").read_text("utf-8")
    (token,) = [t for t in MarkdownIt().parse(text) if t.type == "fence"]
    assert "@everyone <img>" in token.content and "\x1b" not in text and len(token.content) < 1000
    assert not any("everyone" in t.content for t in MarkdownIt().parse(text) if t.type != "fence")


def test_exit_codes_all_have_a_meaning() -> None:
    assert {*WORST, 70} == set(summary.MEANING)


def known(folder: Path, **verdicts: Any) -> str:
    (folder / "a").mkdir(parents=True)
    for name, verdict in verdicts.items():
        (folder / "a" / f"{name}.json").write_text(json.dumps({"verdict": verdict}))
    return summary.verdict(folder / "a", "a", 0)


def test_what_is_known_is_not_called_identical(tmp_path: Path) -> None:
    assert known(tmp_path / "1", report="identical") == "identical"
    assert known(tmp_path / "2", report="different") == "known"
    assert known(tmp_path / "3", **{"report": "identical", "report-2": "different"}) == "known"
    assert known(tmp_path / "4") == "identical", "one rebuild that agrees with what was published"
