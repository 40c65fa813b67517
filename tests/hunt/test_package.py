"""`repro hunt --package`: a Debian source package, built in a root tree of its own with what it says that it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from debian.deb822 import Sources

from repro.model import hunt as hunts
from repro.model.hunt import CERTAIN
from repro.pipeline.packages import _needs
from tests.users import ROOT

pytestmark = pytest.mark.xdist_group("package")


def hunt(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "repro.cli.main", "--progress", "none", "hunt", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)


@pytest.mark.build
@pytest.mark.network
def test_hello_takes_the_year_of_its_build(tmp_path: Path) -> None:
    """Its configure asks date for COPYRIGHT_YEAR; the umask changes nothing in it."""
    out = tmp_path / "out"
    done = hunt("--package", "hello=2.10-3", "--vary", "time", "--vary", "umask", "--extra", "0", "-o", str(out))
    if done.returncode == 4:
        pytest.skip(f"host: no source of Debian's packages: {done.stderr}")
    assert done.returncode == 1, done.stderr
    found = hunts.decode((out / hunts.FILE).read_bytes(), hunts.FILE)
    assert found.subject == "hello=2.10-3" and not found.failed
    program = [each for each in found.attributions if each.location[-1].endswith("usr/bin/hello")]
    assert [(each.aspect, each.factors, each.confidence) for each in program] == [("content", ("time",), CERTAIN)]
    assert not any("umask" in each.factors for each in found.attributions)
    assert (out / "recipe.lock").exists()


def test_what_there_is_not() -> None:
    assert hunt("--package", "hello", "minimal").returncode == 2
    assert hunt("--package", "hello", "--", "make").returncode == 2
    assert hunt().returncode == 2


@pytest.mark.network
def test_a_version_that_the_pins_do_not_have() -> None:
    done = hunt("--package", "hello=0.1-1")
    if done.returncode == 4:
        pytest.skip(f"host: no source of Debian's packages: {done.stderr}")
    assert done.returncode == 2 and "no source package hello 0.1-1" in done.stderr and "there is 2.10-3" in done.stderr


@pytest.mark.parametrize(
    ("field", "needs"),
    [
        ("debhelper-compat (= 13), libx-dev", ["debhelper-compat", "libx-dev"]),
        ("a | b, c:native", ["a", "c"]),
        ("a [amd64], b [arm64], c [!amd64], d [!hurd-any], e [linux-any]", ["a", "d", "e"]),
        ("a <!nocheck>, b <nodoc>, c <cross> <!cross>", ["a", "c"]),
        ("a [arm64] | b", ["b"]),
        ("", []),
    ],
)
def test_what_it_is_built_with(field: str, needs: list[str]) -> None:
    assert list(_needs(Sources({"Build-Depends": field}))) == needs
