"""`repro compare` and `repro report` as programs: exit codes, streams, files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.formats import samples


def repro(*argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "repro.cli.main", *map(str, argv)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(cwd)}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(samples.cpio(tmp_path))
    (tmp_path / "b").write_bytes(samples.cpio(tmp_path, {**samples.FILES, "etc/hostname": b"dead\n"}))
    return tmp_path


def test_different(folder: Path) -> None:
    done = repro("compare", "a", "b", "--report", "json=d.json", "--report", "terminal=d.txt", cwd=folder)
    assert done.returncode == 1, done.stderr
    assert "DIFFERENT" in done.stdout and "etc/hostname" in done.stdout
    assert "comparing" in done.stderr
    assert json.loads((folder / "d.json").read_bytes())["verdict"] == "different"
    assert (folder / "d.txt").read_text() == done.stdout
    again = repro("report", "d.json", cwd=folder)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert repro("report", "d.json", "-f", "json", "-o", "e.json", cwd=folder).returncode == 0
    assert (folder / "e.json").read_bytes() == (folder / "d.json").read_bytes()


def test_identical(folder: Path) -> None:
    done = repro("compare", "a", "a", cwd=folder)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "IDENTICAL")


def test_json_alone_on_standard_output(folder: Path) -> None:
    done = repro("-q", "compare", "--shallow", "--json", "a", "b", cwd=folder)
    assert done.returncode == 1 and done.stderr == ""
    assert json.loads(done.stdout)["divergences"][0]["location"] == ["etc/hostname"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("compare", "a"), "Missing argument"),
        (("compare", "a", "missing"), "no such file"),
        (("compare", "a", "."), "not a regular file"),
        (("compare", "--report", "papyrus=x", "a", "b"), "there are: "),
        (("compare", "--report", "json", "a", "b"), "FORMAT=FILE"),
        (("compare", "--report", "json=no/such/folder", "--shallow", "a", "b"), "cannot write"),
        (("report", "a"), "not a valid repro/comparison/v1"),
        (("report", "missing"), "cannot be read"),
    ],
)
def test_usage_errors_exit_2(folder: Path, argv: tuple[str, ...], said: str) -> None:
    done = repro(*argv, cwd=folder)
    assert done.returncode == 2 and said in done.stderr
    assert "Traceback" not in done.stderr


def test_help_teaches(folder: Path) -> None:
    for command in ("compare", "report"):
        done = repro(command, "--help", cwd=folder)
        assert done.returncode == 0 and f"  repro {command} " in done.stdout
