"""Pairs of a real image: the recipe `minimal` with every normalizer switched off, in the baseline and with one factor
varied. What diverges does because of that factor, so its labels are those of the factor."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from corpus.cases import held_back
from corpus.judging import answer
from corpus.score import Answer
from repro.diagnose import RULES
from repro.image.normalize import matches
from repro.image.normalizers import NORMALIZERS
from repro.model.comparison import Divergence
from repro.pipeline.explaining import compare
from repro.report import facts
from repro.system.progress import Null

GROUP = "normalizers"
RECIPE = "minimal"
BASELINE = "baseline"
# A factor, and the labels that are right where it alone is varied. The serial of a FAT follows the clock.
FACTORS = {
    "time": frozenset(label for label in RULES if label.startswith("timestamps_")) | {"random_uuid"},
    "timezone": frozenset({"timezone"}),
    "hostname": frozenset({"captures_hostname"}),
    "directory_order": frozenset({"directory_order", "member_order", "hard_link_order", "uid_gid_drift"}),
}
_HELD = ("time=still", "aslr=off", "hash_seed=0")  # what would be another one each time, as in a hunt


def make(folder: Path) -> None:
    """Build `folder`/NAME.iso for the baseline and each factor."""
    for name in (BASELINE, *FACTORS):
        factors = (*_HELD[name == "time" :], *((name,) if name in FACTORS else ()))
        command = [sys.executable, "-m", "repro.cli.main", "-q", "build", RECIPE, "--without-normalizer", "all"]
        options = [word for factor in factors for word in ("--vary", factor)]
        subprocess.run([*command, *options, "-o", str(folder / name)], check=True, stdout=subprocess.DEVNULL)
        (folder / name / f"{RECIPE}.iso").replace(folder / f"{name}.iso")


def made(folder: Path) -> bool:
    return all((folder / f"{name}.iso").exists() for name in (BASELINE, *FACTORS))


def answers(folder: Path) -> Iterator[Answer]:
    """The answers to what diverges under each factor."""
    for factor, labels in FACTORS.items():
        found = compare(folder / f"{BASELINE}.iso", folder / f"{factor}.iso", deep=False, observer=Null())
        for divergence in found.divergences:
            place = facts.place(divergence.location)
            case = f"{GROUP}/{factor} {_normalizer(divergence)}"
            yield answer(labels, case, factor, divergence, held_back(f"{factor} {place}"))


def _normalizer(divergence: Divergence) -> str:
    """Which normalizer of a tree would have kept this from diverging; `step` where it is one of how a stage is made."""
    path = divergence.location[-1] if divergence.location else ""
    for normalizer in NORMALIZERS:
        if any(matches(pattern, path) for pattern in normalizer.patterns):
            return normalizer.name
    return "clamped-times" if divergence.aspects == ("mtime",) else re.sub(r"\W+", "-", divergence.aspects[0])
