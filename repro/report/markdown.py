"""A comparison as a comment on a merge request, in GitHub's and GitLab's Markdown: short, with the rest in folds.

Whatever comes from an artifact stands in a code span or a fenced block. Neither forge looks for mentions, issue
numbers, links or HTML there (GitHub Flavored Markdown 0.29, sections 4.5, 4.10 and 6.3), so nothing else is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from repro.model.comparison import Comparison, Divergence, Side, Unexamined
from repro.model.text import human_size, printable
from repro.report import facts, standings, totals
from repro.report.groups import Group, grouped, largest, some_of_each

LIMIT = 60_000  # characters; GitHub takes 65,536 in a comment
_GROUPS = 20
_UNEXAMINED = 10
_FAILING = 20  # divergences that make the gate fail, and entries that are gone
_FOLDED = 200  # rows of one fold
_DIFFS = 20
_DIFF_LINES = 30
_WIDTH = 120  # characters of one cell
_ELLIPSIS = "… the rest is in the JSON report"


def render(comparison: Comparison) -> str:
    """`comparison` as Markdown of at most `LIMIT` characters, ending in a newline."""
    head = [*_verdict(comparison), *_gate(comparison), *_sides(comparison), *_totals(comparison)]
    groups = grouped(comparison.divergences)
    head += [*_unexamined(comparison.unexamined), *_groups(groups)]
    text = "\n".join(head) + "\n"
    text += _fold("Known divergences", _known(comparison), LIMIT - len(text))
    text += _fold("Bytes by structure", _balances(comparison), LIMIT - len(text))
    members = _members(some_of_each(groups, _FOLDED), len(comparison.divergences))
    text += _fold("Divergences", members, LIMIT - len(text))
    return text + _fold("Text diffs", _diffs(comparison.divergences), LIMIT - len(text))


def code(shown: str) -> str:
    """`shown`, escaped text for people, as a code span that may stand in a table; long text loses its middle."""
    if len(shown) > _WIDTH:
        shown = f"{shown[: _WIDTH // 2]}…{shown[-_WIDTH // 2 :]}"
    shown = shown.replace("|", "\\x7c")  # the one character that ends a cell even within a code span
    edge = " " if {shown[:1], shown[-1:]} & {"`", " "} and shown.strip(" ") else ""
    fence = _fence(shown, 1)
    return f"{fence}{edge}{shown or ' '}{edge}{fence}"


def _fence(text: str, least: int) -> str:
    """As many backticks as nothing in `text` has in a row."""
    return "`" * max(least, *(len(run) + 1 for run in re.findall("`+", text)), 0)


def _verdict(comparison: Comparison) -> Iterator[str]:
    divergent = comparison.summary.divergent
    yield f"**{comparison.verdict.upper()}**" + (f": {divergent} divergences" if divergent else "")
    if comparison.interrupted:
        yield ""
        yield "**PARTIAL: interrupted**; this is what was found up to then."


def _gate(comparison: Comparison) -> Iterator[str]:
    """What the baseline says: what fails in a table, what is gone in a list."""
    gate = comparison.gate
    if gate is None:
        return
    yield ""
    yield f"**{standings.line(gate)}**"
    failing = standings.failing(comparison)
    if failing:
        yield ""
        yield from _table(("standing", "member", "what differs", "why"), map(_stand, failing[:_FAILING]))
    if rest := standings.cut(failing, _FAILING):
        yield ""
        yield rest
    if gate.gone:
        yield ""
        for entry in gate.gone[:_FAILING]:
            yield f"- gone, {standings.REMOVE}: {code(standings.named(entry))}, {code(standings.owned(entry))}"
        if rest := standings.cut(gate.gone, _FAILING):
            yield f"- {rest}"


def _stand(stand: standings.Stand) -> tuple[str, ...]:
    why = standings.because(stand.standing)
    return stand.standing.state, _place(stand.location), code(stand.what), code(why) if why else ""


def _known(comparison: Comparison) -> Iterator[str]:
    """The known divergences by entry of the baseline."""
    found = standings.folded(comparison)
    if not found:
        return
    rows = (
        (code(standings.named(e)), str(count), code(printable(e.reason)), code(printable(e.owner)), e.expires)
        for e, count in found[:_FOLDED]
    )
    yield from _table(("known by", "divergences", "reason", "owner", "until"), rows)
    if rest := standings.cut(found, _FOLDED):
        yield ""
        yield rest


def _sides(comparison: Comparison) -> Iterator[str]:
    sides = (("left", comparison.left), ("right", comparison.right))
    yield ""
    yield from _table(("side", "artifact", "size", "SHA-256"), (_side(label, side) for label, side in sides))


def _side(label: str, side: Side) -> tuple[str, ...]:
    size = "unknown" if side.size is None else human_size(side.size)
    return label, code(printable(side.name)), size, code(side.sha256)


def _totals(comparison: Comparison) -> Iterator[str]:
    said, unexplained = totals.summary(comparison)
    if comparison.summary.bytes_differing:
        said.append(f"**unexplained: {unexplained:,} bytes**" if unexplained else totals.EXPLAINED)
    if said:
        yield ""
        yield "; ".join(said)


def _unexamined(entries: Sequence[Unexamined]) -> Iterator[str]:
    if not entries:
        return
    yield ""
    yield f"**NOT EXAMINED: {len(entries)}**"
    yield ""
    for entry in entries[:_UNEXAMINED]:
        yield f"- {_place(entry.location)}: {code(printable(entry.reason))}"
    if len(entries) > _UNEXAMINED:
        yield f"- … and {len(entries) - _UNEXAMINED} more"


def _groups(groups: Sequence[Group]) -> Iterator[str]:
    if not groups:
        return
    shown = largest(groups, _GROUPS)
    rows = ((_place(g.container, "artifact"), _what(g), str(len(g.members)), g.aspects) for g in shown)
    yield ""
    yield from _table(("container", "package or folder", "divergences", "aspects"), rows)
    if len(groups) > len(shown):
        rest = sum(len(g.members) for g in groups) - sum(len(g.members) for g in shown)
        yield ""
        yield f"… and {len(groups) - len(shown)} more groups with {rest} divergences"


def _what(group: Group) -> str:
    return code(group.what) if group.package or group.folder else "(top)"


def _place(location: tuple[str, ...], empty: str = "the artifact itself") -> str:
    return code(facts.place(location)) if location else empty


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _balances(comparison: Comparison) -> Iterator[str]:
    for balance in totals.balances(comparison):
        yield code(balance.title)
        if balance.rows:
            yield ""
            yield from _table(totals.HEADER, ((code(name), *cells) for name, *cells in balance.rows))
            yield ""
            yield f"**unexplained: {balance.unexplained:,} bytes**" if balance.unexplained else totals.EXPLAINED
        if balance.moved:
            yield ""
            yield balance.moved
        yield ""


def _members(shown: Sequence[Divergence], total: int) -> Iterator[str]:
    if not shown:
        return
    yield from _table(("member", "aspects", "size", f"left{facts.ARROW}right"), map(_member, shown))
    if total > len(shown):
        yield ""
        yield f"… and {total - len(shown)} more; the JSON report has all of them"


def _member(divergence: Divergence) -> tuple[str, ...]:
    said = "; ".join(facts.lines(divergence, _WIDTH))
    aspects, size = ", ".join(divergence.aspects), facts.size(divergence)
    return _place(divergence.location), aspects, size, code(said) if said else ""


def _diffs(divergences: Iterable[Divergence]) -> Iterator[str]:
    found = [(d, lines) for d in divergences if (lines := facts.sentence_and_diff(d)[1])]
    for divergence, lines in found[:_DIFFS]:
        shown = [printable(line)[:_WIDTH] for line in lines[:_DIFF_LINES]]
        if len(lines) > _DIFF_LINES:
            shown.append(f"… {len(lines) - _DIFF_LINES} more lines")
        fence = _fence("\n".join(shown), 3)
        yield _place(divergence.location)
        yield ""
        yield "\n".join((f"{fence}diff", *shown, fence))  # one piece: a limit must not leave it open
        yield ""
    if len(found) > _DIFFS:
        yield f"… and {len(found) - _DIFFS} more text diffs"


def _fold(title: str, lines: Iterable[str], room: int) -> str:
    """`lines` behind a fold in at most `room` characters; what does not fit is left out, and it says so."""
    start, rest, end = f"\n<details><summary>{title}</summary>\n\n", f"\n{_ELLIPSIS}\n", "\n</details>\n"
    room -= len(start) + len(rest) + len(end)
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return start + "\n".join(kept) + "\n" + rest + end if kept else ""
        kept.append(line)
    return start + "\n".join(kept) + "\n" + end if kept else ""
