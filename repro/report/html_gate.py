"""What the HTML report says of a baseline, without its script: whether the gate holds, what fails, known and gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from repro.model.comparison import Comparison
from repro.model.gate import FAILS, HOLDS, Listed
from repro.model.text import printable
from repro.report import standings
from repro.report.standings import Stand

_FAILING = 12  # in plain HTML; the list below has all of them
_ENTRIES = 200

_SAID = {
    HOLDS: "The baseline holds: all that differs is known.",
    FAILS: "The baseline does not hold.",
}
_UNDECIDED = "Whether the baseline holds is not decided: not everything was examined."


def section(comparison: Comparison) -> str:
    """The gate as HTML; nothing where no baseline was asked."""
    gate = comparison.gate
    if gate is None:
        return ""
    known, failing = standings.folded(comparison), standings.failing(comparison)
    parts = (
        _table("What fails", ("Standing", "Where", "What differs", "Why"), map(_stand, failing[:_FAILING])),
        _more(failing, _FAILING),
        _fold("Known, by entry of the baseline", [(f"{count:,}", *_entry(e)) for e, count in known], "Divergences"),
        _fold("Gone: remove from the baseline", [("0", *_entry(entry)) for entry in gate.gone], "Divergences"),
    )
    return (
        f'<section class="card gate {gate.word.lower()}" aria-labelledby="gate"><h2 id="gate">'
        f"{_SAID.get(gate.word, _UNDECIDED)}</h2><p>{escape(standings.line(gate))}</p>{''.join(parts)}"
        f'<p class="hint">Judged as of {gate.today} by the baseline with SHA-256 <code>{gate.baseline}</code>. '
        "The verdict does not depend on it.</p></section>"
    )


def _stand(stand: Stand) -> tuple[str, ...]:
    state = stand.standing.state
    why = escape(standings.because(stand.standing))
    return f'<span class="tag {state}">{state}</span>', _place(stand.location), escape(stand.what), why


def _entry(entry: Listed) -> tuple[str, ...]:
    place = ("glob " if entry.glob else "") + _place(entry.place)
    said = (escape(printable(text)) for text in (entry.reason, entry.owner))
    return str(entry.number), place, ", ".join(entry.aspects), *said, entry.expires


def _place(location: Iterable[str]) -> str:
    return " → ".join(f"<bdi>{escape(printable(part))}</bdi>" for part in location) or "the artifact itself"


def _fold(title: str, rows: Sequence[tuple[str, ...]], first: str) -> str:
    if not rows:
        return ""
    head = (first, "Entry", "Where", "Aspects", "Reason", "Owner", "Until")
    table = _table(title, head, rows[:_ENTRIES])
    return f"<details><summary>{title} <b>{len(rows):,}</b></summary>{table}{_more(rows, _ENTRIES)}</details>"


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in head)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _more(found: Sequence[object], limit: int) -> str:
    said = standings.cut(found, limit)
    return f"<p>{said}</p>" if said else ""
