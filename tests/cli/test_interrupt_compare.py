"""Ending `repro compare` early: what was found is written and says that it is partial, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_interrupt import MAIN
from tests.formats import samples
from tests.schemas import check
from tests.users import ROOT

PROGRAM = Path("/bin/bash").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two archives of programs that keep diffoscope busy for longer than a test takes."""
    (tmp_path / "tmp").mkdir()
    for name, marker in (("a", b"A"), ("b", b"B")):
        files = {f"bin/{n}": PROGRAM.replace(b"GNU bash", b"GNU " + marker * 4) for n in range(12)}
        (tmp_path / name).write_bytes(samples.cpio(tmp_path, {**files, "etc/few": marker + b"\n"}))
    return tmp_path


def started(folder: Path, *options: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", MAIN, "--progress", "json", "compare", "--report", "json=d.json", *options, "a", "b"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}
    return subprocess.Popen(
        argv, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(process: subprocess.Popen[str], holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"it did not get as far: {process.communicate()}")
        time.sleep(0.005)


def heard(process: subprocess.Popen[str], what: str) -> None:
    assert process.stderr
    for line in process.stderr:
        if what in line:
            return
    pytest.fail(f"it never said {what}")


def of(folder: Path) -> list[str]:
    """The processes that work in `folder`'s TMPDIR."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(folder / "tmp") in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_diffoscope_works(folder: Path, number: int) -> None:
    process = started(folder)
    until(process, (folder / "d.json").exists)
    before = check((folder / "d.json").read_bytes())
    assert len(before["divergences"]) == 13
    assert "13 of 13 files have no text diff" in before["unexamined"][0]["reason"]
    until(process, lambda: any("objdump" in line or "readelf" in line for line in of(folder)))
    sent = time.monotonic()
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert time.monotonic() - sent < 3
    assert process.returncode == 130 and "PARTIAL" in said
    after = check((folder / "d.json").read_bytes())
    assert after["interrupted"] and after["verdict"] == "different" and len(after["divergences"]) == 13
    assert any(u["reason"].endswith("interrupted") and not u["location"] for u in after["unexamined"])
    assert not of(folder) and not list((folder / "tmp").iterdir())
    assert not list(folder.glob(".*partial"))


def test_while_walking(folder: Path) -> None:
    for name in ("a", "b"):
        files = {f"{n:05d}": b"%d" % n + name.encode() for n in range(12_000)}
        (folder / name).write_bytes(samples.cpio(folder, files))
    process = started(folder, "--shallow")
    heard(process, '"number": 500')
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "PARTIAL" in said, errors
    found = check((folder / "d.json").read_bytes())
    assert found["interrupted"] and found["verdict"] == "different"
    assert 500 <= len(found["divergences"]) < 12_000 and all(d["aspects"] for d in found["divergences"])
    assert any(u["reason"].startswith("interrupted: the walk") for u in found["unexamined"])


def test_while_hashing_there_is_nothing_to_report(folder: Path) -> None:
    for name in ("a", "b"):
        with open(folder / name, "wb") as file:
            file.truncate(20 << 30)
    process = started(folder)
    heard(process, '"hashing"')
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and not said and "interrupted" in errors
    assert not (folder / "d.json").exists() and not list((folder / "tmp").iterdir())


def test_killed_it_takes_its_children_along_and_the_next_run_cleans_up(folder: Path) -> None:
    process = started(folder)
    until(process, lambda: any("objdump" in line or "readelf" in line for line in of(folder)))
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 5
    while of(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not of(folder)
    assert len(list((folder / "tmp").iterdir())) == 1
    started(folder, "--shallow").communicate()
    assert not list((folder / "tmp").iterdir())
