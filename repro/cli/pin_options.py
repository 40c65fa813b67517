"""What the commands of `repro pin` share: options, and a time as a person writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from repro.model.errors import InvalidInput
from repro.model.pin import TIMESTAMP, timestamp_of

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")
SNAPSHOTS_OPTION = click.option(
    "--snapshots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the pins; by default snapshots/ of the project that the working directory lies in.",
)


def given_time(text: str) -> str:
    """The timestamp of `--at TEXT`. Raises InvalidInput where it is none, or still to come."""
    try:
        timestamp = timestamp_of(text)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"--at: {text!r} is no time: {error}", hint="such as 2026-09-06T12:00Z") from error
    if timestamp > (now := datetime.now(UTC).strftime(TIMESTAMP)):
        raise InvalidInput(f"--at: {timestamp} is still to come", hint=f"it is {now}; times without a zone are UTC")
    return timestamp
