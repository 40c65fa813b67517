"""`make bench-hunt`: the recipe `unstable`, whose causes are planted, hunted in few builds and one by one.

Both start without a build in the store, with the same number of builds at a time. Last line:
`factors=… builds=… attributed=… wrong=… time_ratio=…`: of the files with a planted cause how many were attributed to
it, how many files to anything else, and the wall time against that of one by one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from repro.model import hunt as hunts
from repro.model.hunt import CHANCE, OPEN, Hunt

RECIPE = "unstable"
FOLDER = "opt/unstable"
# What recipes/unstable/hooks plants: `date` writes the time in the language and the zone of the build, and a listing
# in the order of the file system is another one on another file system.
PLANTED = {
    "time-of-day": {"time", "timezone", "locale"},
    "random": set[str](),
    "hostname": {"hostname"},
    "listing": {"directory_order", "filesystem"},
    "stamped.gz": {"time"},
    "__pycache__/module.cpython-311.pyc": {"time"},
    "mode": {"umask"},
    "owner": {"user"},
}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="repro-bench-hunt-") as scratch:
        store, out = Path(scratch, "store"), Path(scratch, "out")
        run(store, "fetch", RECIPE)
        found, fast = hunted(store, out / "few")
        shutil.rmtree(store / "stages")
        slow_found, slow = hunted(store, out / "single", "--one-by-one")
    right, wrong = judged(found)
    print(f"one by one: {len(slow_found.builds)} builds, {slow:.0f} s; {judged(slow_found)[0]} attributed")
    print(f"few builds: {len(found.builds)} builds, {fast:.0f} s; {right} of {len(PLANTED)} attributed")
    print(
        f"factors={len(found.factors)} builds={len(found.builds)} attributed={right} wrong={wrong} "
        f"time_ratio={fast / slow:.2f}"
    )
    sys.exit(0 if right == len(PLANTED) and not wrong else 1)


def hunted(store: Path, out: Path, *options: str) -> tuple[Hunt, float]:
    """One hunt, and the seconds that it took."""
    began = time.monotonic()
    run(store, "hunt", RECIPE, "-o", str(out), *options, codes=(0, 1))
    seconds = time.monotonic() - began
    return hunts.decode((out / hunts.FILE).read_bytes(), hunts.FILE), seconds


def run(store: Path, *args: str, codes: tuple[int, ...] = (0,)) -> None:
    command = [sys.executable, "-m", "repro.cli.main", "--store", str(store), "--progress", "plain", *args]
    done = subprocess.run(command, check=False)
    if done.returncode not in codes:
        sys.exit(f"{' '.join(args)} exited with {done.returncode}")


def judged(found: Hunt) -> tuple[int, int]:
    """How many planted files were attributed to what is planted, and how many attributions say anything else."""
    right, wrong = set[str](), 0
    for each in found.attributions:
        name = each.location[0].removeprefix(f"{FOLDER}/")
        decided = each.confidence != OPEN and (each.factors or each.how == CHANCE)
        if decided and PLANTED.get(name) == set(each.factors):
            right.add(name)
        else:
            wrong += 1
    return len(right), wrong


if __name__ == "__main__":
    main()
