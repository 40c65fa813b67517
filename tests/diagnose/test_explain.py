"""`repro compare` says why, and `repro explain` says it at length."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.diagnose import RULES


def repro(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "repro.cli.main", *argv], check=False, cwd=folder, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tars of a tree that was made at another time, on another host, under another umask."""
    folder = tmp_path_factory.mktemp("explain")
    script = 'date -u -d @$1 > when; echo "host: $2" > where; umask $3; echo x > how; touch -d @0 when where how'
    for name, *given in (("a", "1700000000", "alpha", "022"), ("b", "1764217305", "beta", "077")):
        tree = folder / name
        tree.mkdir()
        subprocess.run(["sh", "-ec", script, "sh", *given], cwd=tree, check=True, env={"PATH": os.environ["PATH"]})
        subprocess.run(["tar", "--sort=name", "-cf", f"../{name}.tar", "when", "where", "how"], cwd=tree, check=True)
    done = repro(folder, "compare", "--shallow", "--report", "json=found.json", "a.tar", "b.tar")
    assert done.returncode == 1
    assert "cause: timestamps_in_text" in done.stdout
    return folder


WANTED = {"when": "timestamps_in_text", "where": "captures_hostname", "how": "different_due_to_umask"}


def test_each_divergence_has_its_cause(compared: Path) -> None:
    done = repro(compared, "explain", "found.json", "--json")
    assert done.returncode == 0
    found = {row["location"][-1]: row["causes"] for row in json.loads(done.stdout)}
    assert {name: [cause["label"] for cause in causes] for name, causes in found.items()} == {
        name: [label] for name, label in WANTED.items()
    }
    assert all(cause["confidence"] == "high" for causes in found.values() for cause in causes)


def test_as_text(compared: Path) -> None:
    done = repro(compared, "explain", "found.json")
    assert done.returncode == 0
    for label in WANTED.values():
        assert f"high      {label}" in done.stdout
    assert "host: alpha → beta" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "https://" not in line)


def test_rules_are_told_and_listed(tmp_path: Path) -> None:
    done = repro(tmp_path, "explain", "captures_hostname")
    assert done.returncode == 0
    assert done.stdout.startswith("captures_hostname\n")
    assert "remedy" in done.stdout
    listed = json.loads(repro(tmp_path, "explain", "--list", "--json").stdout)
    assert [row["label"] for row in listed] == list(RULES)


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    done = repro(tmp_path, "explain", "captures_hostnam")
    assert done.returncode == 2
    assert "did you mean captures_hostname" in done.stderr
    assert repro(tmp_path, "explain").returncode == 2
    (tmp_path / "x.json").write_text('{"schema": "repro/hunt/v1"}')
    assert repro(tmp_path, "explain", "x.json").returncode == 2
