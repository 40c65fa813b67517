"""`repro compare`: two artifacts, side by side."""

from __future__ import annotations

import signal
import sys
from datetime import date
from pathlib import Path

import click

from repro import compare, pipeline
from repro.cli.baseline import BASELINE_OPTION, TODAY_OPTION, exit_code, gatekeeper
from repro.cli.context import Context, pass_context
from repro.cli.reports import REPORT_OPTION, show, write_all_reports
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
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="How many diffoscopes run at a time.  [default: the cores there are]",
)
@click.option(
    "--memory-limit",
    type=click.IntRange(64),
    metavar="MIB",
    help="What each process of diffoscope may allocate.  [default: its share of half of what is free, at least 1024]",
)
@BASELINE_OPTION
@TODAY_OPTION
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
    jobs: int | None,
    memory_limit: int | None,
    baseline_path: Path | None,
    today: date | None,
    reports: tuple[tuple[str, Path], ...],
    as_json: bool,
) -> int:
    """Say whether A and B are the same bytes, and if not, which member of which container differs in what.

    Walks ISO and disk images, El Torito images and partitions, squashfs, FAT, initrds, cpio, tar, ar and .deb,
    and compressed streams. Exits 0 where both are identical, 1 where they differ, 7 where that is unknown.

    What differs is found first, in seconds; then diffoscope explains the differing files, several at a time. Each
    --report is written before that and again as explanations arrive. Ctrl-C ends either early: what was found is
    shown and written, says that it is partial, and the exit code is 130. A second Ctrl-C ends at once.

    With --baseline, the exit code is 0 where all that differs is known, 1 where anything is new, worse or expired, 7
    where something could not be examined and nothing else fails (docs/gate.md). The verdict stays what it is.

    \b
    Examples:
      repro compare published.iso rebuilt.iso
      repro compare --shallow --report json=diff.json a.squashfs b.squashfs
      repro report diff.json -f terminal
      repro compare --baseline known.toml published.iso rebuilt.iso
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    keeper = gatekeeper(baseline_path, today)
    found = pipeline.compare(
        left,
        right,
        deep=deep,
        observer=context.observer,
        limits=compare.Limits(seconds=time_limit, jobs=jobs or 0, memory=(memory_limit or 0) << 20),
        on_partial=lambda partial: write_all_reports(keeper.judged([partial]), reports),
    )
    (found,) = keeper.judged([found])
    write_all_reports([found], reports)
    if as_json:
        sys.stdout.buffer.write(encode(found))
    else:
        show(found)
    return exit_code([found], found.verdict)
