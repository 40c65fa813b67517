"""A comparison for a person at a terminal: verdict, totals, then what differs, by container and package.

Everything fits the width that is asked for, as a terminal measures it; names from artifacts are escaped, long ones
lose their middle. Many divergences become groups with counts, and some of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from rich.cells import cell_len

from repro.model.comparison import DIFFERENT, IDENTICAL, Comparison, Divergence, Side
from repro.model.gate import FAILS, HOLDS
from repro.model.text import human_size, printable
from repro.report import facts, standings, totals
from repro.report.groups import Group, grouped, largest, some_of_each
from repro.report.layout import GAP, fit, table, wrap

Paint = Callable[[str, str], str]

_GREEN, _RED, _YELLOW = "32", "31", "33"
_COLOURS = {IDENTICAL: _GREEN, DIFFERENT: _RED}
_GATES = {HOLDS: _GREEN, FAILS: _RED}
_ROWS = 40  # divergences shown
_GROUPS = 20  # groups counted where there are more divergences than that
_UNEXAMINED_ROWS = 10
_FAILING = 20  # divergences that make the gate fail
_ENTRIES = 10  # of the baseline: those that know something, those that are gone
_ASPECT_WIDTH = 12
_SIZE_WIDTH = 9
_FACTS = f"left{facts.ARROW}right"
_FACT_LINES = 14  # of one divergence
_EXPLAINED = 10  # divergences whose text diff is shown
_DIFF_LINES = 10  # of one text diff


def render(comparison: Comparison, *, width: int = 80, color: bool = False, rows: int = _ROWS) -> str:
    """`comparison` as text of at most `width` columns a line, ending in a newline; at most `rows` divergences."""
    paint = _painter(width, color)
    groups = grouped(comparison.divergences)
    shown = list(comparison.divergences)
    parts = [*_head(comparison, width, paint), *_balances(comparison, width, paint)]
    if len(shown) > rows:
        shown = some_of_each(groups, rows)
        parts += _counts(groups, width)
    parts += _tables(shown, width)
    if len(shown) < len(comparison.divergences):
        more = len(comparison.divergences) - len(shown)
        parts += ["", fit(f"… and {more} more divergences; the JSON report has all of them", width)]
    parts += _explanations(shown, width)
    parts += _unexamined(comparison, width, paint)
    return "\n".join(parts) + "\n"


def _painter(width: int, color: bool) -> Paint:
    def paint(text: str, code: str) -> str:
        fitted = fit(text, width)
        return f"\x1b[1;{code}m{fitted}\x1b[0m" if color else fitted

    return paint


def _head(comparison: Comparison, width: int, paint: Paint) -> Iterator[str]:
    yield paint(comparison.verdict.upper(), _COLOURS.get(comparison.verdict, _YELLOW))
    if comparison.interrupted:
        yield paint("PARTIAL: interrupted; this is what was found up to then", _YELLOW)
    if comparison.unexamined:
        yield paint(f"NOT EXAMINED: {len(comparison.unexamined)}, listed at the end", _YELLOW)
    yield from _gate(comparison, width, paint)
    for label, side in (("left ", comparison.left), ("right", comparison.right)):
        yield from _side(label, side, width)
    said, unexplained = totals.summary(comparison)
    yield from (fit(sentence, width) for sentence in said)
    if comparison.summary.bytes_differing and not comparison.accounts:
        yield _judged(unexplained, paint)


def _gate(comparison: Comparison, width: int, paint: Paint) -> Iterator[str]:
    """What the baseline says: what fails first; what is known by entry, what is gone."""
    gate = comparison.gate
    if gate is None:
        return
    yield paint(standings.line(gate), _GATES.get(gate.word, _YELLOW))
    failing, known = standings.failing(comparison), standings.folded(comparison)
    for stand in failing[:_FAILING]:
        yield fit(f"  {stand.standing.state:<8} {facts.place(stand.location)}: {stand.what}", width)
        yield from wrap(standings.because(stand.standing), width, indent=" " * 11)
    for entry, count in known[:_ENTRIES]:
        yield fit(f"  known    {count} by {standings.named(entry)}", width)
        yield from wrap(standings.owned(entry), width, indent=" " * 11)
    for entry in gate.gone[:_ENTRIES]:
        yield fit(f"  gone     {standings.named(entry)}", width)
        yield from wrap(f"{standings.REMOVE}: {standings.owned(entry)}", width, indent=" " * 11)
    cuts = standings.cut(failing, _FAILING), standings.cut(known, _ENTRIES), standings.cut(gate.gone, _ENTRIES)
    for what, cut in zip(("that fail", "known entries", "entries that are gone"), cuts, strict=True):
        if cut:
            yield fit(f"  {what}: {cut}", width)


def _judged(unexplained: int, paint: Paint) -> str:
    if unexplained:
        return paint(f"unexplained: {unexplained:,} bytes", _RED)
    return paint(totals.EXPLAINED, _GREEN)


def _side(label: str, side: Side, width: int) -> Iterator[str]:
    size = "size unknown" if side.size is None else human_size(side.size)
    yield f"  {label}  {fit(printable(side.name), width - len(size) - 13)}  ({size})"
    yield f"         {fit(side.sha256, width - 9)}"


def _balances(comparison: Comparison, width: int, paint: Paint) -> Iterator[str]:
    """Bytes by structure, of the outermost container and of those in it that differ."""
    for balance in totals.balances(comparison):
        yield ""
        yield fit(balance.title, width)
        if balance.rows:
            numbers = zip(*(row[1:] for row in (totals.HEADER, *balance.rows)), strict=True)
            room = width - sum(GAP + max(map(len, column)) for column in numbers)
            rows = [(fit(name, room), *cells) for name, *cells in balance.rows]
            yield from table(totals.HEADER, rows, right=frozenset({1, 2, 3, 4}))
            yield _judged(balance.unexplained, paint)
        yield from wrap(balance.moved, width)


def _counts(groups: Sequence[Group], width: int) -> Iterator[str]:
    """How many divergences each of the largest groups has."""
    shown = largest(groups, _GROUPS)
    room = (width - 3 * GAP - len("number")) // 3
    rows = [(fit(g.where, room), fit(g.what, room), str(len(g.members)), fit(g.aspects, room)) for g in shown]
    yield ""
    yield from table(("container", "package or folder", "number", "aspects"), rows, right=frozenset({2}))
    if len(groups) > len(shown):
        rest = sum(len(g.members) for g in groups) - sum(len(g.members) for g in shown)
        yield fit(f"… and {len(groups) - len(shown)} more groups with {rest} divergences", width)


def _tables(divergences: Sequence[Divergence], width: int) -> Iterator[str]:
    """One table a container, in the order in which the containers come; a line before the members of a package."""
    for container, found in groupby(grouped(divergences), key=lambda group: group.container):
        groups = list(found)
        members = [member for group in groups for member in group.members]
        rest = width - _ASPECT_WIDTH - _SIZE_WIDTH - 3 * GAP
        names = max(map(cell_len, map(_name, members)))
        room = rest - min(names, rest // 2)  # for what differs; a name may have what that leaves
        said = max(map(cell_len, (_FACTS, *(line for member in members for line in facts.lines(member, room)))))
        rows: list[tuple[str, ...]] = []
        package = ""
        for group in groups:
            if group.package != package:
                package = group.package
                rows.append((fit(f"[{group.what}]", rest // 2), "", "", ""))
            rows += [_row(member, rest - said, room) for member in group.members]
        yield ""
        yield fit(facts.place(container, "artifact"), width)
        yield from table(("member", "aspects", "size", _FACTS), rows)


def _name(divergence: Divergence) -> str:
    return facts.place(divergence.location[-1:], "(the artifact itself)")


def _row(divergence: Divergence, name_width: int, facts_width: int) -> tuple[str, ...]:
    aspects = wrap(", ".join(divergence.aspects), _ASPECT_WIDTH)
    said = list(facts.lines(divergence, facts_width))
    if len(said) > _FACT_LINES:
        said[_FACT_LINES - 1 :] = [fit(f"… {len(said) - _FACT_LINES + 1} more in the JSON", facts_width)]
    size = facts.size(divergence)
    if len(size) > _SIZE_WIDTH:
        size = size.replace(" +", "\n+").replace(" -", "\n-")
    return fit(_name(divergence), name_width), "\n".join(aspects), size, "\n".join(said)


def _explanations(divergences: Sequence[Divergence], width: int) -> Iterator[str]:
    """The first lines of the text diffs."""
    explained = [(d, lines) for d in divergences if (lines := facts.sentence_and_diff(d)[1])]
    for divergence, lines in explained[:_EXPLAINED]:
        yield ""
        yield fit(facts.place(divergence.location), width)
        for line in lines[:_DIFF_LINES]:
            yield "  " + fit(printable(line), width - 2)
        if len(lines) > _DIFF_LINES:
            yield f"  … {len(lines) - _DIFF_LINES} more lines in the JSON"
    if len(explained) > _EXPLAINED:
        yield ""
        yield f"… and {len(explained) - _EXPLAINED} more text diffs in the JSON"


def _unexamined(comparison: Comparison, width: int, paint: Paint) -> Iterator[str]:
    entries = comparison.unexamined
    if not entries:
        return
    yield ""
    yield paint(f"NOT EXAMINED: {len(entries)}", _YELLOW)
    for entry in entries[:_UNEXAMINED_ROWS]:
        yield f"  {fit(facts.place(entry.location), width - 2)}"
        yield from wrap(printable(entry.reason), width, indent="    ")
    if len(entries) > _UNEXAMINED_ROWS:
        yield f"  … and {len(entries) - _UNEXAMINED_ROWS} more; the JSON report has all of them"
