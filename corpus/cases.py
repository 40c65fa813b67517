"""The cases: small scripts, each with the cause of what it makes; read from `cases/GROUP.sh`.

A group is named by the factor that differs between its two sides (`chance`: none, `inputs`: what goes in). In its
file a case begins with `## NAME: LABEL…`; where there are several labels, each is a right answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("cases")
CHANCE, INPUTS = "chance", "inputs"
_SEED = "repro corpus 1"
_HELD_BACK = 0.4
_HEAD = re.compile(r"## ([a-z0-9-]+): ([a-z_]+(?: [a-z_]+)*)")


@dataclass(frozen=True)
class Case:
    """One script of a group, the labels that are right, and whether rules may not be written against it."""

    group: str
    name: str
    labels: frozenset[str]
    script: str

    @property
    def held_back(self) -> bool:
        return held_back(f"{self.group}/{self.name}")


def held_back(name: str) -> bool:
    """Whether `name` is in the part that no rule is written against: a seeded split, the same for ever."""
    return hashlib.sha256(f"{_SEED}\0{name}".encode()).digest()[0] < _HELD_BACK * 256


def groups(folder: Path = FOLDER) -> dict[str, tuple[Case, ...]]:
    """The cases by group."""
    return {path.stem: tuple(_cases(path)) for path in sorted(folder.glob("*.sh"))}


def _cases(path: Path) -> Iterator[Case]:
    _, *sections = re.split(r"(?m)^(?=## )", path.read_text())
    for section in sections:
        head, _, script = section.partition("\n")
        match = _HEAD.fullmatch(head)
        if not match:
            raise ValueError(f"{path}: {head!r} is not `## NAME: LABEL…`")
        yield Case(path.stem, match[1], frozenset(match[2].split()), script)
