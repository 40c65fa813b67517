"""A comparison as one HTML file for a browser: no network, no build step; its parts lie in `page/`.

Verdict, digests, sums and the first divergences are plain HTML; everything is in the file as data too, and the script
shows it. The content security policy allows that script and that style sheet, by their hash, and nothing else.
"""

from __future__ import annotations

from string import Template

from repro.model.comparison import Comparison
from repro.report import html_data, html_parts
from repro.report.parts import part, source

# In the order in which they run: each knows those before it, and calls those after it only once the page is there.
_SCRIPTS = ("base", "divergences", "filters", "tree", "directories", "list", "details", "map", "begin")


def render(comparison: Comparison) -> bytes:
    """`comparison` as a page; the same comparison gives the same bytes."""
    style, script = part("page.css"), _script()
    policy = (
        f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    page = Template(part("page.html")).substitute(
        html_parts.parts(comparison),
        policy=policy,
        style=style,
        script=script,
        data=html_data.encode(comparison),
    )
    return page.encode()


def _script() -> str:
    """One function around all parts, so that nothing of them is global."""
    return '"use strict";(() => {\n' + "\n".join(part(f"{name}.js") for name in _SCRIPTS) + "})();"
