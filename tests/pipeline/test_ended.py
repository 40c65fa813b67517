"""Ctrl-C and kill -9 in every stage of a real build, then run again: the same bits, and nothing left behind."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.pipeline.bench import Bench, descendants, digest, leavings, survivors
from tests.pipeline.conftest import Built

pytestmark = [pytest.mark.build, pytest.mark.network]

# In this order: once the squashfs stage is reached the root stage's result is kept, and later runs go on from there.
STAGES = ("unpacking the toolchain", "root file system", "squashfs")


def test_ended_in_every_stage_then_run_again(bench: Bench, built: Built) -> None:
    store = bench.clone_store(built.store, "ended-store")
    out = bench.new_folder("ended-out")
    earlier = {name: (built.out / name).read_bytes() for name in built.digests()}
    for name, data in earlier.items():
        (out / name).write_bytes(data[:1000])  # of an earlier run; to be replaced whole or not at all
    args = ("--offline", "build", "tiny", "-o", str(out))
    for stage in STAGES:
        for number in (signal.SIGINT, signal.SIGKILL):
            running = bench.start(*args, clone=built.clone, store=store)
            running.wait_for(f"{stage}…")
            time.sleep(random.uniform(0, 1))
            below = descendants(running.process.pid)
            seconds = running.end(number)
            where = f"{number.name} in {stage}: {running.said()}"
            assert running.process.returncode == (130 if number == signal.SIGINT else -number), where
            assert seconds < 3, where
            assert below, where
            assert survivors(below) == [], where
            assert "Traceback" not in running.said(), where
            if number == signal.SIGINT:
                assert leavings(bench, out, store) == [], where
                assert "interrupted" in running.said(), where
            assert {name: (out / name).stat().st_size for name in earlier} == dict.fromkeys(earlier, 1000), where
    done = bench.run(*args, clone=built.clone, store=store)
    assert done.returncode == 0, done.stderr
    assert "from the cache: root" in done.stdout
    assert {name: digest(out / name) for name in earlier} == built.digests()
    assert leavings(bench, out) == []
    assert os.listdir(store / "incoming") == []
