"""A comparison for a person at a terminal: verdict, totals, then what differs, container by container.

Everything fits the width that is asked for; names from artifacts are escaped, long ones lose their middle.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from tabulate import tabulate

from repro.model.comparison import DIFFERENT, IDENTICAL, Comparison, Divergence, Side
from repro.model.text import human_size, printable

_COLOURS = {IDENTICAL: "32", DIFFERENT: "31"}
_UNDECIDED = "33"
_ROWS = 40  # divergences shown
_UNEXAMINED_ROWS = 10
_ASPECT_WIDTH = 15
_FACT_LINES = 14  # of one divergence
_EXPLAINED = 10  # divergences whose text diff is shown
_DIFF_LINES = 10  # of one text diff


def render(comparison: Comparison, *, width: int = 80, color: bool = False, rows: int = _ROWS) -> str:
    """`comparison` as text of at most `width` columns a line, ending in a newline; at most `rows` divergences."""
    parts = [*_head(comparison, width, color), *_table(comparison.divergences, width, rows)]
    parts += _explanations(comparison.divergences[:rows], width)
    parts += _unexamined(comparison, width)
    return "\n".join(parts) + "\n"


def _head(comparison: Comparison, width: int, color: bool) -> Iterator[str]:
    verdict = comparison.verdict.upper()
    if color:
        verdict = f"\x1b[1;{_COLOURS.get(comparison.verdict, _UNDECIDED)}m{verdict}\x1b[0m"
    yield verdict
    for label, side in (("left ", comparison.left), ("right", comparison.right)):
        yield from _side(label, side, width)
    summary = comparison.summary
    if comparison.verdict == IDENTICAL:
        if summary.entries:
            yield f"{summary.entries} entries compared, 0 divergent"
        return
    yield _fit(
        f"{summary.entries} entries compared, {summary.divergent} divergent; "
        f"{_bytes(summary.bytes_differing)} differ by position",
        width,
    )
    if summary.bytes_differing:
        yield _fit(f"{_bytes(summary.bytes_explained)} of them lie in an examined member or a named structure", width)


def _bytes(size: int) -> str:
    return human_size(size)


def _side(label: str, side: Side, width: int) -> Iterator[str]:
    size = "size unknown" if side.size is None else human_size(side.size)
    yield f"  {label}  {_fit(printable(side.name), width - len(size) - 12)}  ({size})"
    yield f"         {_fit(side.sha256, width - 9)}"


def _table(divergences: tuple[Divergence, ...], width: int, rows: int) -> Iterator[str]:
    """One table a container, in the order in which the containers come."""
    shown = sorted(divergences[:rows], key=lambda d: d.location[:-1])
    for container, members in groupby(shown, key=lambda d: d.location[:-1]):
        yield ""
        title = " → ".join(printable(part) for part in container) or "artifact"
        yield _fit(title, width)
        yield tabulate(
            [_row(member, width) for member in members],
            headers=("member", "aspects", "left → right"),
            tablefmt="simple",
            disable_numparse=True,
        )
    if len(divergences) > rows:
        yield ""
        yield f"… and {len(divergences) - rows} more divergences; the JSON report has all of them"


def _row(divergence: Divergence, width: int) -> tuple[str, str, str]:
    name_width = max(16, (width - _ASPECT_WIDTH - 4) * 9 // 20)
    facts_width = max(16, width - _ASPECT_WIDTH - 4 - name_width)
    name = printable(divergence.location[-1]) if divergence.location else "(the artifact itself)"
    aspects = textwrap.fill(", ".join(divergence.aspects), _ASPECT_WIDTH)
    lines = list(_facts(divergence, facts_width))
    if len(lines) > _FACT_LINES:
        lines[_FACT_LINES - 1 :] = [f"… {len(lines) - _FACT_LINES + 1} more lines in the JSON"]
    return _fit(name, name_width), aspects, "\n".join(lines)


def _facts(divergence: Divergence, width: int) -> Iterator[str]:
    """What differs, a line each; the digests stay in the JSON."""
    left, right = divergence.left, divergence.right
    if left is None or right is None:
        if "presence" in divergence.aspects:
            yield "only on the right" if left is None else "only on the left"
        return
    for name in sorted(left.keys() | right.keys()):
        if name not in ("sha256", "size"):
            yield from _pair(name, left, right, width)
    if "content" in divergence.aspects:
        yield _fit(_sizes(left.get("size"), right.get("size")), width)
    summary, _ = _split(divergence.detail or "")
    yield from textwrap.wrap(printable(summary), width)


def _split(detail: str) -> tuple[str, list[str]]:
    """The sentence that a detail may start with, and the lines of the text diff that may follow it."""
    lines = detail.splitlines()
    if lines and not lines[0].startswith(("@@", "---")):
        return lines[0], lines[1:]
    return "", lines


def _explanations(divergences: tuple[Divergence, ...], width: int) -> Iterator[str]:
    """The first lines of the text diffs."""
    explained = [(d, lines) for d in divergences if (lines := _split(d.detail or "")[1])]
    for divergence, lines in explained[:_EXPLAINED]:
        yield ""
        yield _fit(_place(divergence.location), width)
        for line in lines[:_DIFF_LINES]:
            yield "  " + _fit(printable(line), width - 2)
        if len(lines) > _DIFF_LINES:
            yield f"  … {len(lines) - _DIFF_LINES} more lines in the JSON"
    if len(explained) > _EXPLAINED:
        yield ""
        yield f"… and {len(explained) - _EXPLAINED} more text diffs in the JSON"


def _place(location: tuple[str, ...]) -> str:
    return " → ".join(printable(part) for part in location) or "the artifact itself"


def _pair(name: str, left: Mapping[str, Any], right: Mapping[str, Any], width: int) -> Iterator[str]:
    text = f"{_value(left.get(name))} → {_value(right.get(name))}"
    label = printable(name)
    if len(label) + 2 + len(text) <= width:
        yield f"{label}: {text}"
        return
    yield _fit(f"{label}:", width)
    for sign, side in (("-", left), ("+", right)):
        yield _fit(f" {sign} {_value(side.get(name))}", width)


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_value(item)}" for key, item in sorted(value.items())) or "(none)"
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(item) for item in value)
    return printable(str(value))


def _sizes(left: Any, right: Any) -> str:
    if not isinstance(left, int) or not isinstance(right, int):
        return "size unknown"
    return f"{human_size(left)}, same size" if left == right else f"{left} → {right} bytes"


def _unexamined(comparison: Comparison, width: int) -> Iterator[str]:
    entries = comparison.unexamined
    if not entries:
        return
    yield ""
    yield f"NOT EXAMINED: {len(entries)}"
    for entry in entries[:_UNEXAMINED_ROWS]:
        yield f"  {_fit(_place(entry.location), width - 2)}"
        yield from textwrap.wrap(printable(entry.reason), width, initial_indent="    ", subsequent_indent="    ")
    if len(entries) > _UNEXAMINED_ROWS:
        yield f"  … and {len(entries) - _UNEXAMINED_ROWS} more; the JSON report has all of them"


def _fit(text: str, width: int) -> str:
    """`text` without its middle where it is longer than `width`."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
