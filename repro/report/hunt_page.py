"""A hunt as one HTML file: a picture of files by factors, without a script and without a network."""

from __future__ import annotations

from html import escape
from string import Template

from repro.model.hunt import CERTAIN, CHANCE, OPEN, UNEXPLAINED, Attribution, Hunt
from repro.model.text import printable
from repro.report.hunt import cause
from repro.report.parts import part, source

_FILES = 2000
_SIDE, _ROW = 26, 20  # pixels: a column of factors, a row
_LONGEST, _LETTER = 64, 7.3  # letters of a file's name that are shown, pixels of one
_HEAD = 120  # above the rows, for the names of factors
_CHANCE = "by itself"


def render(hunt: Hunt) -> bytes:
    """`hunt` as a page; the same hunt gives the same bytes."""
    style = part("hunt.css")
    page = Template(part("hunt.html")).substitute(
        policy=f"default-src 'none'; style-src {source(style)}; base-uri 'none'; form-action 'none'",
        style=style,
        title=_text(f"Hunt: {hunt.subject}"),
        summary=_text(_summary(hunt)),
        picture=_picture(hunt),
        builds="".join(_build(hunt, number) for number in range(len(hunt.builds))),
        notes="".join(_notes(hunt)),
    )
    return page.encode()


def _text(text: str) -> str:
    return escape(printable(text))


def _summary(hunt: Hunt) -> str:
    made = len(hunt.builds) + len(hunt.failed)
    return (
        f"{len(hunt.located)} of {hunt.entries} files diverge. {made} builds tried {len(hunt.factors)} factors; "
        f"one by one it would have been {len(hunt.factors) + 1}."
    )


def _columns(hunt: Hunt) -> list[str]:
    """The factors that reach something, the busiest first, then chance."""
    reach: dict[str, int] = {}
    for each in hunt.attributions:
        for name in {*each.factors, *(name for other in each.alternatives for name in other)}:
            reach[name] = reach.get(name, 0) + 1
    columns = sorted(reach, key=lambda name: (-reach[name], name))
    return [*columns, *([_CHANCE] if any(each.how in (CHANCE, UNEXPLAINED) for each in hunt.attributions) else [])]


def _picture(hunt: Hunt) -> str:
    """An SVG: a row a file, a column a factor, a dot where the factor reaches the file; hollow where that is open."""
    located = list(hunt.located.items())[:_FILES]
    if not located:
        return "<p>Nothing diverges.</p>"
    columns = _columns(hunt)
    names = [_shown(place) for place, _ in located]
    left = round(_LETTER * max(map(len, names))) + 20
    width, height = left + _SIDE * len(columns) + _HEAD, _HEAD + _ROW * len(located) + 8
    marks = [_column(name, left + _SIDE * number + _SIDE // 2, height) for number, name in enumerate(columns)]
    for row, (place, found) in enumerate(located):
        marks += _row(place, found, (left, _HEAD + _ROW * row + _ROW // 2), columns)
    label = f"{len(located)} files by {len(columns)} factors"
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{label}">'
        f"{''.join(marks)}</svg>"
    )


def _named(place: tuple[str, ...]) -> str:
    return " → ".join(place) or "the artifact itself"


def _shown(place: tuple[str, ...]) -> str:
    name = printable(_named(place))
    return name if len(name) <= _LONGEST else f"{name[:20]}…{name[21 - _LONGEST :]}"


def _column(name: str, x: int, height: int) -> str:
    return (
        f'<line class="rule" x1="{x}" y1="{_HEAD}" x2="{x}" y2="{height}"/>'
        f'<text class="factor" transform="translate({x + 4} {_HEAD - 8}) rotate(-50)">{_text(name)}</text>'
    )


def _row(place: tuple[str, ...], found: list[Attribution], at: tuple[int, int], columns: list[str]) -> list[str]:
    left, y = at
    title = f"<title>{_text(_named(place))}</title>"
    marks = [f'<text class="file" x="{left - 10}" y="{y + 4}">{escape(_shown(place))}{title}</text>']
    for number, column in enumerate(columns):
        reaching = [each for each in found if column in _reached(each)]
        if reaching:
            kind = "sure" if any(each.confidence == CERTAIN for each in reaching) else "likely"
            kind = "open" if all(each.confidence == OPEN for each in reaching) else kind
            said = "; ".join(f"{each.aspect}: {cause(each)}, {each.confidence}" for each in reaching)
            x = left + _SIDE * number + _SIDE // 2
            marks.append(f'<circle class="{kind}" cx="{x}" cy="{y}" r="6"><title>{_text(said)}</title></circle>')
    return marks


def _reached(each: Attribution) -> set[str]:
    names = {*each.factors, *(name for other in each.alternatives for name in other)}
    return names or {_CHANCE}


def _build(hunt: Hunt, number: int) -> str:
    trial = hunt.builds[number]
    apart = len({each.location for each in hunt.attributions if each.outcomes[number]})
    varied = ", ".join(trial.factors) or "baseline" + (", again" if trial.repeat else "")
    return (
        f"<tr><td>{_text(trial.name)}</td><td>{_text(varied)}</td><td>{apart}</td><td>{trial.seconds:.0f} s"
        f"{', kept from before' if trial.reused else ''}</td></tr>"
    )


def _notes(hunt: Hunt) -> list[str]:
    reasons = {name: f"nothing can be built under it: {why}" for name, why in hunt.refused.items()}
    return [f"<li>{_text(name)}: {_text(why)}</li>" for name, why in {**reasons, **hunt.skipped}.items()]
