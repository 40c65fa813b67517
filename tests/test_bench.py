"""What the benchmarks measure and plant: a figure is worth what its ruler is."""

from __future__ import annotations

import gzip
import os
import random
import sys
from pathlib import Path

import pytest

from bench import judged, planted
from bench.measure import measured

_CHILD = "import time; held = bytearray(b'x') * (96 << 20); time.sleep(0.6)"
_SPEND = "import time\nwhile time.process_time() < 0.3: pass"


def test_memory_of_a_child_counts_and_mapped_files_do_not(tmp_path: Path) -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_CHILD!r}])"
    run = measured([sys.executable, "-c", script], tmp_path / "log")
    assert run.exit == 0 and 96 << 20 < run.anonymous < 160 << 20
    (tmp_path / "file").write_bytes(os.urandom(1 << 20) * 96)
    script = "import mmap, sys, time; m = mmap.mmap(open(sys.argv[1], 'rb').fileno(), 0, prot=1); m.find(b'no such'); "
    run = measured([sys.executable, "-c", script + "time.sleep(0.3)", str(tmp_path / "file")], tmp_path / "log")
    assert run.anonymous < 64 << 20 < run.resident


def test_times_and_the_limit(tmp_path: Path) -> None:
    run = measured([sys.executable, "-c", _SPEND], tmp_path / "log")
    assert run.cpu >= 0.3 and run.wall >= 0.3 and not run.timed_out
    run = measured(["sleep", "60"], tmp_path / "log", limit=0.3)
    assert run.timed_out and 0.3 <= run.wall < 30
    assert measured(["sh", "-c", "echo said; exit 3"], tmp_path / "log", output=tmp_path / "out").exit == 3
    assert (tmp_path / "out").read_text() == "said\n"


@pytest.mark.parametrize(
    "data",
    [b"A text of some words.\n" * 9, bytes(range(256)), gzip.compress(b"text" * 99)],
    ids=["text", "bytes", "gzip"],
)
def test_a_planted_change_keeps_size_and_time(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    os.utime(path, (1, 1))
    planted.change(path, random.Random(1))
    new = path.read_bytes()
    changed = [at for at, (a, b) in enumerate(zip(data, new, strict=True)) if a != b]
    assert len(changed) == (4 if data[:2] == b"\x1f\x8b" else 8) and path.stat().st_mtime == 1
    if data[:2] == b"\x1f\x8b":
        assert gzip.decompress(new) == gzip.decompress(data)


def test_an_answer_that_is_not_what_was_planted_is_told() -> None:
    truth = {("s", "a"): "content", ("s", "b"): "mode", ("s", "c"): "mtime"}
    found = judged.Found({("s", "a"): ("content",), ("s", "b"): ("mode", "owner"), ("s", "d"): ("mtime",)}, {}, {})
    assert judged.planted_equal(found, truth) == [
        "planted and not found: s → c",
        "found and not planted: s → d",
        "s → b: planted mode, found mode, owner",
    ]
