"""What the HTML report says without its script: verdict, digests, sums, bytes by structure, the first divergences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from html import escape

from repro.model.comparison import DIFFERENT, IDENTICAL, Account, Comparison, Divergence, Row, Side, Summary, Unexamined
from repro.model.text import human_size, printable
from repro.report import html_gate
from repro.report.html_data import shown

_DIVERGENCES = 200  # in plain HTML
_ACCOUNTS = 40
_UNEXAMINED = 20  # of one reason
_SHIFTS = 10  # of one account

_SAID = {
    IDENTICAL: ("Identical", "Both artifacts are the same, byte for byte."),
    DIFFERENT: ("Different", "The two artifacts are not the same."),
}
_UNDECIDED = ("Inconclusive", "An artifact could not be read to its end, so this cannot be decided.")
_MARKS = {IDENTICAL: "M5 12.5l4.5 4.5L19 7.5", DIFFERENT: "M7 7l10 10M17 7L7 17"}
_QUESTION = "M8.5 9a3.5 3.5 0 1 1 5 3.2c-1 .6-1.5 1.1-1.5 2.3M12 18v.1"


def parts(comparison: Comparison) -> dict[str, str]:
    """HTML by the name of its place in `page.html`."""
    word, sentence = _SAID.get(comparison.verdict, _UNDECIDED)
    left, right = comparison.left, comparison.right
    return {
        "title": _text(f"{word}: {left.name} and {right.name}"),
        "verdict": comparison.verdict,
        "mark": _MARKS.get(comparison.verdict, _QUESTION),
        "word": word,
        "sentence": sentence,
        "sides": _side("Left", left) + _side("Right", right),
        "digests": _digests(left, right),
        "summary": "".join(_summary(comparison.summary, comparison.verdict)),
        "notices": html_gate.section(comparison)
        + _interrupted(comparison.interrupted)
        + _unexamined(comparison.unexamined),
        "accounts": _accounts(comparison.accounts),
        "divergences": _divergences(comparison.divergences),
        "tools": _text(", ".join(f"{name} {version}" for name, version in sorted(comparison.tools.items())) or "repro"),
    }


def _notices(comparison: Comparison) -> str:
    gate = html_gate.section(comparison)
    return gate + _interrupted(comparison.interrupted) + _unexamined(comparison.unexamined)


def _text(text: str) -> str:
    return escape(printable(text))


def _name(text: str) -> str:
    """`text` such that its direction changes nothing around it."""
    return f"<bdi>{_text(text)}</bdi>"


def _place(location: Iterable[str]) -> str:
    return " → ".join(map(_name, location)) or "the artifact itself"


def _bytes(size: int) -> str:
    return f"{size} B" if size < 1000 else f"{human_size(size)} <small>({size:,} bytes)</small>"


def _side(label: str, side: Side) -> str:
    size = "size unknown" if side.size is None else _bytes(side.size)
    return (
        f'<div class="side"><dt>{label}</dt><dd class="name">{_name(side.name)}</dd>'
        f'<dd class="size">{size}</dd><dd class="digest"><span class="label">SHA-256</span> '
        f"<code>{_text(side.sha256) or 'unknown'}</code></dd></div>"
    )


def _digests(left: Side, right: Side) -> str:
    if not left.sha256 or not right.sha256:
        return "There are not two digests to compare."
    return f"The SHA-256 digests are {'' if left.sha256 == right.sha256 else 'not '}the same."


def _summary(summary: Summary, verdict: str) -> Iterator[str]:
    facts = [("entries compared", f"{summary.entries:,}"), ("divergent", f"{summary.divergent:,}")]
    if verdict != IDENTICAL:
        facts.append(("bytes differ or are on one side alone", human_size(summary.bytes_differing)))
        if summary.bytes_differing:
            share = summary.bytes_explained * 1000 // summary.bytes_differing / 10  # never rounded up to 100
            facts.append(("of those bytes are explained", f"{share:.4g} %"))
    for label, value in facts:
        yield f'<div class="figure"><dt>{label}</dt><dd>{value}</dd></div>'


def _interrupted(interrupted: bool) -> str:
    if not interrupted:
        return ""
    return (
        '<section class="notice" aria-labelledby="interrupted"><h2 id="interrupted">'
        "This comparison was interrupted</h2>"
        "<p>The verdict stands. What follows is what was found up to then; there may be more.</p></section>"
    )


def _unexamined(entries: tuple[Unexamined, ...]) -> str:
    if not entries:
        return ""
    places: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for entry in entries:
        places[entry.reason].append(entry.location)
    groups = "".join(_reason(reason, found) for reason, found in sorted(places.items(), key=lambda i: (-len(i[1]), i)))
    noun = "place was" if len(entries) == 1 else "places were"
    return (
        f'<section class="notice" aria-labelledby="unexamined"><h2 id="unexamined">{len(entries):,} {noun} not examined'
        f"</h2><p>What lies there may differ in ways that this report does not show.</p>{groups}</section>"
    )


def _reason(reason: str, found: list[tuple[str, ...]]) -> str:
    items = "".join(f"<li>{_place(location)}</li>" for location in found[:_UNEXAMINED])
    more = len(found) - _UNEXAMINED
    items += f"<li>… and {more:,} more; the JSON report has all of them</li>" if more > 0 else ""
    return f"<details><summary>{_name(reason)} <b>{len(found):,}</b></summary><ul>{items}</ul></details>"


def _accounts(accounts: tuple[Account, ...]) -> str:
    if not accounts:
        return ""
    order = sorted(accounts, key=lambda a: (a.location != (), -sum(map(_unequal, a.rows)), a.location))
    more = len(accounts) - _ACCOUNTS
    note = f"<p>… and {more:,} more containers; the JSON report has all of them.</p>" if more > 0 else ""
    return (
        '<section class="card" aria-labelledby="accounts"><h2 id="accounts">Bytes by structure</h2>'
        '<p class="hint">All bytes of each pair of containers, by what they belong to.</p>'
        + "".join(_account(account, number == 0) for number, account in enumerate(order[:_ACCOUNTS]))
        + f"{note}</section>"
    )


def _account(account: Account, first: bool) -> str:
    rows = sorted(account.rows, key=lambda row: (-_unequal(row), row.structure))
    unequal, equal = [row for row in rows if _unequal(row)], [row for row in rows if not _unequal(row)]
    place = _place(account.location) if account.location else "The whole artifact"
    total = sum(map(_unequal, rows))
    said = f"{human_size(total)} not equal" if total else "all bytes are equal" if rows else "no bytes"
    body = _balance("What differs", unequal) if unequal else ""
    if equal:
        noun = "structure is" if len(equal) == 1 else "structures are"
        label = f"{len(equal):,} {noun} equal: {human_size(sum(row.equal for row in equal))}"
        body += f"<details><summary>{label}</summary>{_balance('What is equal', equal)}</details>"
    return (
        f'<details class="account"{" open" if first else ""}><summary>{place} <span class="kind">'
        f"{_name(account.format)}</span> <b>{said}</b></summary>{body}{_moved(account)}</details>"
    )


def _balance(caption: str, rows: list[Row]) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("Structure", "Equal", "Differing", "Left only", "Right only", "Explained")
    )
    body = "".join(
        f'<tr><th scope="row">{_name(row.structure)}</th>'
        + "".join(_amount(n) for n in (row.equal, row.differing, row.left_only, row.right_only))
        + f"<td>{_explained(row)}</td></tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _amount(size: int) -> str:
    return f'<td title="{size:,} bytes">{human_size(size)}</td>' if size else '<td class="none">0</td>'


def _explained(row: Row) -> str:
    if not _unequal(row):
        return '<span class="none">-</span>'
    return "yes" if row.explained else '<strong class="no">no</strong>'


def _unequal(row: Row) -> int:
    return row.differing + row.left_only + row.right_only


def _moved(account: Account) -> str:
    if not account.moved:
        return ""
    runs = "".join(
        f"<li>{human_size(shift.size)} from offset {shift.left:,} on the left lie at {shift.right:,} on the right</li>"
        for shift in account.shifts[:_SHIFTS]
    )
    return f"<p>{human_size(account.moved)} are the same at another offset.</p>" + (runs and f"<ul>{runs}</ul>")


def _divergences(divergences: tuple[Divergence, ...]) -> str:
    if not divergences:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{_place(d.location)}</th><td>{", ".join(d.aspects)}</td><td>{_change(d)}</td></tr>'
        for d in divergences[:_DIVERGENCES]
    )
    more = len(divergences) - _DIVERGENCES
    note = f"<p>… and {more:,} more, which the list shows where scripts run.</p>" if more > 0 else ""
    return (
        '<section class="card" id="static" aria-labelledby="static-title"><h2 id="static-title">First divergences</h2>'
        '<div class="wide" tabindex="0" role="region" aria-label="Table of divergences"><table>'
        '<thead><tr><th scope="col">Where</th><th scope="col">Aspects</th><th scope="col">Left → right</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>{note}</section>"
    )


def _change(divergence: Divergence) -> str:
    left, right = divergence.left, divergence.right
    if left is None or right is None:
        return "" if left is right else "only on the right" if left is None else "only on the left"
    return "<br>".join(
        f"{_text(name)}: {escape(shown(left.get(name)))} → {escape(shown(right.get(name)))}"
        for name in sorted(left.keys() | right.keys())
        if name != "sha256"
    )
