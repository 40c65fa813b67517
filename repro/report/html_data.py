"""A comparison as the data that the script of the HTML report reads: every name in it is safe to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from repro.model.cause import Cause
from repro.model.comparison import Cells, Comparison, Divergence, Facts, Picture
from repro.model.gate import Standing
from repro.model.text import canonical_json, printable

_EXACT = 1 << 53  # from here on JavaScript rounds whole numbers
# What could end the element that holds the data, or begin a comment in it.
_HTML = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def encode(comparison: Comparison) -> str:
    """`comparison` as JSON that can stand in a script element; ASCII only."""
    value = {
        "divergences": [_divergence(divergence) for divergence in comparison.divergences],
        "unexamined": [{"at": names(u.location), "reason": printable(u.reason)} for u in comparison.unexamined],
        "picture": None if comparison.picture is None else _picture(comparison.picture),
        "sizes": [comparison.left.size, comparison.right.size],
    }
    return canonical_json(value).decode().translate(_HTML)


def names(location: Iterable[str]) -> list[str]:
    """A location as names that can be shown."""
    return [printable(part) for part in location]


def lines(text: str) -> str:
    """`text` of several lines with everything escaped but line ends and tabs."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def shown(value: Any) -> str:
    """A fact's value as text of one or more lines."""
    if value is None:
        return "(none)"
    if isinstance(value, Mapping):
        return "\n".join(f"{printable(str(key))} = {shown(item)}" for key, item in sorted(value.items())) or "(none)"
    if isinstance(value, (list, tuple)):
        return "\n".join(map(shown, value)) or "(none)"
    return printable(str(value))


def _divergence(divergence: Divergence) -> dict[str, Any]:
    """Its place, its aspects, and the other fields that are there."""
    fields = {
        "left": _facts(divergence.left),
        "right": _facts(divergence.right),
        "ranges": [(r.side, _number(r.start), _number(r.end), printable(r.structure)) for r in divergence.ranges],
        "cause": divergence.cause and printable(divergence.cause),
        "causes": [_cause(cause) for cause in divergence.causes],
        "package": divergence.package and printable(divergence.package),
        "detail": divergence.detail and lines(divergence.detail),
        "standing": divergence.standing and _standing(divergence.standing),
    }
    there = {name: value for name, value in fields.items() if value not in (None, "", [])}
    return {"at": names(divergence.location), "aspects": divergence.aspects, **there}


def _cause(cause: Cause) -> tuple[str, str, list[str], str]:
    return printable(cause.label), cause.confidence, names(cause.evidence), printable(cause.remedy)


def _standing(standing: Standing) -> dict[str, str]:
    said = {name: getattr(standing, name) for name in ("state", "why", "reason", "owner", "expires")}
    return {name: printable(value) for name, value in said.items() if value}


def _facts(facts: Facts | None) -> dict[str, int | str] | None:
    if facts is None:
        return None
    return {printable(name): _number(value) if type(value) is int else shown(value) for name, value in facts.items()}


def _number(value: int) -> int | str:
    return value if -_EXACT < value < _EXACT else str(value)


def _picture(picture: Picture) -> dict[str, Any]:
    def runs(cells: Iterable[Cells]) -> list[tuple[int, int, int]]:
        return [(run.count, run.structure, run.differing) for run in cells]

    structures = names(picture.structures)
    return {"cell": picture.cell, "structures": structures, "left": runs(picture.left), "right": runs(picture.right)}
