"""Both artifacts as strips of equal cells: what lies in each for the most part, and how much of it differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from repro.compare.accounting import Segment
from repro.model.comparison import Cells, Picture

_CELLS = 2048  # at most, of the larger side
_GRAIN = 2048  # a cell's size is a multiple of this

_Painted = tuple[str, int]  # the structure that most bytes belong to, bytes that differ


class Painter:
    """Paints the segments of containers, wherever they lie in the artifacts, whose `sizes` are in bytes."""

    def __init__(self, sizes: tuple[int, int]) -> None:
        self.cell = max(1, -(-max(sizes) // (_CELLS * _GRAIN))) * _GRAIN
        counts = [-(-size // self.cell) for size in sizes]
        self._weights: list[list[dict[str, int]]] = [[{} for _ in range(count)] for count in counts]
        self._differing = [[0] * count for count in counts]

    def paint(self, side: int, start: int, segments: Iterable[Segment], prefix: str) -> None:
        """Add the segments of a container that begins at `start` of the artifact; `prefix` precedes their names."""
        weights, differing, cell = self._weights[side], self._differing[side], self.cell
        for segment in segments:
            name = prefix + segment.row
            at, end, left = start + segment.start, start + segment.end, segment.differing
            while at < end:
                number = at // cell
                size = min(end, (number + 1) * cell) - at
                weights[number][name] = weights[number].get(name, 0) + size
                part = left * size // (end - at)
                differing[number] += part
                left -= part
                at += size

    def picture(self) -> Picture:
        """What was painted."""
        sides = [list(self._painted(side)) for side in (0, 1)]
        names = tuple(sorted({name for side in sides for name, _ in side}))
        numbers = {name: number for number, name in enumerate(names)}
        left, right = (
            tuple(Cells(len(list(run)), numbers[name], count) for (name, count), run in groupby(side)) for side in sides
        )
        return Picture(self.cell, names, left, right)

    def _painted(self, side: int) -> Iterator[_Painted]:
        for weights, differing in zip(self._weights[side], self._differing[side], strict=True):
            yield max(weights, key=lambda name: (weights[name], name), default="unmapped"), differing
