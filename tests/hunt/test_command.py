"""`repro hunt -- COMMAND` in a folder of small programs, each of which lets one thing in; all of it real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repro.model import hunt as hunts
from repro.model.hunt import CERTAIN, CHANCE, Hunt
from repro.report import hunt as text
from repro.report import hunt_page
from tests import schemas

PROGRAMS = Path(__file__).with_name("programs")
# What is planted in that folder, by the file that is made.
PLANTED = {
    "c-time": {"time"},
    "c-path.o": {"build_path"},
    "c-address": {"aslr"},
    "shell-time": {"time"},
    "shell-host": {"hostname"},
    "shell-domain": {"hostname"},
    "shell-zone": {"timezone"},
    "shell-kernel": {"kernel"},
    "shell-cpus": {"cpus"},
    "shell-memory": {"memory"},
    "shell-jobs": {"parallelism"},
    "shell-home": {"home"},
    "shell-caller": {"user"},
    "shell-variable": {"environment"},
    "shell-firmware": {"firmware"},
    "shell-days": {"locale"},
    "perl-hash": {"hash_seed"},
    "perl-readdir": {"directory_order", "filesystem"},
    "python-hash": {"hash_seed"},
    "python-listing": {"directory_order", "filesystem"},
    "sort-locale": {"locale"},
}
BY_ITSELF = {"shell-pid", "python-random"}


def hunt(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "repro.cli.main", "--progress", "none", "hunt", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def hunted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str], Hunt]:
    """One hunt for all of them."""
    folder = tmp_path_factory.mktemp("hunted") / "programs"
    shutil.copytree(PROGRAMS, folder)
    before = sorted(path.name for path in folder.iterdir())
    done = hunt("--extra", "6", "--", "make", "-s", cwd=folder)
    assert done.returncode == 1, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "out"])  # it ran in a copy
    out = folder / "out/hunt-make"
    return out, done, hunts.decode((out / hunts.FILE).read_bytes(), "hunt.json")


def test_each_program_is_attributed_to_what_is_planted_in_it(
    hunted: tuple[Path, subprocess.CompletedProcess[str], Hunt],
) -> None:
    _, _, found = hunted
    assert not found.refused
    content = {each.location[0]: each for each in found.attributions if each.aspect == "content"}
    expected = {name: factors - set(found.skipped) for name, factors in PLANTED.items() if factors - set(found.skipped)}
    assert {name: set(each.factors) for name, each in content.items() if each.how != CHANCE} == expected
    assert {name for name, each in content.items() if each.how == CHANCE} == BY_ITSELF
    unsure = {name for name, each in content.items() if each.confidence != CERTAIN}
    assert unsure <= {"c-address"}  # what is at random only can be likely


def test_every_mode_follows_from_the_umask(hunted: tuple[Path, subprocess.CompletedProcess[str], Hunt]) -> None:
    _, _, found = hunted
    modes = {each.location[0]: each.factors for each in found.attributions if each.aspect == "mode"}
    assert set(modes.values()) == {("umask",)}
    assert PLANTED.keys() <= modes.keys()


def test_it_takes_few_builds(hunted: tuple[Path, subprocess.CompletedProcess[str], Hunt]) -> None:
    _, _, found = hunted
    assert len(found.builds) <= 8 + 6
    first = [build for build in found.builds if int(build.name[-2:]) <= 8]
    assert [build.problem for build in found.failed] == [] and len(first) == 8
    assert [build.factors for build in (first[0], first[-1])] == [(), ()]


def test_what_is_written_and_shown(hunted: tuple[Path, subprocess.CompletedProcess[str], Hunt]) -> None:
    out, done, found = hunted
    data = (out / hunts.FILE).read_bytes()
    schemas.check(data)
    assert hunts.encode(found) == data
    shown = text.render(found)
    assert done.stdout.startswith(shown)
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith(" "))
    assert "c-path.o" in shown and "build_path" in shown
    page = (out / "hunt.html").read_bytes()
    assert page == hunt_page.render(found)
    assert page.count(b"<circle") >= len(PLANTED) and b"<script" not in page


def test_nothing_diverges(tmp_path: Path) -> None:
    done = hunt("--vary", "umask", "--vary", "hostname", "--", "sh", "-c", "umask 022; echo same > made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0 files of 1 diverge" in done.stdout
    assert not (tmp_path / "made").exists()


def test_artifacts_are_looked_into(tmp_path: Path) -> None:
    """A tar with the host's name in one of two files; what is not asked for does not count."""
    script = "mkdir d; hostname > d/host; echo same > d/same; umask 022; date > noise; tar -cf ../made.tar --mtime=@0 d"
    options = ("--vary", "hostname", "--vary", "umask", "--artifact", "../*.tar")
    done = hunt(*options, "--json", "--", "sh", "-c", script, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    found = hunts.decode(done.stdout.encode(), "stdout")
    assert {(each.location, each.aspect, each.factors) for each in found.attributions} >= {
        (("../made.tar", "d/host"), "content", ("hostname",)),
        (("../made.tar", "d/same"), "mode", ("umask",)),
    }
    assert not any(each.location[-1] == "noise" for each in found.attributions)


def test_a_factor_under_which_the_command_fails(tmp_path: Path) -> None:
    script = "test $(hostname) = repro && umask > made"
    done = hunt(*("--vary", "hostname", "--vary", "umask", "--json"), "--", "sh", "-c", script, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    found = hunts.decode(done.stdout.encode(), "stdout")
    assert set(found.refused) == {"hostname"} and "exited with 1" in found.refused["hostname"]
    assert {each.factors for each in found.attributions} == {("umask",)}


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "name a RECIPE, a --package, or a COMMAND behind --"),
        (("minimal", "--", "make"), 2, "one alone"),
        (("--",), 2, "name a RECIPE"),
        (("--vary", "weather", "--", "true"), 2, "no variation is called 'weather'"),
        (("--vary", "cpus=none", "--", "true"), 2, "is not a value"),
        (("--workdir", "/nonexistent", "--", "true"), 2, "does not exist"),
        (("--vary", "umask", "--", "false"), 3, "false exited with 1"),
        (("--vary", "umask", "--", "true"), 3, "it changed no file"),
        (("--vary", "umask", "--artifact", "*.deb", "--", "true"), 3, "nothing matches *.deb"),
        (("--vary", "umask", "--timeout", "1", "--", "sleep", "60"), 3, "ran longer than 1 s"),
        (("--vary", "umask", "--", "no-such-program"), 3, "cannot run no-such-program"),
        (("--vary", "umask", "--", "touch", "/usr/bin/made"), 3, "Read-only file system"),
    ],
)
def test_what_goes_wrong(tmp_path: Path, args: tuple[str, ...], code: int, said: str) -> None:
    done = hunt(*args, cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_nothing_of_the_host_is_there_but_its_programs(tmp_path: Path) -> None:
    """No home, no temporary files, no network; the caller's variables stay outside."""
    (tmp_path / "secret").write_text("x")
    script = f"test ! -e {tmp_path} && test ! -e /root && test ! -e /home && env > variables && ls / > root"
    command = [sys.executable, "-m", "repro.cli.main", "hunt", "--vary", "umask", "--json", "--", "sh", "-c", script]
    environment = {**os.environ, "SECRET_TOKEN": "hunter2"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # a umask of 077 shows in the modes
    assert {each.aspect for each in hunts.decode(done.stdout.encode(), "stdout").attributions} == {"mode"}
