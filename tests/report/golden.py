"""The sample comparison in every format, as files to look at. `python -m tests.report.golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

from repro.report import render
from tests.report.sample import COMPARISON

FOLDER = Path(__file__).with_name("golden")
# The HTML page has tests of its own: most of it is style, which may change without the report saying anything else.
NAMES = {"json": "json", "junit": "xml", "markdown": "md", "sarif": "sarif", "terminal": "txt"}


def place(form: str) -> Path:
    """Where the sample in format `form` lies."""
    return FOLDER / f"sample.{NAMES[form]}"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in NAMES:
        place(name).write_bytes(render(COMPARISON, name))
