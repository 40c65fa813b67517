"""Options and steps that several commands share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from repro.cli.context import Context
from repro.cli.inputs import fetcher_for
from repro.model.errors import InvalidInput, Unavailable
from repro.pipeline import Workplace
from repro.store import Store

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

BACKEND_OPTION: Decorator = click.option(
    "--backend",
    type=click.Choice(["auto", "root", "subuid", "fakeroot"]),
    default="auto",
    show_default=True,
    help="How the sandbox gets its powers; the bits are the same from all of them.",
)
OUTPUT_OPTION: Decorator = click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.  [default: out/RECIPE]",
)


def _normalizers(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> frozenset[str]:
    from repro.image.steps import chosen  # noqa: PLC0415  (commands that build nothing do without that room)

    return chosen(names)


WITHOUT_OPTION: Decorator = click.option(
    "--without-normalizer",
    "without",
    multiple=True,
    callback=_normalizers,
    metavar="NAME",
    help="Switch a normalizer off, or `all`; may be given several times (docs/building.md has their names).",
)


def workplace(context: Context) -> Workplace:
    """The store, its sources and the observer, from the shared options. Nothing is removed from the store meanwhile."""
    store = Store(context.store_path)
    store.hold()
    return Workplace(store, fetcher_for(context, store), context.observer)


@contextmanager
def output_folder(given: Path | None, name: str) -> Iterator[Path]:
    """The folder for results, made if needed and held against a second run; leavings of a killed run are removed.

    Raises InvalidInput where it cannot be written, Unavailable where another run holds it.
    """
    folder = given or Path("out") / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InvalidInput(f"cannot write to {folder}: {error.strerror}", hint="name another folder with -o") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            hint = "wait for it, or name another folder with -o"
            raise Unavailable(f"another repro is writing to {folder}", hint=hint) from error
        for leaving in folder.glob(".building-*"):
            shutil.rmtree(leaving, ignore_errors=True)
        yield folder
    finally:
        os.close(descriptor)


def source_date_epoch() -> int | None:
    """SOURCE_DATE_EPOCH in seconds since 1970, None where it is not set. Raises InvalidInput."""
    value = os.environ.get("SOURCE_DATE_EPOCH")
    if value is not None and (not value.isdecimal() or len(value) > 10):
        raise InvalidInput(f"SOURCE_DATE_EPOCH is {value!r}", hint="it is a number of seconds since 1970")
    return None if value is None else int(value)
