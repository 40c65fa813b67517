"""Compares the pairs of the corpus, and lays what the rules say first beside what is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from corpus.cases import Case
from corpus.plant import SIDES, SUFFIXES
from corpus.score import Answer
from repro.model.comparison import Divergence
from repro.pipeline.explaining import compare
from repro.report import facts
from repro.system.progress import Null

_PLACE = re.compile(r"(?:^|/)made/([^/]+)/.")


class Unlabelled(Exception):
    """The corpus itself is wrong: something diverges that is no case, or a case does not diverge."""


def answers(group: str, cases: Iterable[Case], folder: Path) -> Iterator[Answer]:
    """The answers to one group in all its containers. Raises Unlabelled."""
    by_name = {case.name: case for case in cases}
    for suffix in SUFFIXES:
        left, right = (folder / f"{side}{suffix}" for side in SIDES)
        seen: set[str] = set()
        for divergence in compare(left, right, deep=False, observer=Null()).divergences:
            name = next((found[1] for part in divergence.location if (found := _PLACE.search(part))), "")
            if name not in by_name:
                raise Unlabelled(f"{group}{suffix}: {facts.place(divergence.location)} diverges and is no case")
            seen.add(name)
            yield answer(by_name[name].labels, f"{group}/{name}", suffix, divergence, by_name[name].held_back)
        if missing := sorted(by_name.keys() - seen):
            raise Unlabelled(f"{group}{suffix}: nothing diverges in {', '.join(missing)}")


def answer(labels: frozenset[str], case: str, where: str, divergence: Divergence, held: bool) -> Answer:
    """What the rules say of one divergence, whose cause is one of `labels`."""
    first = divergence.causes[0]
    return Answer(case, f"{where} {facts.place(divergence.location)}", labels, first.label, first.confidence, held)
