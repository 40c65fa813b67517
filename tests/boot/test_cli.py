"""`repro boot` where it does not come to a boot; what checks are; the tables of answers."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro.model import booted, checks
from repro.model.artifact import Artifact
from repro.model.booted import Answer, Booted, judged
from repro.model.checks import Question
from repro.model.errors import InvalidInput
from repro.report.booted import render
from tests.schemas import check
from tests.users import ROOT

COMMAND = [sys.executable, "-m", "repro.cli.main", "--progress", "none", "boot"]


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, args)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    """A disk whose first sector stops at once: what boots and never says a word."""
    image = tmp_path / "silent.img"
    image.write_bytes(b"\xfa\xf4\xeb\xfd" + bytes(506) + b"\x55\xaa" + bytes(1 << 20))  # cli; hlt; jmp
    return image


def test_what_never_asks_for_a_login(silent: Path, tmp_path: Path) -> None:
    done = run(silent, "--attach", "ide", "--timeout", "3", "--json", "--log", tmp_path / "serial.log")
    assert done.returncode == 3 and done.stdout == ""
    assert "nothing for 3 s" in done.stderr and "(nothing was said)" in done.stderr
    assert f"hint: the screen at that moment: {tmp_path / 'serial.png'}" in done.stderr
    assert (tmp_path / "serial.png").read_bytes().startswith(b"\x89PNG")


def test_on_a_terminal_the_console_is_ones_own(silent: Path, tmp_path: Path) -> None:
    """Ctrl-] ends it, and the terminal is as it was."""
    keyboard, terminal = pty.openpty()
    command = [*COMMAND, str(silent), "--attach", "ide", "--accelerator", "tcg", "--log", str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE) as process:
        os.close(terminal)
        until = time.monotonic() + 60
        with contextlib.suppress(OSError):  # what it says where nobody has the terminal open any more
            while process.poll() is None and time.monotonic() < until:
                os.write(keyboard, b"x\x1d")
                time.sleep(0.2)
                if select.select([keyboard], [], [], 0)[0]:
                    os.read(keyboard, 1 << 10)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        assert process.wait(10) == 0, process.stderr.read() if process.stderr else ""
    os.close(keyboard)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('schema = "repro/checks/v1"\nuser = "x"', "nothing is asked"),
        ('schema = "repro/checks/v1"\ncolour = 1', "unknown key colour"),
        ('schema = "repro/checks/v2"', "key schema must be"),
        ('schema = "repro/checks/v1"\n[[question]]\nname = "x"', "question 1: key run is missing"),
        (
            'schema = "repro/checks/v1"\n[[question]]\nname = "x"\nrun = "y"\nsays = "("',
            "expected a regular expression",
        ),
        ('schema = "repro/checks/v1"\n[[question]]\nname = "x"\nrun = "a\\nb"', "key run"),
        ('schema = "repro/checks/v1"\n[[question]]\nname = "x"\nrun = "y"\nstatus = -1', "key status: -1 is not valid"),
        ("not toml", "checks.toml"),
    ],
)
def test_checks_that_are_none(silent: Path, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "checks.toml").write_text(text)
    done = run(silent, "--check", tmp_path / "checks.toml")
    assert done.returncode == 2 and words in done.stderr, done.stderr


@pytest.mark.parametrize("path", sorted(ROOT.glob("recipes/*/checks/*.toml")), ids=lambda path: path.stem)
def test_checks_of_the_recipes_read(path: Path) -> None:
    assert checks.decode(path.read_text(encoding="utf-8"), str(path)).questions


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    assert run(tmp_path / "none.iso").returncode == 2


def test_answers_are_judged() -> None:
    asked = Question("n", "r", status=1, says="^b$", silent="secret")
    assert judged(asked, 1, "a\nb\n").holds
    assert judged(asked, 0, "a").why == "exit status 0, not 1; it does not say /^b$/"
    assert judged(asked, 1, "b\nsecret").why == "it says “secret”"
    with pytest.raises(InvalidInput):
        checks.decode("x = ", "x")


def test_the_table_and_the_record() -> None:
    answers = (Answer("good", "true", 0, "", ""), Answer("bad\x1b", "false", 1, "line\x07\n", "exit status 1, not 0"))
    found = Booted(Artifact("x.iso", "iso", 5, "0" * 64), "bios", "cd", "tcg", 61.4, answers)
    assert not found.holds
    assert render(found).splitlines() == [
        "holds  good",
        "FAILS  bad\\x1b",
        "       exit status 1, not 0",
        "       $ false",
        "       | line\\x07",
        "x.iso booted (bios, cd, tcg): somebody can log in after 61 s",
        "1 of 2 checks hold",
    ]
    assert check(booted.encode(found))["holds"] is False
