"""`repro hunt RECIPE`, `repro hunt -- COMMAND`: which factor diverges which file, in few builds."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.factors import parsed_factors
from repro.cli.options import BACKEND_OPTION, OUTPUT_OPTION, output_folder, workplace
from repro.cli.project import find_project
from repro.cli.reports import write_file
from repro.model import hunt as hunts
from repro.model.hunt import Hunt
from repro.pipeline.hunting import Terms, hunt_recipe
from repro.report import hunt as text
from repro.report import hunt_page
from repro.sandbox.backend import choose
from repro.system.memory import available
from repro.system.pool import processors

_BUILD = 3 << 30  # bytes of memory that one build may want


@click.command("hunt")
@click.argument("recipe")
@click.option(
    "--vary",
    "factors",
    multiple=True,
    metavar="FACTOR[=VALUE]",
    help="Try only this; may be given several times.  [default: all that work here but backend]",
)
@click.option("--whole", is_flag=True, help="Look at the artifact, not at the root tree alone: with compression.")
@click.option(
    "--extra",
    type=click.IntRange(0, 100),
    default=4,
    show_default=True,
    metavar="N",
    help="How many builds may follow the first round, where it leaves a choice.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 64), metavar="N", help="How many builds run at a time.  [default: by cores]"
)
@OUTPUT_OPTION
@BACKEND_OPTION
@click.option("--json", "as_json", is_flag=True, help="Write the result (repro/hunt/v1) on standard output.")
@pass_context
def command(
    context: Context,
    *,
    recipe: str,
    factors: tuple[str, ...],
    whole: bool,
    extra: int,
    jobs: int | None,
    output: Path | None,
    backend: str,
    as_json: bool,
) -> int:
    """Find out which factor of its surroundings diverges which file of RECIPE.

    For N factors a handful of builds does: in each of them several factors are varied together, each factor in
    another set of builds, and from the builds in which a file came out differently follows which factor did it.
    The baseline is built twice, so that what differs by itself is told apart. Builds are kept: a hunt that was
    ended goes on where it was. Exits 0 where nothing diverges, 1 where something does.

    \b
    Examples:
      repro hunt unstable
      repro hunt minimal --vary umask --vary timezone=Asia/Tokyo --vary locale
    """
    loaded = pipeline.load(find_project(), recipe)
    lock = pipeline.read_lock(loaded)
    values = parsed_factors(factors) or dict.fromkeys(pipeline.usual_factors())
    terms = Terms(tuple(values), values, jobs or _jobs(), extra)
    place = workplace(context)
    with output_folder(output, f"hunt-{recipe}") as folder:
        pipeline.fetch(loaded, lock, place)
        found = hunt_recipe(loaded, lock, place, folder, terms, backend=choose(backend), whole=whole)
        _write(found, folder)
    return _show(found, folder, as_json)


def _jobs() -> int:
    return max(1, min(processors(), available() // _BUILD))


def _write(found: Hunt, folder: Path) -> None:
    write_file(folder / hunts.FILE, hunts.encode(found))
    write_file(folder / "hunt.txt", text.render(found).encode("utf-8", "replace"))
    write_file(folder / "hunt.html", hunt_page.render(found))


def _show(found: Hunt, folder: Path, as_json: bool) -> int:
    if as_json:
        sys.stdout.buffer.write(hunts.encode(found))
    else:
        sys.stdout.buffer.write(text.render(found).encode("utf-8", "replace"))
        click.echo(f"results in {folder}: {hunts.FILE}, hunt.txt, hunt.html")
    return 1 if found.attributions else 0
