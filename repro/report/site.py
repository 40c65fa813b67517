"""The pages of a published folder: an index, one page an artifact, and a feed, each whole in itself.

They need no script, no network and no other file, and link by relative paths. What statements say is not trusted: it
is escaped twice, for the eye and for HTML, and the content security policy allows the page's own style alone.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from repro.model import publication as publications
from repro.model.publication import GENERATOR, INDEX, Publication
from repro.model.statement import stamp
from repro.model.text import human_size, still_printable
from repro.report import feed
from repro.report.site_rows import Catalogue
from repro.report.site_words import STANDINGS, counted, day, page_of, short, verdict

SHOWN = 20  # digests of one artifact that the index shows; the rest is folded
_KEYS = 3  # keys named in a cell of the index


def pages(publication: Publication) -> Iterator[tuple[str, bytes]]:
    """Path in the folder and bytes of everything but the statements; of the same statements always the same."""
    catalogue = Catalogue(publication)
    common = {"publication": publication, "title": publication.title}
    template = _environment().get_template("artifact.html.j2")
    for digest, row in catalogue.rows.items():
        command = _command(publication, f"sha256:{digest}")
        yield page_of(digest), template.render(common, row=row, root="../", command=command).encode()
    template = _environment().get_template("index.html.j2")
    command = _command(publication, "IMAGE.iso")
    yield "feed.xml", feed.render(publication)
    yield INDEX, publications.encode(publication)
    yield "index.html", template.render(common, catalogue=catalogue, root="", command=command).encode()


def _command(publication: Publication, artifact: str) -> str:
    """What to type to count the statements of this folder."""
    place = shlex.quote(publication.base_url) if publication.base_url else "statements"
    return f"repro attest quorum --policy policy.toml --artifact {artifact} {place}"


@cache
def _environment() -> Environment:
    style = _part("site.css")
    source = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=FunctionLoader(_part),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_final,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "short": short,
        "day": day,
        "stamp": stamp,
        "size": human_size,
        "page": page_of,
        "verdict": verdict,
        "standing": STANDINGS.__getitem__,
    }
    environment.globals |= {
        "style": Markup(style),  # our own file
        "policy": f"default-src 'none'; style-src 'sha256-{source}'; base-uri 'none'; form-action 'none'",
        "generator": GENERATOR,
        "counted": counted,
        "shown_digests": SHOWN,
        "shown_keys": _KEYS,
    }
    return environment


def _final(value: Any) -> Any:
    """Every value on its way into a page: what could steer a terminal or turn the text around is shown by its code."""
    return still_printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _part(name: str) -> str:
    return (resources.files("repro.report") / "templates" / name).read_text("utf-8")
