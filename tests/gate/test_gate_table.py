"""Every row of the table in docs/gate.md, through a process of its own. A row without a test fails, and the reverse."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from repro.compare import Terms, compare_artifacts, updated
from repro.model.baseline import decode
from tests.formats import samples
from tests.gate.desk import HEAD, TODAY, Desk, archive, gzipped, known
from tests.pipeline.bench import MAIN, descendants
from tests.pipeline.canned import CANNED, Canned
from tests.users import ROOT

Done = subprocess.CompletedProcess[str]
DOC = (ROOT / "docs/gate.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| (\d+) \| (.+) \|$", DOC, re.MULTILINE)
NAMES = [situation for situation, _, _ in ROWS]

DESK: dict[str, Callable[[Desk], Done]] = {}
CANS: dict[str, Callable[[Canned], Done]] = {}


def at_desk(situation: str) -> Callable[[Callable[[Desk], Done]], Callable[[Desk], Done]]:
    """The test of a row that compares two files."""
    return lambda make: DESK.setdefault(situation, make)


def verified(situation: str) -> Callable[[Callable[[Canned], Done]], Callable[[Canned], Done]]:
    """The test of a row that rebuilds."""
    return lambda make: CANS.setdefault(situation, make)


ONE, TWO = {"etc/one": b"1\n", "etc/two": b"2\n"}, {"etc/one": b"!\n", "etc/two": b"?\n"}
BOTH = known("etc/one"), known("etc/two")


def pair(desk: Desk, *entries: str, left: dict[str, bytes] = ONE, right: dict[str, bytes] = TWO) -> Done:
    desk.files(left, right)
    if entries:
        desk.baseline(*entries)
    return desk.compare()


@at_desk("identical, no baseline")
def _(desk: Desk) -> Done:
    return pair(desk, right=ONE)


@at_desk("different, no baseline")
def _(desk: Desk) -> Done:
    return pair(desk)


@at_desk("identical, and nothing known")
def _(desk: Desk) -> Done:
    return pair(desk, "", right=ONE)


@at_desk("identical, what was known is gone")
def _(desk: Desk) -> Done:
    return pair(desk, *BOTH, right=ONE)


@at_desk("all that differs is known")
def _(desk: Desk) -> Done:
    return pair(desk, *BOTH)


@at_desk("one divergence is new")
def _(desk: Desk) -> Done:
    return pair(desk, BOTH[0])


@at_desk("one is worse: another aspect")
def _(desk: Desk) -> Done:
    desk.files(ONE, TWO, modes={"etc/two": 0o600})
    desk.baseline(*BOTH)
    return desk.compare()


@at_desk("one is worse: another structure")
def _(desk: Desk) -> Done:
    """The time in the header is known; that the data differs as well must not hide behind it."""
    only_time = known("x.gz", structures=["gzip header MTIME"])
    assert (
        pair(
            desk, only_time, left={"x.gz": gzipped(b"one" * 99, 1)}, right={"x.gz": gzipped(b"one" * 99, 2)}
        ).returncode
        == 0
    )
    return pair(desk, only_time, left={"x.gz": gzipped(b"one" * 99, 1)}, right={"x.gz": gzipped(b"two" * 99, 2)})


@at_desk("one is worse: more members")
def _(desk: Desk) -> Done:
    sides = ({f"lib/{name}.so": text for name in "abc"} for text in (b"1", b"2"))
    left, right = sides
    assert pair(desk, known("lib/*.so", glob=True, members=3), left=left, right=right).returncode == 0
    return pair(desk, known("lib/*.so", glob=True, members=2), left=left, right=right)


@at_desk("one has expired")
def _(desk: Desk) -> Done:
    return pair(desk, BOTH[0], known("etc/two", expires="2026-05-31"))


@at_desk("one expires today")
def _(desk: Desk) -> Done:
    return pair(desk, BOTH[0], known("etc/two", expires=TODAY))


@at_desk("one is gone")
def _(desk: Desk) -> Done:
    return pair(desk, *BOTH, known("etc/three"))


def modules(version: str, text: bytes) -> dict[str, bytes]:
    return {f"usr/lib/modules/{version}/modules.dep.bin": text}


@at_desk("a pattern, and another version")
def _(desk: Desk) -> Done:
    entry = known("usr/lib/modules/*/modules.dep.bin", glob=True, members=1)
    for version in ("6.1.0-37-amd64", "6.1.0-38-amd64"):
        done = pair(desk, entry, left=modules(version, b"1"), right=modules(version, b"2"))
        assert done.returncode == 0
    return done


@at_desk("an exact path, and another version")
def _(desk: Desk) -> Done:
    entry = known("usr/lib/modules/6.1.0-37-amd64/modules.dep.bin")
    return pair(desk, entry, left=modules("6.1.0-38-amd64", b"1"), right=modules("6.1.0-38-amd64", b"2"))


@at_desk("bytes that nothing explains beside what is known")
def _(desk: Desk) -> Done:
    """A GPT whose checksum is wrong on one side, where a file in a partition differs as it is known to."""
    changed = {**samples.FILES, "etc/hostname": b"dead\n"}
    left, right = samples.usb(desk.folder / "l"), bytearray(samples.usb(desk.folder / "r", changed))
    desk.artifacts(left, bytes(right))
    found = compare_artifacts(desk.folder / "a", desk.folder / "b", deep=False)
    day = date.fromisoformat(TODAY)
    path = desk.baseline()
    path.write_bytes(updated(None, "known.toml", [found], Terms("us", "so", day), day).data)
    assert desk.compare().returncode == 0
    right[512 + 16] ^= 1
    desk.artifacts(left, bytes(right))
    return desk.compare()


def broken(text: bytes) -> dict[str, bytes]:
    """An archive within a compressed stream, whose right side ends too early."""
    inner = gzipped(archive({"a": text * 999}), 1)
    return {"inner.tar.gz": inner if text == b"1" else inner[:-20]}


@at_desk("all known, but something was not examined")
def _(desk: Desk) -> Done:
    return pair(desk, known("inner.tar.gz"), left=broken(b"1"), right=broken(b"2"))


@at_desk("something new, and something was not examined")
def _(desk: Desk) -> Done:
    return pair(
        desk, known("inner.tar.gz"), left={**broken(b"1"), **ONE}, right={**broken(b"2"), **ONE, "etc/two": b""}
    )


@at_desk("all known, but a text of diffoscope's is missing")
def _(desk: Desk) -> Done:
    large = bytes(33 << 20)
    desk.files({"large": large + b"1"}, {"large": large + b"2"})
    desk.baseline(known("large"))
    return desk.compare("--deep")


@at_desk("inconclusive")
def _(desk: Desk) -> Done:
    desk.files(ONE, TWO)
    desk.baseline(*BOTH)
    return desk.run("compare", "--baseline", "known.toml", "a", "/proc/self/mem")


@at_desk("the baseline is malformed")
def _(desk: Desk) -> Done:
    return pair(desk, known("etc/one", expires='"2026-12-31"'))


@at_desk("the baseline is not there")
def _(desk: Desk) -> Done:
    desk.files(ONE, TWO)
    return desk.run("compare", "--baseline", "known.toml", "a", "b")


@at_desk("interrupted")
def _(desk: Desk) -> Done:
    program = Path("/bin/bash").read_bytes()
    sides = [{f"bin/{n}": program.replace(b"GNU bash", b"GNU " + m * 4) for n in range(12)} for m in (b"A", b"B")]
    desk.files(*sides)
    desk.baseline(known("bin/*", glob=True, members=12))
    argv = [desk.argv()[0], "-c", MAIN, "compare", "--report", "json=d.json", "--baseline", "known.toml", "a", "b"]
    process = subprocess.Popen(
        argv, cwd=desk.folder, env=desk.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 60
    while not (desk.folder / "d.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert "UNDECIDED" in said
    return subprocess.CompletedProcess(argv, process.returncode, said, "")


CHANGING = known("etc/changing", expires="2026-12-31")


def verify(canned: Canned, *args: str, entries: tuple[str, ...] | None = None, file: str = "known.toml") -> Done:
    """`repro verify tiny` where the second rebuild is another, as of `TODAY`, with the baseline `entries`."""
    if entries is not None:
        (canned.project / file).write_text(HEAD + "".join(entries))
    done: Done = canned.run("verify", "tiny", "--shallow", "--today", TODAY, *args, second=canned.second)
    return done


BASELINE = ("--baseline", "known.toml")
UPDATE = ("--update-baseline", "--owner", "us")


def said_by(canned: Canned, file: str = "known.toml") -> list[Any]:
    data = (canned.project / file).read_bytes()
    return [(entry.place, entry.owner, entry.reason) for entry in decode(data, file).entries]


@verified("verify: the baseline is malformed")
def _(canned: Canned) -> Done:
    return verify(canned, *BASELINE, entries=(known("x", expires="2026"),))


@verified("verify: all that differs is known")
def _(canned: Canned) -> Done:
    return verify(canned, *BASELINE, entries=(CHANGING,))


@verified("verify: known, but not what was published")
def _(canned: Canned) -> Done:
    assert verify(canned, *BASELINE, entries=(CHANGING,)).returncode == 0
    other = {"name": "tiny.squashfs", "kind": "squashfs", "size": 1, "sha256": "0" * 64}
    canned.publish(artifacts=[other])
    return verify(canned, *BASELINE)


@verified("update without an owner")
def _(canned: Canned) -> Done:
    return verify(canned, "--update-baseline")


@verified("an owner without an update")
def _(canned: Canned) -> Done:
    return verify(canned, "--owner", "us")


@verified("update where there is no file yet")
def _(canned: Canned) -> Done:
    done = verify(canned, *UPDATE)
    assert said_by(canned, "recipes/tiny/baseline.toml") == [(("etc/changing",), "us", "not explained yet")]
    assert verify(canned, "--baseline", "recipes/tiny/baseline.toml").returncode == 0
    return done


@verified("update adds what is new")
def _(canned: Canned) -> Done:
    return verify(canned, *UPDATE, *BASELINE, "--reason", "why", "--expires", "2026-07-01", entries=())


@verified("update widens what is worse")
def _(canned: Canned) -> Done:
    done = verify(canned, *UPDATE, *BASELINE, entries=("# mine\n", known("etc/changing", aspects="mode")))
    text = (canned.project / "known.toml").read_text()
    assert "# mine\n" in text and said_by(canned) == [(("etc/changing",), "us", "it is so")]
    return done


@verified("update drops what is gone")
def _(canned: Canned) -> Done:
    done = verify(canned, *UPDATE, *BASELINE, entries=(CHANGING, known("etc/gone")))
    assert (canned.project / "known.toml").read_text() == HEAD + CHANGING
    return done


@verified("update leaves what has expired")
def _(canned: Canned) -> Done:
    old = known("etc/changing", expires="2026-01-01")
    done = verify(canned, *UPDATE, *BASELINE, entries=(old,))
    assert (canned.project / "known.toml").read_text() == HEAD + old
    return done


@verified("update where not everything was examined")
def _(canned: Canned) -> Done:
    done = verify(canned, *UPDATE, *BASELINE, "--against", f"sha256:{'0' * 64}", entries=(CHANGING,))
    assert (canned.project / "known.toml").read_text() == HEAD + CHANGING
    return done


@verified("update interrupted")
def _(canned: Canned) -> Done:
    (canned.project / "known.toml").write_text(HEAD)
    (canned.project / "tmp").mkdir(exist_ok=True)
    argv = [
        *canned.world.command()[:1],
        "-c",
        CANNED,
        *canned.world.command()[3:],
        "verify",
        "tiny",
        *UPDATE,
        *BASELINE,
    ]
    process = subprocess.Popen(
        argv,
        env=canned.environment(canned.second, SLOW="compare"),
        cwd=canned.project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not descendants(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)  # a signal between fork and exec is another matter
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert (canned.project / "known.toml").read_text() == HEAD
    return subprocess.CompletedProcess(argv, process.returncode, said, "")


def test_the_table_and_the_tests_are_about_the_same_situations() -> None:
    assert len(ROWS) >= 30 and sorted(NAMES) == sorted([*DESK, *CANS])


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] in DESK], ids=lambda row: row[0])
def test_compare(row: tuple[str, str, str], desk: Desk) -> None:
    holds(row, DESK[row[0]](desk))


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] in CANS], ids=lambda row: row[0])
def test_verify(row: tuple[str, str, str], canned: Canned) -> None:
    holds(row, CANS[row[0]](canned))
    if "nothing is built" in row[2]:
        assert not canned.out.exists()


def holds(row: tuple[str, str, str], done: Done) -> None:
    """It ended with the exit code of the row, and said all that the row has in backticks."""
    _, code, said = row
    whole = done.stdout + done.stderr
    assert done.returncode == int(code), whole
    for word in re.findall("`([^`]+)`", said):
        assert word in whole, whole
    assert "Traceback" not in whole


def test_several_comparisons_have_reports_of_their_own(canned: Canned) -> None:
    (canned.project / "tmp").mkdir(exist_ok=True)
    done = verify(canned, *BASELINE, "--rebuilds", "3", "--report", "json=tmp/d.json", entries=(CHANGING, known("x")))
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((canned.project / f"tmp/{name}").read_bytes()) for name in ("d.json", "d-2.json"))
    assert (first["verdict"], second["verdict"]) == ("different", "identical")
    assert first["gate"]["known"] == 1 and second["gate"]["known"] == 0
    assert [entry["number"] for entry in second["gate"]["gone"]] == [2], "gone is what matches in none"
    assert first == canned.comparison(1) and second == canned.comparison(2)
