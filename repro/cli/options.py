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
from repro.pipeline import Artifacts, Workplace, read_base
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
    "--output-dir",
    "output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.  [default: out/RECIPE]",
)


def _normalizers(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> frozenset[str]:
    from repro.image.steps import chosen  # noqa: PLC0415  (commands that build nothing do without that room)

    return chosen(names)


def _artifacts(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    from repro.model.recipe import OUTPUTS  # noqa: PLC0415  (as above)

    names = tuple(dict.fromkeys(filter(None, value.split(","))))
    known = (*OUTPUTS, KIT)
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"{unknown[0]!r} is none; there are: {', '.join(known)}")
    return names


KIT = "kit"


def artifact_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which artifacts to make, and what a kit among them upgrades from."""
    kinds = click.option(
        "--output",
        "kinds",
        default="",
        callback=_artifacts,
        metavar="KIND,...",
        help="Make these instead of what the recipe publishes: iso, usb, squashfs, tar (of the root), oci, "
        "kit (an upgrade; needs --kit-from).",
    )
    base = click.option(
        "--kit-from",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="IMAGE",
        help="The ISO or USB image of the earlier build that a kit upgrades.",
    )
    return kinds(base(command))


WITHOUT_OPTION: Decorator = click.option(
    "--without-normalizer",
    "without",
    multiple=True,
    callback=_normalizers,
    metavar="NAME",
    help="Switch a normalizer off, or `all`; may be given several times (docs/building.md has their names).",
)


def chosen_artifacts(kinds: tuple[str, ...], kit_from: Path | None, place: Workplace) -> Artifacts:
    """What the options of `artifact_options` say; the image that a kit starts from is read here. Raises as `read_base`
    does."""
    if (KIT in kinds) != bool(kit_from):
        raise click.UsageError("--output kit and --kit-from IMAGE belong together")
    return Artifacts(kinds, read_base(kit_from, place.store) if kit_from else None)


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
