"""`repro lock RECIPE`: write or check the list of every .deb, with hash."""

from __future__ import annotations

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.options import BACKEND_OPTION, workplace
from repro.cli.project import find_project
from repro.cli.reports import write_file
from repro.lock.resolve import changes
from repro.model import lock as locks
from repro.model.errors import InvalidInput


@click.command("lock")
@click.argument("recipe")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and say in one line what is stale.")
@BACKEND_OPTION
@pass_context
def command(context: Context, recipe: str, check: bool, backend: str) -> int:
    """Resolve everything RECIPE installs, image and toolchain, and write it with hashes to recipe.lock.

    apt itself resolves, from the pinned and signed Packages indexes alone: neither the host's sources nor what it
    has installed count. Once a lock is there, apt of its toolchain is used, and the host needs none.

    \b
    Example:
      repro lock minimal            resolve and write
      repro lock minimal --check    for a CI job
    """
    loaded = pipeline.load(find_project(), recipe)
    place = workplace(context)
    old = pipeline.read_lock(loaded, current=False) if loaded.lock_path.exists() else None
    if check:
        return _check(loaded, place, old, backend)
    new = pipeline.make_lock(loaded, place, backend)
    for line in changes(old, new) if old else ():
        click.echo(line)
    write_file(loaded.lock_path, locks.encode(new).encode())
    click.echo(f"{loaded.lock_path}: {len(new.image)} packages in the image, {len(new.toolchain)} in the toolchain")
    return 0


def _check(loaded: pipeline.Loaded, place: pipeline.Workplace, old: locks.Lock | None, backend: str) -> int:
    name = loaded.recipe.name
    if old is None:
        click.echo(f"{name}: stale: there is no recipe.lock")
        return 1
    try:
        pipeline.read_lock(loaded)
    except InvalidInput as error:
        click.echo(f"{name}: stale: {error.message}")
        return 1
    moved = changes(old, pipeline.make_lock(loaded, place, backend))
    if moved:
        more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        click.echo(f"{name}: stale: {moved[0]}{more}")
        return 1
    click.echo(f"{name}: current: {len(old.image)} packages in the image, {len(old.toolchain)} in the toolchain")
    return 0
