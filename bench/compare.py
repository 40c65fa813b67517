"""Time `repro compare` against diffoscope on pairs of live images, and judge what both found.

The pairs are built once (bench/pairs.py); what was planted in them is known. The last line is `shallow_ratio=…
deep_ratio=… identical_vs_sha256sum=… peak_mb=…`, of the medians and of the first pair.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import judged, pairs, planted
from bench.measure import Run, measured
from bench.pairs import FEW, LARGE_FEW, MANY, SQUASHFS, Pair

ROOT = Path(__file__).resolve().parents[1]
_OWN_LIMIT = 3600.0  # seconds for anything but diffoscope
_IDENTICAL = 5  # runs at least: they are short


def main() -> int:
    options = arguments()
    bench = Bench(options.work.absolute())
    try:
        pairs.have(bench.folder, large=options.large, say=say)
    except (subprocess.CalledProcessError, ValueError, OSError) as error:
        raise SystemExit(f"bench/compare: {error}\n{getattr(error, 'stderr', None) or ''}") from error
    both = [pairs.pair(bench.folder, name) for name in (FEW, MANY)]
    for each in both:
        warm(each)
        for _ in range(options.repeats):
            bench.ours(each, "shallow", judged.planted_equal)
            bench.ours(each, "deep", judged.planted_equal)
        if not options.skip_diffoscope:
            bench.diffoscope(each, options.diffoscope_limit)
    identical = bench.identical(max(options.repeats, _IDENTICAL))
    if options.large:
        bench.large(pairs.pair(bench.folder, LARGE_FEW))
    print(f"pair2: shallow_ratio={bench.ratio(MANY, 'shallow')} deep_ratio={bench.ratio(MANY, 'deep')}")
    peak = max(run.anonymous for (_, how), runs in bench.runs.items() if how == "shallow" for run in runs)
    print(
        f"shallow_ratio={bench.ratio(FEW, 'shallow')} deep_ratio={bench.ratio(FEW, 'deep')} "
        f"identical_vs_sha256sum={identical:.2f} peak_mb={peak / 1e6:.0f}"
    )
    return 1 if bench.wrong else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/compare.sh", description=__doc__)
    parser.add_argument("-n", "--repeats", type=int, default=3, help="timed runs of repro (3); diffoscope runs once")
    parser.add_argument("-w", "--work", type=Path, default=ROOT / "out/bench-compare", help="folder to work in")
    parser.add_argument("--large", action="store_true", help="also a pair of 4 GB, which takes 25 GB of disk")
    parser.add_argument("--skip-diffoscope", action="store_true", help="only repro, without ratios")
    parser.add_argument(
        "--diffoscope-limit", type=float, default=2400, metavar="SECONDS", help="end diffoscope then (2400)"
    )
    return parser.parse_args()


@dataclass
class Bench:
    """The runs so far, by pair and kind; `wrong` counts answers that are not what was planted."""

    folder: Path
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=dict)
    found: dict[str, judged.Found] = field(default_factory=dict)
    wrong: int = 0

    def ours(
        self, pair: Pair, how: str, judge: Callable[[judged.Found, dict[planted.Location, str]], list[str]] | None
    ) -> Run:
        """Run `repro compare` on a pair; hold what it found against what was planted."""
        output = self.folder / f"{pair.name}.{how}.found.json"
        argv = [sys.executable, "-m", "repro.cli.main", "--progress", "none", "compare", f"--{how}", "--json"]
        argv += ["--time-limit", str(_OWN_LIMIT), str(pair.left), str(pair.right)]
        run = measured(argv, self.folder / "repro.log", output=output)
        self._note(pair.name, how, f"repro compare --{how}", run, expected=(1 if judge else 0,))
        if judge:
            found = self.found[pair.name] = judged.ours(output)
            problems = judge(found, planted.read(pair.truth))
            self.wrong += bool(problems)
            print(f"  {len(found.aspects)} divergences, as planted" if not problems else judged.listed(problems))
            if found.unexamined:
                print(f"  not examined: {len(found.unexamined)}, as {next(iter(found.unexamined.values()))!r}")
        return run

    def diffoscope(self, pair: Pair, limit: float) -> None:
        """Run diffoscope on a pair, and hold its leaves and their diffs against those of the last `--deep` run."""
        output, scratch = self.folder / f"{pair.name}.diffoscope.json", self.folder / "diffoscope"
        output.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        argv = ["env", f"TMPDIR={scratch}", sys.executable, "-m", "diffoscope.main", "--no-progress"]
        argv += ["--json", str(output), str(pair.left), str(pair.right)]
        run = measured(argv, self.folder / "diffoscope.log", limit=limit)
        shutil.rmtree(scratch, ignore_errors=True)
        self._note(pair.name, "diffoscope", "diffoscope", run, expected=(1,))
        if run.timed_out:
            return
        texts, found = judged.theirs(output, SQUASHFS), self.found[pair.name]
        unequal, unlike = judged.same_leaves(found, texts), judged.unlike_diffs(found, texts)
        print(f"  leaves: {len(texts)} of diffoscope's, {len(found.leaves)} of repro's")
        print(judged.listed(unequal), end="")
        both = len(texts.keys() & found.leaves)
        print(f"  leaf diffs equal: {both - len(unlike)} of {both}")
        print(judged.listed(unlike), end="")

    def identical(self, repeats: int) -> float:
        """How long identical images take, as a multiple of `sha256sum` of both files."""
        original = pairs.pair(self.folder, FEW).left
        copy = self.folder / "original-copy.iso"
        shutil.copyfile(original, copy)
        same = Pair("identical", original, copy, copy)
        warm(same)
        for _ in range(repeats):
            self.ours(same, "deep", None)
            run = measured(["sha256sum", str(original), str(copy)], self.folder / "sha256sum.log")
            self._note("identical", "sha256sum", "sha256sum", run, expected=(0,))
        copy.unlink()
        return self._wall("identical", "deep") / self._wall("identical", "sha256sum")

    def large(self, pair: Pair) -> None:
        """Whether memory stays flat from 400 MB to 4 GB."""
        warm(pair)
        run = self.ours(pair, "shallow", judged.planted_equal)
        small = max(each.anonymous for each in self.runs[FEW, "shallow"])
        times = pair.left.stat().st_size / pairs.pair(self.folder, FEW).left.stat().st_size
        print(f"large: {times:.1f} times the bytes, {run.anonymous / small:.2f} times the anonymous memory")

    def ratio(self, pair: str, how: str) -> str:
        """diffoscope's wall time over repro's median; `≥` where diffoscope was ended, `-` where it did not run."""
        theirs = self.runs.get((pair, "diffoscope"))
        if not theirs:
            return "-"
        return ("≥" if theirs[0].timed_out else "") + f"{theirs[0].wall / self._wall(pair, how):.1f}"

    def _wall(self, pair: str, how: str) -> float:
        return statistics.median(run.wall for run in self.runs[pair, how])

    def _note(self, pair: str, how: str, what: str, run: Run, *, expected: tuple[int, ...]) -> None:
        if run.exit not in expected and not run.timed_out:
            raise SystemExit(f"bench/compare: {what} exited with {run.exit}; see the logs in {self.folder}")
        self.runs.setdefault((pair, how), []).append(run)
        memory = f"anonymous {run.anonymous / 1e6:7.1f} MB  resident {run.resident / 1e6:7.1f} MB"
        times = f"wall {run.wall:8.2f} s  CPU {run.cpu:8.2f} s"
        ended = "  (ended)" if run.timed_out else ""
        print(f"{pair:11} {what:23} {times}  {memory}  load {os.getloadavg()[0]:.1f}{ended}", flush=True)


def warm(pair: Pair) -> None:
    """Have both images in the page cache."""
    for path in (pair.left, pair.right):
        with open(path, "rb") as file:
            while file.read(1 << 22):
                pass


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
