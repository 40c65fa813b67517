"""The leaves that diverge, and having them explained: in shards, several diffoscopes at a time, within limits.

A shard that fails loses nothing but time: its leaves are asked for again, one by one.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from repro.compare import diffoscope
from repro.compare.budget import Limits
from repro.compare.diffoscope import NotExplained
from repro.compare.findings import Findings, Location
from repro.model.comparison import Comparison, Unexamined
from repro.system.memory import available
from repro.system.pool import parallel

_NO_TEXT, _CUT = "no text diff: ", "text diff cut at "  # how the reasons begin, as docs and reports show them
_MISSING_TEXT = re.compile(rf"{_NO_TEXT}|{_CUT}|\d+ of \d+ files have {_NO_TEXT}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")
_LONGEST = 3600.0  # seconds, where nobody set a limit
_LEAST_MEMORY = 1 << 30  # bytes of one diffoscope
# What a leaf costs diffoscope, in bytes of text: starting its helpers, and taking machine code apart
_EACH, _CODE = 200_000, 10
_SHARD = 20_000_000  # of that cost in one shard (docs/benchmarks.md)

Progress = Callable[[int], None]  # told of how many more leaves nothing more will be said


@dataclass(frozen=True)
class _Leaf:
    name: str
    location: Location
    cost: int


class Leaves:
    """The pairs of files to explain, written to `scratch` as they are found; `texts` is what was said of them."""

    def __init__(self, scratch: Path, limits: Limits, findings: Findings) -> None:
        self._scratch, self._limits, self._findings = scratch, limits, findings
        self._leaves: list[_Leaf] = []
        self._texts: dict[Location, str] = {}
        self._failed: dict[Location, str] = {}
        self._stop = threading.Event()
        self._writing = threading.Lock()
        for side in (diffoscope.LEFT, diffoscope.RIGHT):
            (scratch / side).mkdir()

    @property
    def count(self) -> int:
        """How many pairs there are to explain."""
        return len(self._leaves)

    def add(self, location: Location, left: memoryview, right: memoryview) -> None:
        """Keep a copy of a diverging leaf, or note why it will not be explained."""
        if self.count >= self._limits.leaves:
            self._findings.unexamined(location, f"{_NO_TEXT}more than {self._limits.leaves} files differ")
            return
        if max(len(left), len(right)) > self._limits.leaf:
            self._findings.unexamined(location, f"{_NO_TEXT}larger than {self._limits.leaf} bytes")
            return
        base = location[-1].rsplit("/", 1)[-1] if location else "artifact"
        name = f"{self.count:04d}-{_UNSAFE.sub('_', base)[-80:]}"  # its end is what diffoscope goes by
        try:
            for side, view in ((diffoscope.LEFT, left), (diffoscope.RIGHT, right)):
                (self._scratch / side / name).write_bytes(view)
        except OSError as error:
            self._findings.unexamined(location, f"{_NO_TEXT}{error.strerror}")
            return
        size = len(left) + len(right)
        self._leaves.append(_Leaf(name, location, _EACH + size * (_CODE if bytes(left[:4]) == b"\x7fELF" else 1)))

    def explain(self, seconds: float, progress: Progress) -> None:
        """Ask diffoscope for at most `seconds`. After an interrupt, `texts` has what was said until then."""
        deadline = time.monotonic() + min(max(seconds, 0.1), _LONGEST)
        jobs = self._limits.jobs or len(os.sched_getaffinity(0))
        memory = self._limits.memory or max(_LEAST_MEMORY, available() // (2 * jobs))
        calls = _Calls(self, deadline, memory)
        parallel(calls.shard, _shards(self._leaves, jobs), jobs, self._stop, each=progress)

    def texts(self) -> dict[Location, str]:
        """diffoscope's text by location, within the limits, in the order of locations."""
        with self._writing:
            texts = dict(sorted(self._texts.items()))
        left = self._limits.texts
        for place, text in texts.items():
            kept = min(self._limits.text, left)
            texts[place] = text if len(text) <= kept else text[:kept] + "…"
            left -= min(len(text), kept)
        return texts

    def unexplained(self, otherwise: str) -> Iterable[tuple[Location, str]]:
        """Each leaf without a text, or with less than all of it, and why; `otherwise` where nothing is known."""
        texts = self.texts()
        for leaf in self._leaves:
            text = self._texts.get(leaf.location)
            if text is None:
                yield leaf.location, f"{_NO_TEXT}{self._failed.get(leaf.location, otherwise)}"
            elif texts[leaf.location] != text:
                yield leaf.location, f"{_CUT}{len(texts[leaf.location]) - 1} characters"

    def ask(self, leaves: Sequence[_Leaf], seconds: float, memory: int) -> None:
        """One call of diffoscope. Raises NotExplained, KeyboardInterrupt."""
        folder = self._scratch / f"shard-{leaves[0].name}-{len(leaves)}"
        for side in (diffoscope.LEFT, diffoscope.RIGHT):
            (folder / side).mkdir(parents=True)
            for leaf in leaves:
                (folder / side / leaf.name).hardlink_to(self._scratch / side / leaf.name)
        try:
            said = diffoscope.explain(folder, seconds=seconds, memory=memory, limit=self._limits.text, stop=self._stop)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        with self._writing:
            for leaf in leaves:
                if leaf.name in said:
                    self._texts[leaf.location] = said[leaf.name]
                else:
                    self._failed[leaf.location] = "diffoscope had nothing to say"

    def give_up(self, leaf: _Leaf, reason: str) -> None:
        """Note why `leaf` has no text."""
        with self._writing:
            self._failed[leaf.location] = reason


class _Calls:
    """The calls of one run: each gets at most half of the time that is left, so that none takes all of it."""

    def __init__(self, leaves: Leaves, deadline: float, memory: int) -> None:
        self._leaves, self._deadline, self._memory = leaves, deadline, memory

    def shard(self, leaves: Sequence[_Leaf]) -> int:
        """Explain a shard at once; where that fails, leaf by leaf, the cheapest first. Returns how many they are."""
        try:
            self._ask(leaves)
        except NotExplained as error:
            if len(leaves) == 1:
                self._leaves.give_up(leaves[0], str(error))
            else:
                for leaf in sorted(leaves, key=lambda leaf: leaf.cost):
                    self.shard([leaf])
        return len(leaves)

    def _ask(self, leaves: Sequence[_Leaf]) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NotExplained("no time was left")
        self._leaves.ask(leaves, left / 2, self._memory)


def _shards(leaves: Sequence[_Leaf], jobs: int) -> list[list[_Leaf]]:
    """`leaves` dealt by cost to shards of about the same cost, at least one a job; each in order of name."""
    total = sum(leaf.cost for leaf in leaves)
    count = min(len(leaves), max(jobs, -(-total // _SHARD)))
    shards: list[list[_Leaf]] = [[] for _ in range(count)]
    loads = [0] * count
    for leaf in sorted(leaves, key=lambda leaf: (-leaf.cost, leaf.name)):
        lightest = loads.index(min(loads))
        shards[lightest].append(leaf)
        loads[lightest] += leaf.cost
    return [sorted(shard, key=lambda leaf: leaf.name) for shard in shards]


def only_text(entry: Unexamined) -> bool:
    """Whether all bytes were compared, and only diffoscope's text about them is missing or incomplete."""
    return _MISSING_TEXT.match(entry.reason) is not None


def with_texts(found: Comparison, leaves: Leaves, otherwise: str = "") -> Comparison:
    """`found` with what diffoscope has said of its leaves; where it has not come to one, `otherwise` is the reason."""
    texts = leaves.texts()
    without = {Unexamined(place, reason) for place, reason in leaves.unexplained(otherwise)}
    if otherwise and len(texts) < leaves.count:
        without.add(Unexamined((), f"{leaves.count - len(texts)} of {leaves.count} files have {_NO_TEXT}{otherwise}"))
    return replace(
        found,
        divergences=tuple(
            replace(d, detail="\n".join(filter(None, (d.detail, texts[d.location])))) if d.location in texts else d
            for d in found.divergences
        ),
        unexamined=tuple(sorted({*found.unexamined, *without}, key=lambda u: (u.location, u.reason))),
    )
