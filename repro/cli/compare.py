"""`repro compare`: two artifacts, side by side."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro import compare
from repro.cli.context import Context, pass_context
from repro.cli.exits import VERDICTS
from repro.cli.reports import REPORT_OPTION, show, write_reports
from repro.model.comparison import encode


@click.command()
@click.argument("left", metavar="A", type=click.Path(path_type=Path))
@click.argument("right", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--deep/--shallow",
    default=True,
    show_default=True,
    help="Ask diffoscope how each differing file differs, or only name the files and what of them differs.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="Stop looking after this long; what was not examined is listed.",
)
@REPORT_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON (repro/comparison/v1).")
@pass_context
def command(
    context: Context,
    *,
    left: Path,
    right: Path,
    deep: bool,
    time_limit: float,
    reports: tuple[tuple[str, Path], ...],
    as_json: bool,
) -> int:
    """Say whether A and B are the same bytes, and if not, which member of which container differs in what.

    Walks ISO and disk images, El Torito images and partitions, squashfs, FAT, initrds, cpio, tar, ar and .deb,
    and compressed streams. Exits 0 where both are identical, 1 where they differ, 7 where that is unknown.

    \b
    Examples:
      repro compare published.iso rebuilt.iso
      repro compare --shallow --report json=diff.json a.squashfs b.squashfs
      repro report diff.json -f terminal
    """
    found = compare.compare_artifacts(left, right, deep=deep, observer=context.observer, time_limit=time_limit)
    write_reports(found, reports)
    if as_json:
        sys.stdout.buffer.write(encode(found))
    else:
        show(found)
    return VERDICTS[found.verdict]
