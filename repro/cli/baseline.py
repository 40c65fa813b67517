"""`--baseline FILE` and `--update-baseline`: reading it before anything is done, judging by it, writing it anew.

`--today` is an option, not an environment variable: an entry that ran out must not hold because of something that
nobody sees, and what is on the command line is in the job's log. It is hidden from the help, because nobody needs it
but tests, and whoever asks whether the gate will hold next month.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from repro import compare
from repro.cli.exits import EXIT_DIFFERENT, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, VERDICTS
from repro.cli.reports import write_file
from repro.model import baseline as baselines
from repro.model.baseline import EMPTY, Baseline
from repro.model.comparison import Comparison
from repro.model.errors import InvalidInput
from repro.model.text import is_utf8

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

NOT_EXPLAINED = "not explained yet"
DAYS = 90  # that an entry holds which the program adds


def _day(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a day as 2027-01-31", ctx, param) from error


BASELINE_OPTION: Decorator = click.option(
    "--baseline",
    "baseline_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Fail only on what is not in this list of known divergences, or worse, or expired.",
)
TODAY_OPTION: Decorator = click.option(
    "--today", metavar="DATE", callback=_day, hidden=True, help="Judge as of another day than today."
)
_UPDATE: tuple[Decorator, ...] = (
    click.option(
        "--update-baseline",
        is_flag=True,
        help="Add what is new to the baseline, widen what is worse, drop what is gone. Without --baseline FILE that "
        "is recipes/RECIPE/baseline.toml.",
    ),
    click.option("--owner", metavar="WHO", help="Who looks after the entries that --update-baseline adds."),
    click.option("--reason", metavar="TEXT", help=f"Why they are there.  [default: {NOT_EXPLAINED}]"),
    click.option(
        "--expires", metavar="DATE", callback=_day, help=f"Their last day.  [default: {DAYS} days from today]"
    ),
)


def update_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `--update-baseline`."""
    for option in reversed(_UPDATE):
        command = option(command)
    return command


@dataclass(frozen=True)
class Gatekeeper:
    """What the options say, read and checked: `baseline` judges as of `today`; None: nothing is judged.

    `terms` are there where `path` is to be written anew; then `data` is what it holds, None where there is no file.
    """

    baseline: Baseline | None
    today: date
    path: Path
    data: bytes | None = None
    terms: compare.Terms | None = None

    def judged(self, comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
        """`comparisons` with their gates, where there is a baseline."""
        if self.baseline is None:
            return tuple(comparisons)
        return compare.judge_all(comparisons, self.baseline, self.today)

    def updated(self, comparisons: Sequence[Comparison]) -> tuple[Gatekeeper, str]:
        """A keeper with the new baseline, once that is written, and what was done to it; empty where nothing was asked.

        Raises InvalidInput where the file cannot be written, or has no shape that can be changed.
        """
        if self.terms is None:
            return self, ""
        if not comparisons or not all(map(compare.complete, comparisons)):
            missing = "not everything was examined" if comparisons else "nothing was compared"
            return self, f"baseline: {self.path} was not written: {missing}"
        new = compare.updated(self.data, str(self.path), comparisons, self.terms, self.today)
        if new.data != self.data:
            write_file(self.path, new.data)
        said = f"baseline: {self.path}: {new.added} added, {new.widened} widened, {new.dropped} dropped"
        if new.expired:
            said += f"; {new.expired} expired and were left: extend or remove them by hand"
        return replace(self, baseline=new.baseline, data=new.data), said


def gatekeeper(path: Path | None, today: date | None) -> Gatekeeper:
    """What `--baseline` and `--today` say. Raises InvalidInput where there is no such baseline, or it is not valid."""
    day = today or datetime.now(UTC).date()
    if path is None:
        return Gatekeeper(None, day, Path())
    data = _read(path)
    if data is None:
        raise InvalidInput(f"{path}: no such baseline", hint="`repro verify RECIPE --update-baseline` writes one")
    return Gatekeeper(baselines.decode(data, str(path)), day, path, data)


def updating(
    path: Path, today: date | None, *, owner: str | None, reason: str | None, expires: date | None
) -> Gatekeeper:
    """As `gatekeeper`, where `--update-baseline` is given; there need not be a file yet.

    Raises InvalidInput where what an entry has to say is missing, or the file cannot be written.
    """
    day = today or datetime.now(UTC).date()
    until = expires or day + timedelta(days=DAYS)
    if owner is None:
        raise InvalidInput("--update-baseline needs --owner", hint="name who looks after the entries that it adds")
    for option, value in (("--owner", owner), ("--reason", reason)):
        if value is not None and not (value.strip() and is_utf8(value)):
            raise InvalidInput(f"{option}: {value!r} says nothing, or is not UTF-8")
    if until < day:
        raise InvalidInput(f"--expires: {until} is in the past", hint="what was added would fail at once")
    data = _read(path)
    found = EMPTY if data is None else baselines.decode(data, str(path))
    if not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"cannot write {path}: its folder is missing or not writable")
    return Gatekeeper(found, day, path, data, compare.Terms(owner, reason or NOT_EXPLAINED, until))


def refuse_alone(**options: object) -> None:
    """Raises InvalidInput where one of `options` is given, which mean something with --update-baseline alone."""
    for name, value in options.items():
        if value is not None:
            raise InvalidInput(f"--{name} belongs to --update-baseline", hint="give both, or neither")


def exit_code(comparisons: Sequence[Comparison], verdict: str, *, agrees: bool = True) -> int:
    """That of the gates where there are some, else of the verdict.

    `agrees`: whether the rebuild is what was published, which no baseline excuses.
    """
    if any(comparison.interrupted for comparison in comparisons):
        return EXIT_INTERRUPTED
    gates = [comparison.gate for comparison in comparisons if comparison.gate]
    if not gates:
        return VERDICTS[verdict]
    if not agrees or any(gate.failing for gate in gates):
        return EXIT_DIFFERENT
    return 0 if all(gate.holds for gate in gates) else EXIT_INCONCLUSIVE


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
