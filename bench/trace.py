"""`make bench-trace`: the recipe `minimal` built without and with --trace, in turns, every stage anew.

Last line: `untraced=… traced=… overhead=… same_bits=…`: the median seconds of a build's root stage either way, by how
much longer it takes, and whether every build gave the same artifact.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

RECIPE = "minimal"
ROUNDS = 3


def main() -> None:
    took: dict[bool, list[float]] = {False: [], True: []}
    digests = set[str]()
    with tempfile.TemporaryDirectory(prefix="repro-bench-trace-") as scratch:
        for number in range(ROUNDS):
            for traced in (False, True) if number % 2 == 0 else (True, False):
                seconds, digest = built(Path(scratch, "out"), traced)
                took[traced].append(seconds)
                digests.add(digest)
                print(f"{'traced' if traced else 'untraced'}: root in {seconds:.1f} s, {digest[:16]}…", flush=True)
    plain, slow = median(took[False]), median(took[True])
    same = "yes" if len(digests) == 1 else "no"
    print(f"untraced={plain:.1f} traced={slow:.1f} overhead={slow / plain - 1:.2f} same_bits={same}")
    sys.exit(0 if len(digests) == 1 else 1)


def built(out: Path, traced: bool) -> tuple[float, str]:
    """One build: the seconds of its root stage, and the digest of what it gave."""
    command = [sys.executable, "-m", "repro.cli.main", "-q", "build", RECIPE, "--no-cache", "-o", str(out)]
    subprocess.run([*command, *(["--trace"] if traced else [])], check=True, stdout=subprocess.DEVNULL)
    record = json.loads((out / "build.json").read_bytes())
    seconds = next(stage["seconds"] for stage in record["run"]["stages"] if stage["name"] == "root")
    return seconds, hashlib.sha256((out / f"{RECIPE}.iso").read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
