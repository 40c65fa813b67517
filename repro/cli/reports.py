"""`--report FORMAT=FILE`, and showing a comparison on standard output, for every command that has one."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from repro import report
from repro.model.comparison import Comparison
from repro.model.errors import InvalidInput
from repro.report import terminal


def _parsed(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
    known = ", ".join(sorted(report.RENDERERS))
    found = []
    for value in values:
        form, equals, path = value.partition("=")
        if not equals or not path:
            raise click.BadParameter(f"{value!r} is not FORMAT=FILE (formats: {known})", ctx, param)
        if form not in report.RENDERERS:
            raise click.BadParameter(f"there is no report format {form!r}; there are: {known}", ctx, param)
        found.append((form, Path(path)))
    return tuple(found)


REPORT_OPTION = click.option(
    "--report",
    "reports",
    callback=_parsed,
    multiple=True,
    metavar="FORMAT=FILE",
    help=f"Also write a report; may be given several times. Formats: {', '.join(sorted(report.RENDERERS))}.",
)


def write_reports(comparison: Comparison, reports: Iterable[tuple[str, Path]]) -> None:
    """Write each report, whole or not at all. Raises InvalidInput where a file cannot be written."""
    for form, path in reports:
        write_file(path, report.render(comparison, form))


def write_all_reports(comparisons: Iterable[Comparison], reports: Sequence[tuple[str, Path]]) -> None:
    """Write each report of the first comparison to its file, of the N-th to `STEM-N.SUFFIX` beside it."""
    for number, comparison in enumerate(comparisons, 1):
        write_reports(comparison, [(form, numbered(path, number)) for form, path in reports])


def numbered(path: Path, number: int) -> Path:
    """Where the report on the comparison `number`, from 1, lies: `diff.json`, `diff-2.json`, `diff-3.json`, …"""
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def write_file(path: Path, data: bytes) -> None:
    """Write `data` under a temporary name, then rename. Raises InvalidInput where that fails."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def show(comparison: Comparison) -> None:
    """`comparison` as text on standard output; colour where that is a terminal and NO_COLOR is not set."""
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = max(60, min(shutil.get_terminal_size((80, 24)).columns, 160)) if sys.stdout.isatty() else 80
    text = terminal.render(comparison, width=width, color=color)
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
