"""Looks for inputs on which a comparison raises, hangs or swallows memory: `python -m tests.fuzz SECONDS [SEED]`.

Each round damages a sample (or makes a container whose fields lie), compares it with a sound one in a process of its
own under limits, and keeps what broke it in tests/crashers/, where `tests/compare/test_crashers.py` finds it.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from repro.compare import Limits, compare_artifacts
from tests.compare.oracles import sound
from tests.formats import lying
from tests.formats.samples import SAMPLES
from tests.formats.test_hostile import damaged, exhaust, sample

CRASHERS = Path(__file__).parent / "crashers"
LIMITS = Limits(depth=6, members=50_000, expanded=1 << 27, spooled=1 << 25, seconds=10)
MEMORY = 768 << 20  # bytes: RLIMIT_DATA of one process
SECONDS = 40  # of one batch, wall clock
_BATCH = 8  # pairs that share a process


def pairs(seed: str) -> list[tuple[str, bytes, bytes]]:
    """The batch of `seed`: (what it is, left, right)."""
    rng = random.Random(seed)
    made = []
    for _ in range(_BATCH):
        if rng.random() < 0.4:
            name = rng.choice(sorted(lying.MAKERS))
            made.append((name, lying.MAKERS[name](rng), lying.MAKERS[name](rng)))
            continue
        name = rng.choice(sorted(SAMPLES))
        broken = damaged(sample(name), rng)
        other = damaged(sample(name), rng) if rng.random() < 0.3 else sample(name)
        made.append((name, *rng.sample((broken, other), 2)))
    return made


def examine(left: bytes, right: bytes) -> None:
    """Read all of each side, compare both, and hold the result against what must hold of every comparison."""
    for side in (left, right):
        exhaust(side)
    with TemporaryDirectory() as folder:
        paths = Path(folder, "left"), Path(folder, "right")
        for path, data in zip(paths, (left, right), strict=True):
            path.write_bytes(data)
        sound(compare_artifacts(*paths, deep=False, limits=LIMITS), (left, right))


def apart(work: Callable[[], None]) -> str:
    """Run `work` in a process of its own under limits; what went wrong, or an empty string."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        signal.alarm(SECONDS)
        try:
            work()
        except BaseException:
            os.write(writing, traceback.format_exc()[-4000:].encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read().decode("utf-8", "replace")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"not done after {SECONDS} seconds" if number == signal.SIGALRM else f"ended by signal {number}"
    return said


def keep(name: str, left: bytes, right: bytes) -> Path:
    """Write a pair that broke something to the folder of crashers."""
    digest = hashlib.sha256(left + right).hexdigest()[:12]
    CRASHERS.mkdir(exist_ok=True)
    for side, data in (("left", left), ("right", right)):
        (CRASHERS / f"{name}-{digest}.{side}.gz").write_bytes(gzip.compress(data, mtime=0))
    return CRASHERS / f"{name}-{digest}"


def run(seconds: float, seed: str) -> int:
    """Fuzz for `seconds`; returns how many pairs broke something."""
    end, number, broken = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        batch = pairs(f"{seed}/{number}")
        number += 1
        if not apart(lambda made=batch: [examine(left, right) for _, left, right in made] and None):  # type: ignore[misc]
            continue
        for name, left, right in batch:
            reason = apart(lambda a=left, b=right: examine(a, b))  # type: ignore[misc]
            if reason:
                broken += 1
                print(f"{keep(name, left, right)} (seed {seed}/{number - 1}):\n{reason}", flush=True)
    print(f"{number * _BATCH} pairs in {seconds:.0f} s from seed {seed}: {broken} broke something", flush=True)
    return broken


if __name__ == "__main__":
    sys.exit(bool(run(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else str(time.time_ns()))))
