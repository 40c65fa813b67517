"""`repro store`: what is kept, whether it is whole, what may go, and how it gets elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.options import workplace
from repro.cli.project import find_project
from repro.cli.store_move import export_command, import_command
from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.text import human_size, printable, readable_json
from repro.store import Store
from repro.store.gc import Garbage, garbage, remove
from repro.store.verify import verify_store

_JSON = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")


@click.group("store")
def command() -> None:
    """Look at the store of fetched and built things, tidy it, carry it elsewhere."""


command.add_command(export_command)
command.add_command(import_command)


@command.command("list")
@_JSON
@pass_context
def list_blobs(context: Context, as_json: bool) -> int:
    """List every blob by its SHA-256 and size in bytes, and what it is to the recipes of this project."""
    blobs = list(Store(context.store_path).blobs())
    names = _names()
    if as_json:
        rows = [{"sha256": blob.sha256, "size": blob.size, "name": names.get(blob.sha256)} for blob in blobs]
        sys.stdout.buffer.write(readable_json({"schema": "repro/store-list/v1", "blobs": rows}))
    else:
        for blob in blobs:
            click.echo(f"{blob.sha256}  {blob.size}  {printable(names.get(blob.sha256, ''))}".rstrip())
    total = human_size(sum(blob.size for blob in blobs))
    context.observer.note(f"{context.store_path}: {len(blobs)} blobs, {total}")
    return 0


def _names() -> dict[str, str]:
    """What the locks of the project around call their blobs; nothing outside of a project."""
    try:
        found = pipeline.locks_below([find_project().recipes])
    except InvalidInput:
        return {}
    return {blob.sha256: label for lock in found.values() for blob, label in pipeline.labels_of(lock).items()}


@command.command()
@_JSON
@click.option("--no-fetch", is_flag=True, help="Do not fetch anew what was damaged.")
@pass_context
def verify(context: Context, as_json: bool, no_fetch: bool) -> int:
    """Hash every blob again; move those with wrong bytes to quarantine/ and fetch them anew.

    What the recipes of this project name is fetched from its sources. Exit 0 where all is whole, or whole again; 5
    where something damaged was not to be had.
    """
    place = workplace(context)
    result = verify_store(place.store, context.observer)
    details = dict(result.damaged)
    mended = pipeline.Mended({}, {}, tuple(details))
    if details and not no_fetch:
        try:
            mended = pipeline.mend(find_project(), set(details), place)
        except InvalidInput as error:  # outside of a project
            context.observer.note(f"nothing is fetched: {error.message}")
    if as_json:
        rows = [
            {"sha256": sha256, "detail": detail, "mended": sha256 in mended.again, "why": mended.lost.get(sha256)}
            for sha256, detail in result.damaged
        ]
        document = {"schema": "repro/store-verify/v1", "blobs": result.blobs, "bytes": result.bytes, "damaged": rows}
        sys.stdout.buffer.write(readable_json(document))
    else:
        again = f", {len(mended.again)} fetched anew" if mended.again else ""
        click.echo(f"{result.blobs} blobs, {human_size(result.bytes)}: {len(details)} damaged{again}")
    for sha256, label in mended.again.items():
        context.observer.note(f"{label}: fetched anew; {details[sha256]}")
    if mended.lost or mended.unnamed:
        sys.stdout.flush()
        lines = [f"{details[sha256]}; {why}" for sha256, why in mended.lost.items()]
        lines += [f"{details[sha256]}" for sha256 in mended.unnamed]
        raise IntegrityFailure("\n".join(lines), hint="`repro fetch RECIPE` in the project that needs it gets it anew")
    return 0


@command.command()
@click.option(
    "--locks",
    "folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what the recipe.lock files in and below this folder need; repeatable. By default: those of the project "
    "that the working directory lies in.",
)
@click.option("--all", "everything", is_flag=True, help="Keep nothing.")
@click.option(
    "--keep-builds",
    "days",
    type=click.IntRange(0),
    default=14,
    show_default=True,
    metavar="DAYS",
    help="Keep what builds made within so many days: they are taken from the store instead of made again.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would go; remove nothing.")
@_JSON
@pass_context
def gc(context: Context, folders: tuple[Path, ...], everything: bool, days: int, dry_run: bool, as_json: bool) -> int:
    """Remove what no lock in the given folders needs, old results of builds, and leftovers.

    Kept is every .deb and index that a lock names, and what `repro serve import` brought. Where there is no lock,
    nothing is removed (exit 2), nor where one cannot be read; and nothing while another repro works with the store
    (exit 4).

    \b
    Example:
      repro store gc --dry-run
      repro store gc --locks ~/live --locks ~/other-project
    """
    if everything and folders:
        raise click.UsageError("--all keeps nothing, --locks says what to keep")
    store = Store(context.store_path)
    needed = set() if everything else _needed(context, folders) | pipeline.imported(store)
    with store.alone():
        if everything and not dry_run:
            pipeline.forget_imports(store)
        found = garbage(store, needed, 0 if everything else days)
        if not dry_run:
            remove(store, found)
    if as_json:
        sys.stdout.buffer.write(readable_json(_gc_document(found, dry_run)))
    else:
        verb = "would go" if dry_run else "removed"
        click.echo(f"kept     {len(found.kept)} blobs, {human_size(sum(blob.size for blob in found.kept))}")
        rest = f"{len(found.stages)} results of builds, {len(found.leftovers)} leftovers"
        click.echo(f"{verb:8} {len(found.blobs)} blobs, {rest}: {human_size(found.bytes)}")
    return 0


def _needed(context: Context, folders: tuple[Path, ...]) -> set[str]:
    found = pipeline.locks_below(folders or [find_project().recipes])
    if not found:
        where = ", ".join(map(str, folders)) or "this project"
        raise InvalidInput(
            f"there is no recipe.lock in {where}: nothing would be kept", hint="--all says that you mean it"
        )
    context.observer.note(f"keeping what {len(found)} lock{'s' * (len(found) > 1)} need")
    return {blob.sha256 for lock in found.values() for blob in pipeline.labels_of(lock)}


def _gc_document(found: Garbage, dry_run: bool) -> dict[str, object]:
    return {
        "schema": "repro/store-gc/v1",
        "removed": not dry_run,
        "kept": {"blobs": len(found.kept), "bytes": sum(blob.size for blob in found.kept)},
        "blobs": [vars(blob) for blob in found.blobs],
        "stages": len(found.stages),
        "leftovers": len(found.leftovers),
        "bytes": found.bytes,
    }
