"""`repro hunt RECIPE`, `repro hunt -- COMMAND`: which factor diverges which file, in few builds."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.factors import parsed_factors
from repro.cli.options import BACKEND_OPTION, WITHOUT_OPTION, output_folder, source_date_epoch, workplace
from repro.cli.project import find_project
from repro.cli.reports import write_file
from repro.model import hunt as hunts
from repro.model.hunt import Hunt
from repro.pipeline.hunting import CommandPlace, Terms, hunt_command, hunt_package, hunt_recipe
from repro.pipeline.packages import build_tree, load_source
from repro.report import hunt as text
from repro.report import hunt_page
from repro.sandbox.backend import Backend, choose
from repro.system.memory import available
from repro.system.pool import processors
from repro.system.scratch import scratch

_COMMAND = "repro.hunt.command"
_EPOCH = 1_700_000_000  # a day that is over
_BUILD = 3 << 30  # bytes of memory that one build may want


class _Hunt(click.Command):
    """A command whose arguments after `--` are another command, with options of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "RECIPE | --package NAME=VERSION | -- COMMAND..."]


@click.command("hunt", cls=_Hunt)
@click.argument("recipe", required=False)
@click.option(
    "--package",
    metavar="NAME[=VERSION]",
    help="Hunt in the .debs of this Debian source package, built in a root tree with what it needs.",
)
@click.option(
    "--pins", default="bookworm", show_default=True, metavar="SET", help="The pin set that --package is taken from."
)
@click.option(
    "--vary",
    "factors",
    multiple=True,
    metavar="FACTOR[=VALUE]",
    help="Try only this; may be given several times.  [default: all that work here but backend]",
)
@WITHOUT_OPTION
@click.option("--whole", is_flag=True, help="Look at the artifact, not at the root tree alone: with compression.")
@click.option(
    "--extra",
    type=click.IntRange(0, 100),
    default=4,
    show_default=True,
    metavar="N",
    help="How many builds may follow the first round, where it leaves a choice.",
)
@click.option("--one-by-one", is_flag=True, help="Vary each factor alone: many more builds, and the same answer.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), metavar="N", help="How many builds run at a time.  [default: by cores]"
)
@click.option(
    "--workdir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="The folder that COMMAND runs in a copy of.  [default: this one]",
)
@click.option(
    "--artifact",
    "patterns",
    multiple=True,
    metavar="GLOB",
    help="What COMMAND makes, from that folder on; may be given several times.  [default: all that is new or changed]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=1800,
    show_default=True,
    metavar="SECONDS",
    help="The longest that COMMAND may take.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.  [default: out/hunt-RECIPE, or out/hunt-COMMAND]",
)
@BACKEND_OPTION
@click.option("--json", "as_json", is_flag=True, help="Write the result (repro/hunt/v1) on standard output.")
@pass_context
def command(
    context: Context,
    *,
    recipe: str | None,
    package: str | None,
    pins: str,
    workdir: Path,
    patterns: tuple[str, ...],
    timeout: float,
    factors: tuple[str, ...],
    without: frozenset[str],
    whole: bool,
    extra: int,
    one_by_one: bool,
    jobs: int | None,
    output: Path | None,
    backend: str,
    as_json: bool,
) -> int:
    """Find out which factor of its surroundings diverges which file of RECIPE, of a package, or of what COMMAND makes.

    For N factors a handful of builds does: in each of them several factors are varied together, each factor in
    another set of builds, and from the builds in which a file came out differently follows which factor did it.
    The baseline is built twice, so that what differs by itself is told apart. Exits 0 where nothing diverges, 1
    where something does.

    A recipe's builds are kept: a hunt that was ended goes on where it was. A command runs in a copy of its folder,
    with this host's programs, without a network, as root of a namespace of its own.

    \b
    Examples:
      repro hunt unstable
      repro hunt minimal --vary umask --vary timezone=Asia/Tokyo --vary locale
      repro hunt -- make
      repro hunt --artifact 'dist/*.whl' -- python3 -m build --no-isolation
      repro hunt --package hello=2.10-3
    """
    argv: list[str] = click.get_current_context().meta.get(_COMMAND, [])
    if [bool(recipe), bool(package), bool(argv)].count(True) != 1:
        raise click.UsageError("name a RECIPE, a --package, or a COMMAND behind --, and one alone")
    values = parsed_factors(factors) or dict.fromkeys(pipeline.usual_factors())
    terms = Terms(tuple(values), values, jobs or _jobs(), extra, without, one_by_one)
    name = recipe or (package.partition("=")[0] if package else Path(argv[0]).name)
    with output_folder(output, f"hunt-{name}") as folder:
        if recipe:
            found = _recipe(context, recipe, folder, terms, choose(backend), whole)
        elif package:
            found = _package(context, package, pins, folder, terms, choose(backend), timeout)
        else:
            epoch = source_date_epoch()
            place = CommandPlace(choose(backend), timeout, _EPOCH if epoch is None else epoch, context.observer)
            found = hunt_command(argv, workdir, patterns, folder, terms, place)
        _write(found, folder)
    return _show(found, folder, as_json)


def _recipe(context: Context, name: str, folder: Path, terms: Terms, backend: Backend, whole: bool) -> Hunt:
    loaded = pipeline.load(find_project(), name)
    lock = pipeline.read_lock(loaded)
    place = workplace(context)
    pipeline.fetch(loaded, lock, place)
    return hunt_recipe(loaded, lock, place, folder, terms, backend=backend, whole=whole)


def _package(
    context: Context, package: str, pins: str, folder: Path, terms: Terms, backend: Backend, timeout: float
) -> Hunt:
    name, _, version = package.partition("=")
    place = workplace(context)
    source, loaded = load_source(find_project(), name, version, pins, folder, place)
    with scratch("repro-hunt-") as inside:
        tree = build_tree(loaded, place, inside, backend)
        rooms = CommandPlace(backend, timeout, _EPOCH, context.observer)
        return hunt_package(source, tree, folder, terms, rooms, place.store)


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
