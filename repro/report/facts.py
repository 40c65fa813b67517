"""What one divergence says, as lines for a person: the facts that differ, its size, its place, its text diff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len

from repro.model.comparison import Divergence, Facts
from repro.model.text import human_size, printable
from repro.report.layout import fit, wrap

ARROW = " → "
_SHOWN_APART = ("sha256", "size")


def place(location: tuple[str, ...], empty: str = "the artifact itself") -> str:
    """A location as a person reads it, from the artifact inwards."""
    return ARROW.join(printable(part) for part in location) or empty


def lines(divergence: Divergence, width: int) -> Iterator[str]:
    """What differs, in lines of at most `width` columns; digests stay in the JSON."""
    left, right = divergence.left, divergence.right
    if left is None or right is None:
        if "presence" in divergence.aspects:
            yield "only on the right" if left is None else "only on the left"
    else:
        for name in sorted(left.keys() | right.keys()):
            if name not in _SHOWN_APART:
                yield from _pair(name, left, right, width)
        if "content" in divergence.aspects:
            yield fit(_sizes(_size(left), _size(right)), width)
    if divergence.cause:
        shown = divergence.causes[0].evidence[:1] if divergence.causes else ()
        yield from wrap(printable(": ".join(("cause", divergence.cause, *shown))), width)
    yield from wrap(printable(sentence_and_diff(divergence)[0]), width)


def size(divergence: Divergence) -> str:
    """The member's size, and by how much the right side is larger; empty where none is known."""
    left, right = _size(divergence.left), _size(divergence.right)
    if left is None or right is None or left == right:
        known = right if left is None else left
        return "" if known is None else human_size(known)
    change = f"{'+' if right > left else '-'}{human_size(abs(right - left))}"
    return f"{human_size(left)} {change}"


def sentence_and_diff(divergence: Divergence) -> tuple[str, list[str]]:
    """The sentence that a detail may start with, and the lines of the text diff that may follow it, unescaped."""
    found = (divergence.detail or "").splitlines()
    if found and not found[0].startswith(("@@", "---")):
        return found[0], found[1:]
    return "", found


def _size(facts: Facts | None) -> int | None:
    found = None if facts is None else facts.get("size")
    return found if isinstance(found, int) else None


def _sizes(left: int | None, right: int | None) -> str:
    if left is None or right is None:
        return "size unknown"
    return "same size" if left == right else f"{left}{ARROW}{right} bytes"


def _pair(name: str, left: Facts, right: Facts, width: int) -> Iterator[str]:
    whole = f"{printable(name)}: {_value(left.get(name))}{ARROW}{_value(right.get(name))}"
    if cell_len(whole) <= width:
        yield whole
        return
    yield fit(f"{printable(name)}:", width)
    for sign, side in (("-", left), ("+", right)):
        yield fit(f" {sign} {_value(side.get(name))}", width)


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(key)}={_value(item)}" for key, item in sorted(value.items())) or "(none)"
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(item) for item in value)
    return printable(str(value))
