"""Progress: four forms, one behaviour; all of it on standard error."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from repro.system import bars, progress
from tests.users import ROOT

FORMS = ("plain", "json", "none", "bars")


def work(observer: progress.Observer) -> None:
    observer.note("a [bold]note[/] with brackets")
    with observer.task("outer", 2) as outer:
        with observer.task("inner", 3000, unit="bytes") as inner:
            inner.served("http://mirror.example.org/[x]")
            with ThreadPoolExecutor(3) as pool:
                list(pool.map(inner.advance, [1000] * 3))
            inner.say("something [else]")
        outer.advance()
    with pytest.raises(ValueError, match="broken"), observer.task("fails"):
        raise ValueError("broken")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_lets_errors_through_and_keeps_off_standard_output(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    work(bars.Bars() if form == "bars" else progress.observer(form))
    out, err = capsys.readouterr()
    assert out == ""
    assert bool(err) == (form != "none")
    if form in ("plain", "bars"):
        assert "a [bold]note[/] with brackets" in err


def test_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.Plain, "INTERVAL", 0.0)
    work(progress.observer("plain"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:3] == ["outer…", "inner…"]
    far = r"inner: 3\.0 kB of 3\.0 kB, \S+ [kMG]?B/s, \d+ s left, from http://mirror\.example\.org/\[x\]"
    assert any(re.fullmatch(far, line) for line in lines), lines
    assert "outer: 1 of 2" in lines
    assert "inner: something [else]" in lines
    assert lines[-2] == "fails…"
    assert lines[-1].startswith("fails: stopped after ")


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    work(progress.observer("json"))
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events][:3] == ["note", "start", "start"]
    assert sorted(event["done"] for event in events if event["event"] == "advance" and event["task"] == "inner") == [
        1000,
        2000,
        3000,
    ]
    assert {"event": "served", "task": "inner", "source": "http://mirror.example.org/[x]"} in events
    assert events[-1] == {"event": "end", "task": "fails", "ok": False}


def test_auto_is_plain_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(progress.observer("auto"), progress.Plain)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_on_a_terminal(no_color: str) -> None:
    """A bar is shown, the line of a finished step stays, and NO_COLOR is honoured."""
    code = (
        "from repro.system.progress import observer; o = observer('auto'); assert type(o).__name__ == 'Bars'\n"
        "with o.task('fetching', 10) as t: t.advance(10)\n"
        "o.note('the end')"
    )
    ours, theirs = pty.openpty()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "80"}
    if no_color:
        env["NO_COLOR"] = no_color
    done = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=theirs, check=False)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    assert "✓" in shown.decode()
    assert "the end" in shown.decode()
    assert (b"\x1b[32m" in shown) != bool(no_color)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # EIO: the other end is closed
        return b""
