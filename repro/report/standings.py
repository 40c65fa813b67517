"""What a baseline says of a comparison, for a person: one line, then what fails, what is known, what is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from repro.model.comparison import Comparison
from repro.model.gate import KNOWN, STATES, UNDECIDED, Gate, Listed, Standing
from repro.model.text import printable
from repro.report.facts import place

REMOVE = "remove from the baseline"


@dataclass(frozen=True)
class Stand:
    """A divergence, or unexplained bytes of a container, with its standing; `what` differs there, in words."""

    location: tuple[str, ...]
    aspects: tuple[str, ...]
    what: str
    standing: Standing


def line(gate: Gate) -> str:
    """The gate in one line."""
    counts = ", ".join(f"{getattr(gate, state)} {state}" for state in (KNOWN, *STATES[:-1]))
    rest = " (not everything was examined)" if gate.word == UNDECIDED else ""
    return f"baseline: {counts}, {len(gate.gone)} gone: {gate.word}{rest}"


def stands(comparison: Comparison) -> list[Stand]:
    """All that was judged: what is new first, then worse, expired and known; each in the order of the comparison."""
    told = (
        Stand(d.location, d.aspects, ", ".join(d.aspects), d.standing) for d in comparison.divergences if d.standing
    )
    return sorted((*told, *unexplained(comparison)), key=lambda stand: STATES.index(stand.standing.state))


def unexplained(comparison: Comparison) -> Iterator[Stand]:
    """The bytes that neither an explanation nor a divergence covers."""
    for found in comparison.gate.unexplained if comparison.gate else ():
        said = f"{found.size:,} unexplained bytes in {', '.join(map(printable, found.structures))}"
        yield Stand(found.location, ("structure",), said, found.standing)


def failing(comparison: Comparison) -> list[Stand]:
    """What makes the gate fail."""
    return [stand for stand in stands(comparison) if stand.standing.state != KNOWN]


def folded(comparison: Comparison) -> list[tuple[Listed, int]]:
    """The entries under which something is known, with how much, in the order of the file."""
    counts = Counter(s.standing.entry for s in stands(comparison) if s.standing.state == KNOWN)
    entries = comparison.gate.entries if comparison.gate else ()
    return [(entry, counts[entry.number]) for entry in entries if counts[entry.number]]


def because(standing: Standing) -> str:
    """Why it fails, and what the entry says of it; empty where it is new."""
    return "; ".join(filter(None, (printable(standing.why or ""), owned(standing))))


def owned(entry: Standing | Listed) -> str:
    """What an entry says: reason, owner, last day; empty where there is no entry."""
    if entry.reason is None:
        return ""
    return f"{printable(entry.reason)} ({printable(entry.owner or '')}, until {entry.expires})"


def named(entry: Listed) -> str:
    """An entry by its number and place."""
    return f"entry {entry.number}, {place_of(entry)}"


def place_of(entry: Listed) -> str:
    """Where an entry applies."""
    return ("glob " if entry.glob else "") + place(entry.place)


def cut(found: Sequence[object], limit: int) -> str:
    """What is said where only `limit` of them are shown; empty where all are."""
    return f"… and {len(found) - limit} more; the JSON report has all of them" if len(found) > limit else ""
