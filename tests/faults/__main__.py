"""`python -m tests.faults`: the fault plans and the kills in full, two at a time."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.runs import Stage, Violation, real_packages, run_kill, run_plan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="repro-faults-") as name:
        folder = Path(name)
        stage = Stage(folder / "project", real_packages(folder))

        def attempt(run: Callable[[], str]) -> str:
            try:
                return run()
            except Violation as error:
                print(f"VIOLATION {error}", flush=True)
                return "bad_blobs" if "bad blob" in str(error) else "violations"

        def one_plan(seed: int) -> str:
            return "completed" if run_plan(stage, seed, folder).code == 0 else "stopped_cleanly"

        def one_kill(seed: int) -> str:
            run_kill(stage, seed, folder)
            return "recovered"

        seeds = range(given.first, given.first + given.plans)
        with ThreadPoolExecutor(2) as pool:
            for number, word in enumerate(pool.map(lambda seed: attempt(lambda: one_plan(seed)), seeds), 1):
                counts[word] += 1
                if number % 20 == 0:
                    print(f"{number} of {given.plans} plans: {dict(counts)}", flush=True)
            kills = range(given.first, given.first + given.kills)
            for word in pool.map(lambda seed: attempt(lambda: one_kill(seed)), kills):
                counts[word] += 1
    print(
        f"plans={given.plans} completed={counts['completed']} stopped_cleanly={counts['stopped_cleanly']} "
        f"bad_blobs={counts['bad_blobs']} kills={given.kills} recovered={counts['recovered']}"
    )
    good = counts["completed"] + counts["stopped_cleanly"] == given.plans and counts["recovered"] == given.kills
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
