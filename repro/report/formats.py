"""The formats in which a comparison can be written, by the name that the command line uses."""

from __future__ import annotations

from collections.abc import Callable

from repro.model.comparison import Comparison, encode
from repro.model.errors import InvalidInput
from repro.report import html, junit, markdown, sarif, terminal

RENDERERS: dict[str, Callable[[Comparison], bytes]] = {
    "html": html.render,
    "json": encode,
    "junit": junit.render,
    "markdown": lambda comparison: markdown.render(comparison).encode("utf-8", "replace"),
    "sarif": sarif.render,
    "terminal": lambda comparison: terminal.render(comparison).encode("utf-8", "replace"),
}


def render(comparison: Comparison, name: str) -> bytes:
    """`comparison` as a file in format `name`. Raises InvalidInput where there is no such format."""
    check(name)
    return RENDERERS[name](comparison)


def check(name: str) -> None:
    """Raises InvalidInput where there is no format called `name`."""
    if name not in RENDERERS:
        raise InvalidInput(f"no report format {name!r}", hint=f"there are: {', '.join(sorted(RENDERERS))}")
