"""The parts that pages are made of, which lie in `page/`, and how a content security policy names them."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def part(name: str) -> str:
    """The text of the file `name`."""
    return (resources.files("repro.report") / "page" / name).read_text("utf-8")


def source(text: str) -> str:
    """How a content security policy names the inline element that holds `text`."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
