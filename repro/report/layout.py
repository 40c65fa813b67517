"""Text in columns, measured as a terminal shows it: East Asian characters are two columns wide, combining ones none.

`rich.cells` measures. tabulate would need a second library for that and, with it, pads by the terminal's name, so
that the same comparison would give other bytes elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

GAP = 2  # columns between two columns of a table


def fit(text: str, width: int) -> str:
    """`text` without its middle where it takes more than `width` columns."""
    if cell_len(text) <= width:
        return text
    head = (width - 1) // 2
    start = set_cell_size(text, head).rstrip()
    return f"{start}…{_tail(text, width - 1 - cell_len(start))}"


def _tail(text: str, width: int) -> str:
    """The longest end of `text` that takes at most `width` columns."""
    used, start = 0, len(text)
    while start and (used := used + cell_len(text[start - 1])) <= width:
        start -= 1
    while start < len(text) and not cell_len(text[start]):
        start += 1  # a combining character, whose base was cut off
    return text[start:]


def wrap(text: str, width: int, indent: str = "") -> Iterator[str]:
    """`text` in lines of at most `width` columns, each after `indent`; words that are longer are broken."""
    room, line = width - cell_len(indent), ""
    for word in text.split():
        for piece in chop_cells(word, room):
            joined = f"{line} {piece}" if line else piece
            if cell_len(joined) > room:
                yield indent + line
                joined = piece
            line = joined
    if line:
        yield indent + line


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()
) -> Iterator[str]:
    """Lines of a table with a rule below its header; cells may have several lines, columns in `right` end flush."""
    cells = [[cell.split("\n") for cell in row] for row in (header, *rows)]
    widths = [max(cell_len(line) for row in cells for line in row[column]) for column in range(len(header))]
    for number, row in enumerate(cells):
        for level in range(max(map(len, row))):
            lines = (cell[level] if level < len(cell) else "" for cell in row)
            padded = (_pad(line, widths[n], n in right) for n, line in enumerate(lines))
            yield (" " * GAP).join(padded).rstrip()
        if number == 0:
            yield (" " * GAP).join("-" * width for width in widths)


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space
