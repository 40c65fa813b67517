"""Pairs of a real image: the recipe `minimal` with normalizers switched off, in the baseline and with one factor varied
that they are for. What diverges does because of that factor, so its labels are those of the factor."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.cases import held_back
from corpus.judging import answer
from corpus.score import Answer
from repro.diagnose import RULES
from repro.image.normalize import matches
from repro.image.normalizers import NORMALIZERS
from repro.image.steps import CLAMPED_TIMES, FAT_SERIAL, FAT_TIMES, ISO_DATES, NAMES, SQUASHFS_TIME
from repro.model.comparison import Divergence
from repro.pipeline.explaining import compare
from repro.report import facts
from repro.system.progress import Null

GROUP = "normalizers"
RECIPE = "minimal"
_ALL = "all"
# Files have the times of the kernel's clock, which no factor moves: what carries them is switched off for `time` alone.
_TIMED = {
    *(step.name for step in (CLAMPED_TIMES, SQUASHFS_TIME, ISO_DATES, FAT_SERIAL, FAT_TIMES)),
    *("apt-state", "journal-catalog"),
}
_UNTIMED = tuple(name for name in NAMES if name not in _TIMED)
_MOST = 25  # divergences that one normalizer counts for under one factor: one that is off may reach every file


@dataclass(frozen=True)
class Pair:
    """What is switched off on both sides, and the labels that are right where a factor alone is varied."""

    without: tuple[str, ...]
    labels: frozenset[str]


FACTORS = {
    # the serial of a FAT follows the clock
    "time": Pair((_ALL,), frozenset(each for each in RULES if each.startswith("timestamps_")) | {"random_uuid"}),
    "timezone": Pair(_UNTIMED, frozenset({"timezone"})),
    "hostname": Pair(_UNTIMED, frozenset({"captures_hostname"})),
    "directory_order": Pair(
        _UNTIMED, frozenset({"directory_order", "member_order", "hard_link_order", "uid_gid_drift"})
    ),
}
_HELD = ("aslr=off", "hash_seed=0")  # what would be another one each time, as in a hunt


def _files(folder: Path) -> dict[str, tuple[tuple[str, ...], tuple[str, ...], Path]]:
    """Each image by name: what is switched off, the factors, and where it lies."""
    found = {}
    for factor, pair in FACTORS.items():
        off = _ALL if _ALL in pair.without else "untimed"
        found[off] = pair.without, ("time=still",), folder / f"{off}.iso"
        held = ("time",) if factor == "time" else ("time=still", factor)
        found[factor] = pair.without, held, folder / f"{factor}.iso"
    return found


def make(folder: Path) -> None:
    """Build every image of the pairs in `folder`."""
    for name, (without, factors, target) in _files(folder).items():
        options = [word for each in without for word in ("--without-normalizer", each)]
        options += [word for each in (*_HELD, *factors) for word in ("--vary", each)]
        command = [sys.executable, "-m", "repro.cli.main", "-q", "build", RECIPE, *options, "-o", str(folder / name)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (folder / name / f"{RECIPE}.iso").replace(target)


def made(folder: Path) -> bool:
    return all(target.exists() for *_, target in _files(folder).values())


def answers(folder: Path) -> Iterator[Answer]:
    """The answers to what diverges under each factor."""
    files = _files(folder)
    for factor, pair in FACTORS.items():
        baseline = files[_ALL if _ALL in pair.without else "untimed"][2]
        found = compare(baseline, files[factor][2], deep=False, observer=Null())
        counted = Counter[str]()
        for divergence in sorted(found.divergences, key=lambda each: each.location):
            place, name = facts.place(divergence.location), _normalizer(divergence)
            counted[name] += 1
            if counted[name] <= _MOST:
                case = f"{GROUP}/{factor} {name}"
                yield answer(pair.labels, case, factor, divergence, held_back(f"{factor} {place}"))


def _normalizer(divergence: Divergence) -> str:
    """Which normalizer of a tree would have kept this from diverging; `step` where it is one of how a stage is made."""
    path = divergence.location[-1] if divergence.location else ""
    for normalizer in NORMALIZERS:
        if any(matches(pattern, path) for pattern in normalizer.patterns):
            return normalizer.name
    return "clamped-times" if divergence.aspects == ("mtime",) else re.sub(r"\W+", "-", divergence.aspects[0])
