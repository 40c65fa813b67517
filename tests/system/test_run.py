"""The one way to run a program: environment from nothing, no stdin, capped output, killed with all its children."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro.model.errors import BuildFailed
from repro.system.run import BASE_ENVIRONMENT, CommandFailed, run


def test_the_environment_is_made_from_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET", "of the host")
    done = run(["env"], env={"EXTRA": "yes", "TZ": "Asia/Tokyo"}, cwd=tmp_path)
    found = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    for name in ("PWD", "SHLVL", "_"):
        found.pop(name, None)
    assert found == {**BASE_ENVIRONMENT, "EXTRA": "yes", "TZ": "Asia/Tokyo"}
    assert run(["pwd"], cwd=tmp_path).stdout.decode().strip() == str(tmp_path)


def test_input_and_none() -> None:
    assert run(["cat"]).stdout == b""  # stdin is closed, so it ends
    assert run(["cat"], input=b"a" * 300_000).stdout == b"a" * 300_000
    assert run(["true"], input=b"a" * 300_000).code == 0  # that it reads nothing is its own business


def test_streams_are_kept_apart_and_cut() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr, done.truncated) == (b"out\n", b"err\n", False)
    cut = run(["head", "-c", "1000000", "/dev/zero"], limit=1000)
    assert (len(cut.stdout), cut.truncated) == (1000, True)


def test_a_failure_tells_what_why_and_a_command_to_paste() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "echo 'it broke' >&2; exit 3", "an arg"], hint="try harder")
    error = caught.value
    assert (error.done.code, error.hint, error.reason) == (3, "try harder", "command-failed")
    assert "sh exited with 3" in error.message
    assert "it broke" in error.message
    pasted = error.message.splitlines()[-1].removeprefix("the command: ")
    assert subprocess.run(["sh", "-c", pasted], capture_output=True, check=False).returncode == 3
    assert run(["sh", "-c", "exit 3"], ok=(0, 3)).code == 3


def test_what_cannot_be_started() -> None:
    with pytest.raises(BuildFailed, match="cannot run /nonexistent/program: No such file") as caught:
        run(["/nonexistent/program"], hint="install it")
    assert caught.value.hint == "install it"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that was killed may wait for init to reap it
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("script", ["sleep 60 & echo $!; sleep 60", "sleep 60 & echo $!"])
def test_nothing_of_it_survives(script: str) -> None:
    """Neither after a time-out, nor where the program itself ended and left a child holding our pipe."""
    started = time.monotonic()
    try:
        child = int(run(["sh", "-c", script], timeout=1).stdout)
    except CommandFailed as error:
        assert error.done.timed_out
        assert "ran out of time" in error.message
        child = int(error.done.stdout)
    assert time.monotonic() - started < 10
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)


def test_interrupted_it_kills_the_program(tmp_path: Path) -> None:
    code = (
        "import os, signal, threading; from repro.system.run import run\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        f"run(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 60'])"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert "KeyboardInterrupt" in done.stderr
    assert time.monotonic() - started < 10
    assert not alive(int((tmp_path / "pid").read_text()))
