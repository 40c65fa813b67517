"""A hunt as text for a terminal: what diverges, because of which factor, how surely, and the builds that say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from repro.model.hunt import CERTAIN, CHANCE, LOOSE, OPEN, UNEXPLAINED, Attribution, Hunt, Trial
from repro.model.text import printable
from repro.report.layout import GAP, fit, table, wrap

_ROWS = 200  # files; the rest is in the JSON
_ASPECTS = 20  # columns
_ALTERNATIVES = 3  # that are spelled out
_CAUSE = {CHANCE: "differs by itself", UNEXPLAINED: "unexplained"}


def render(hunt: Hunt, width: int = 80) -> str:
    """`hunt` in lines of at most `width` columns, with an end of line each."""
    return "".join(f"{line}\n" for line in _lines(hunt, width))


def cause(each: Attribution) -> str:
    """In a few words what makes this one differ."""
    if each.how in _CAUSE:
        return _CAUSE[each.how]
    sets = (each.factors, *each.alternatives)
    if len(sets) > _ALTERNATIVES:
        return f"one of {len(sets)} explanations"
    said = " or ".join(" + ".join(factors) or "by itself" for factors in sets)
    return f"{said} (at random)" if each.how == LOOSE else said


def _lines(hunt: Hunt, width: int) -> Iterator[str]:
    located = dict(sorted(hunt.located.items(), key=lambda item: all(each.how == CHANCE for each in item[1])))
    yield f"{printable(hunt.subject)}: {_count(len(located), 'file')} of {hunt.entries} diverge"
    yield ""
    if located:
        rows = [row for place, found in list(located.items())[:_ROWS] for row in _rows(place, found)]
        cut = [tuple(map(fit, row, _widths(rows, width))) for row in rows]
        yield from table(("file", "aspect", "factor", "surely"), cut)
        if len(located) > _ROWS:
            yield f"… and {_count(len(located) - _ROWS, 'file')} more, in the JSON"
        yield ""
        yield from _totals(hunt)
    for name, reason in hunt.refused.items():
        yield from wrap(f"not tried: {name}: nothing can be built under it: {printable(reason)}", width)
    for name, reason in hunt.skipped.items():
        yield from wrap(f"not tried: {name}: {printable(reason)}", width)
    yield from _effort(hunt)


def _widths(rows: Sequence[Sequence[str]], width: int) -> tuple[int, int, int, int]:
    """How wide each column may be, so that all of them fit: files and factors share what the others leave."""
    aspects = min(_ASPECTS, max(len(row[1]) for row in rows))
    room = width - 3 * GAP - aspects - len(CERTAIN)
    said = min(room // 2, max(len(row[2]) for row in rows))
    return room - said, aspects, said, len(CERTAIN)


def _rows(place: Sequence[str], found: Sequence[Attribution]) -> Iterator[tuple[str, str, str, str]]:
    """A row for each cause of one file; aspects with the same cause share one."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for each in found:
        grouped.setdefault((cause(each), each.confidence), []).append(each.aspect)
    name = " → ".join(map(printable, place)) or "the artifact itself"
    for (said, sure), aspects in grouped.items():
        yield name, ", ".join(aspects[:2]) + (" …" if len(aspects) > 2 else ""), said, sure
        name = ""


def _totals(hunt: Hunt) -> Iterator[str]:
    """How many files each factor reaches."""
    files: dict[str, set[tuple[str, ...]]] = {}
    for each in hunt.attributions:
        for name in (each.factors or (cause(each),)) if each.confidence != OPEN else ():
            files.setdefault(name, set()).add(each.location)
    for name, places in sorted(files.items(), key=lambda item: (-len(item[1]), item[0])):
        what = f" ({hunt.factors[name]})" if name in hunt.factors else ""
        yield f"{len(places):6d}  {name}{what}"
    still = [each for each in hunt.attributions if each.confidence == OPEN]
    if still:
        yield f"{len({each.location for each in still}):6d}  not decided"
    yield ""


def _effort(hunt: Hunt) -> Iterator[str]:
    made: Sequence[Trial] = (*hunt.builds, *hunt.failed)
    spent = sum(trial.seconds for trial in made)
    yield (
        f"{_count(len(made), 'build')} for {_count(len(hunt.factors), 'factor')} "
        f"(one by one: {len(hunt.factors) + 1}), {hunt.seconds:.0f} s; the builds together {spent:.0f} s"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
