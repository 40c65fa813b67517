"""`repro verify`: what it answers, what it writes, what it exits with; the building itself is canned."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.bench import descendants, digest, survivors
from tests.pipeline.canned import CANNED, Canned, canned_project
from tests.schemas import check


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Canned:
    return canned_project(tmp_path_factory.mktemp("canned"))


@pytest.fixture
def canned(prepared: Canned) -> Iterator[Canned]:
    yield prepared
    for name in ("out", "reports", "tmp"):
        shutil.rmtree(prepared.project / name, ignore_errors=True)


def test_identical(canned: Canned) -> None:
    done = canned.run("verify", "tiny")
    assert done.returncode == 0, done.stderr
    sha256 = digest(canned.first)
    assert done.stdout.count(sha256) >= 2
    assert "verdict: identical" in done.stdout
    assert "nothing is published" in done.stdout
    assert canned.comparison()["verdict"] == "identical"
    builds = check((canned.out / "build.json").read_bytes())["builds"]
    assert {name: build["claim"]["artifacts"][0]["sha256"] for name, build in builds.items()} == {
        "rebuild-1": sha256,
        "rebuild-2": sha256,
    }
    assert "verdict: identical" in (canned.out / "report.txt").read_text()
    assert sorted(path.name for path in canned.out.iterdir()) == [
        ".lock",
        "build.json",
        "comparison.json",
        "rebuild-1.log",
        "rebuild-2.log",
        "report.txt",
        "tiny.squashfs",
        "verification.json",
    ]


def test_different(canned: Canned) -> None:
    done = canned.run("verify", "tiny", "--report", f"json={canned.project}/tmp/report.json", second=canned.second)
    assert done.returncode == 1, done.stderr
    found = canned.comparison()
    assert [(row["location"], row["aspects"]) for row in found["divergences"] if row["location"][:1] != []][-1] == (
        ["etc/changing"],
        ["content"],
    )
    assert not any("constant" in str(row["location"]) for row in found["divergences"])
    assert "etc/changing" in done.stdout
    assert "verdict: different" in done.stdout
    assert digest(canned.out / "rebuild-2/tiny.squashfs") == digest(canned.second), "kept for a look"
    assert json.loads((canned.project / "tmp/report.json").read_bytes()) == found


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({}, 0, "the published digest is the same"),
        ({"lock_sha256": "0" * 64}, 0, "published for another lock: not comparable"),
        ({"artifacts": [{"name": "tiny.squashfs", "kind": "squashfs", "size": 1, "sha256": "0" * 64}]}, 1, "ANOTHER"),
        ({"artifacts": []}, 2, "reports/tiny.json"),
        ({"artifacts": [{"name": "tiny.squashfs"}]}, 2, "reports/tiny.json"),
        ({"schema": "repro/published/v9"}, 2, "reports/tiny.json"),
    ],
    ids=["same", "another lock", "another digest", "no artifact", "no digest", "another schema"],
)
def test_against_what_was_published(canned: Canned, changes: dict[str, Any], code: int, said: str) -> None:
    assert canned.run("verify", "tiny", "--rebuilds", "1").returncode == 0
    canned.publish(**changes)
    done = canned.run("verify", "tiny")
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_publish_writes_what_the_next_run_checks(canned: Canned) -> None:
    assert canned.run("verify", "tiny", "--publish").returncode == 0
    document = check((canned.project / "reports/tiny.json").read_bytes())
    assert document["artifacts"][0]["sha256"] == digest(canned.first)
    assert "the published digest is the same" in canned.run("verify", "tiny").stdout


def test_publish_writes_nothing_where_rebuilds_disagree(canned: Canned) -> None:
    assert canned.run("verify", "tiny", "--publish", second=canned.second).returncode == 1
    assert not (canned.project / "reports/tiny.json").exists()


def test_three_rebuilds(canned: Canned) -> None:
    done = canned.run("verify", "tiny", "--rebuilds", "3", second=canned.second)
    assert done.returncode == 1, done.stderr
    assert [canned.comparison(number)["verdict"] for number in (1, 2)] == ["different", "identical"]
    assert list(json.loads((canned.out / "build.json").read_bytes())["builds"]) == [
        "rebuild-1",
        "rebuild-2",
        "rebuild-3",
    ]
    assert (canned.out / "rebuild-2").exists()
    assert not (canned.out / "rebuild-3").exists(), "what is identical is not kept twice"


@pytest.mark.parametrize("factors", [("umask",), ("timezone", "locale")])
def test_only_what_was_asked_for_is_varied(canned: Canned, factors: tuple[str, ...]) -> None:
    args = [word for factor in factors for word in ("--vary", factor)]
    assert canned.run("verify", "tiny", *args).returncode == 0
    builds = json.loads((canned.out / "build.json").read_bytes())["builds"]
    first, second = (builds[name]["claim"]["environment"] for name in ("rebuild-1", "rebuild-2"))
    assert {key for key in first if first[key] != second[key]} == set(factors)


class Offered:
    """The files of a folder over HTTP on this host; `asked` counts the requests."""

    def __init__(self, folder: Path) -> None:
        self.asked = 0
        offered = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                offered.asked += 1
                super().do_GET()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def offered(canned: Canned) -> Iterator[Offered]:
    running = Offered(canned.first.parent)
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.mark.parametrize(
    ("against", "code", "said"),
    [
        ("{first}", 0, "verdict: identical"),
        ("{second}", 1, "etc/changing"),
        ("sha256:{digest}", 0, "verdict: identical"),
        ("sha256:{DIGEST}", 0, "verdict: identical"),
        ("sha256:" + "0" * 64, 1, "only the SHA-256 is known"),
        ("{base}/first.squashfs", 0, "verdict: identical"),
        ("{base}/second.squashfs", 1, "etc/changing"),
        ("{base}/missing.squashfs", 4, "404"),
        ("http://127.0.0.1:9/x", 4, "127.0.0.1"),
        ("sha256:abc", 2, "64 hex digits"),
        ("ftp://127.0.0.1/x", 2, "is not a file"),
        ("/nonexistent", 2, "is not a file"),
        ("/", 2, "is not a file"),
    ],
)
def test_against(canned: Canned, offered: Offered, against: str, code: int, said: str) -> None:
    sha256 = digest(canned.first)
    words = {"first": canned.first, "second": canned.second, "digest": sha256, "DIGEST": sha256.upper()}
    done = canned.run("verify", "tiny", "--against", against.format(base=offered.base, **words))
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if code in (0, 1):
        assert canned.comparison()["verdict"] == ("identical", "different")[code]
        assert not (canned.out / "rebuild-2.log").exists(), "it is rebuilt once"
    else:
        assert not (canned.out / "comparison.json").exists()


def test_against_an_address_without_a_network(canned: Canned, offered: Offered) -> None:
    done = canned.run("--offline", "verify", "tiny", "--against", f"{offered.base}/first.squashfs")
    assert done.returncode == 4, done.stderr
    assert "--offline" in done.stderr
    assert "hint:" in done.stderr
    assert offered.asked == 0


@pytest.mark.parametrize("stage", ["first", "second", "compare"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_anywhere_and_run_again(canned: Canned, stage: str, number: signal.Signals) -> None:
    """Exit 130 at once, or killed: earlier results stay, nothing runs on, and the next run is as good as any."""
    assert canned.run("verify", "tiny", "--rebuilds", "1").returncode == 0
    good = {path.name: digest(path) for path in canned.out.glob("*.squashfs")}
    marker = {"first": "rebuild-1: tiny", "second": "rebuild-2: tiny", "compare": "comparing slowly"}[stage]
    process = subprocess.Popen(
        [*canned.world.command()[:1], "-c", CANNED, *canned.world.command()[3:], "verify", "tiny"],
        env=canned.environment(SLOW=stage),
        cwd=canned.project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = ""
    while marker not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    deadline = time.monotonic() + 20
    while not (below := descendants(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert below, "sleep was to run"
    time.sleep(0.3)  # a signal between fork and exec is another matter
    sent = time.monotonic()
    process.send_signal(number)
    said += process.communicate(timeout=30)[1]
    assert time.monotonic() - sent < 3
    if number == signal.SIGKILL:
        for pid in survivors(below, 0):  # nothing of ours is left to end it
            os.kill(pid, signal.SIGKILL)
    else:
        assert process.returncode == 130, said
        assert "interrupted" in said
        assert "Traceback" not in said
        assert survivors(below) == []
        assert list((canned.project / "tmp").iterdir()) == []
    assert {path.name: digest(path) for path in canned.out.glob("*.squashfs")} == good
    again = canned.run("verify", "tiny")
    assert again.returncode == 0, again.stderr
    assert not (canned.out / "rebuild-2").exists()
    assert not [path for path in canned.out.rglob(".*") if path.name != ".lock"]
    assert hashlib.sha256((canned.out / "tiny.squashfs").read_bytes()).hexdigest() == digest(canned.first)
