"""`repro report`: a comparison that was made before, rendered again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro import report
from repro.cli.reports import show, write_file
from repro.model.comparison import decode
from repro.model.errors import InvalidInput


@click.command()
@click.argument("comparison", metavar="COMPARISON.json", type=click.Path(path_type=Path))
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(sorted(report.RENDERERS)),
    default="terminal",
    show_default=True,
    help="What to write.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write there instead of standard output.")
def command(comparison: Path, form: str, output: Path | None) -> int:
    """Render a comparison that `repro compare --report json=FILE` or `repro verify` wrote.

    Exits 0 whatever the verdict is: rendering is not comparing.

    \b
    Example:
      repro report diff.json -f terminal -o diff.txt
    """
    try:
        found = decode(comparison.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{comparison} cannot be read: {error.strerror}") from error
    if output is not None:
        write_file(output, report.render(found, form))
    elif form == "terminal":
        show(found)
    else:
        sys.stdout.buffer.write(report.render(found, form))
    return 0
