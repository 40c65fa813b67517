"""`repro compare` says why, and `repro explain` says it at length."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.diagnose import RULES
from repro.model import trace as traces
from repro.model.trace import Process, Trace


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


def test_who_wrote_it(compared: Path) -> None:
    """With a trace beside the comparison, or named."""
    processes = (
        Process(None, "hook 10-plant", ("uname",)),
        Process(0, "/bin/sh /var/lib/dpkg/info/x.postinst configure", ()),
        Process(1, "/usr/bin/perl /usr/sbin/update-x --all", ("listing",)),
        Process(2, "date -u", ("clock",)),
    )
    trace = Trace("x", processes, {"when": 2, "how": 0}, 9, 0.5, 2.0)
    (compared / "trace.json").write_bytes(traces.encode(trace))
    said = repro(compared, "explain", "found.json").stdout
    assert (
        "written   by update-x ← x.postinst\n            which asked for the time (date), a folder's listing (update-x)"
        in said
    )
    assert "written   by hook 10-plant" in said and said.count("written") == 2
    rows = json.loads(repro(compared, "explain", "found.json", "--json", "--trace", "trace.json").stdout)
    assert {row["location"][-1]: row.get("writers") for row in rows} == {
        "when": ["update-x", "x.postinst"],
        "how": ["hook 10-plant"],
        "where": None,
    }
    told = repro(compared, "explain", "--trace", "trace.json", "/when", "--json")
    assert json.loads(told.stdout)["asked"] == {"clock": "date", "listing": "update-x"}
    missing = repro(compared, "explain", "--trace", "trace.json", "/nowhere")
    assert missing.returncode == 2 and "nobody was seen to write it" in missing.stderr
    (compared / "trace.json").write_bytes(b"{}")
    assert repro(compared, "explain", "found.json").returncode == 2
    (compared / "trace.json").unlink()
