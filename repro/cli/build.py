"""`repro build RECIPE`: make the image once, in the normalized environment or a varied one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.factors import parsed_factors
from repro.cli.options import (
    BACKEND_OPTION,
    OUTPUT_OPTION,
    WITHOUT_OPTION,
    artifact_options,
    chosen_artifacts,
    output_folder,
    workplace,
)
from repro.cli.project import find_project
from repro.cli.reports import write_file
from repro.cli.results import clear_results
from repro.model import record as records
from repro.model import trace as traces
from repro.model.text import human_size
from repro.sandbox.backend import choose
from repro.sandbox.environment import Environment
from repro.sandbox.variations import VARIATIONS, vary


@click.command("build")
@click.argument("recipe")
@OUTPUT_OPTION
@BACKEND_OPTION
@click.option(
    "--vary",
    "factors",
    multiple=True,
    metavar="FACTOR[=VALUE]",
    help=f"Change one factor of the environment; may be given several times. Factors: {', '.join(VARIATIONS)}.",
)
@artifact_options
@WITHOUT_OPTION
@click.option(
    "--trace",
    is_flag=True,
    help="Take down which program wrote each file of the root tree, for `repro explain`; the bits are the same.",
)
@click.option("--no-cache", is_flag=True, help="Do every stage anew, and keep none.")
@click.option("--json", "as_json", is_flag=True, help="Write the build record on standard output.")
@pass_context
def command(
    context: Context,
    recipe: str,
    output: Path | None,
    backend: str,
    factors: tuple[str, ...],
    kinds: tuple[str, ...],
    kit_from: Path | None,
    without: frozenset[str],
    trace: bool,
    no_cache: bool,
    as_json: bool,
) -> int:
    """Build RECIPE from its lock, inside the locked toolchain, and write the artifacts and the build record.

    \b
    Example:
      repro build minimal
      repro build minimal --vary timezone=Asia/Tokyo --vary umask -o /tmp/varied
      repro build minimal --output usb,oci
      repro build minimal --output kit --kit-from minimal-1.0.img
    """
    loaded = pipeline.load(find_project(), recipe)
    lock = pipeline.read_lock(loaded)
    environment = vary(Environment(lock.source_date_epoch), parsed_factors(factors))
    chosen = choose(backend)
    place = workplace(context)
    artifacts = chosen_artifacts(kinds, kit_from, place)
    with output_folder(output, recipe) as folder:
        pipeline.fetch(loaded, lock, place)
        built = pipeline.build(
            loaded,
            lock,
            place,
            folder,
            backend=chosen,
            environment=environment,
            cached=not no_cache,
            without=without,
            trace=trace,
            artifacts=artifacts,
        )
        clear_results(folder)
        if built.trace:
            write_file(folder / traces.FILE, traces.encode(built.trace))
        write_file(folder / records.FILE, records.encode(built.record))
    if as_json:
        sys.stdout.buffer.write(records.encode(built.record))
        return 0
    run = built.record.run
    for path, artifact in zip(built.files, built.record.claim.artifacts, strict=True):
        click.echo(f"{artifact.sha256}  {path}  {human_size(artifact.size)}")
    reused = [stage.name for stage in run.stages if stage.cached]
    click.echo(
        f"built in {run.seconds:.1f} s with backend {run.backend}, peak memory {human_size(run.peak_bytes)}"
        + (f", from the cache: {', '.join(reused)}" if reused else "")
    )
    if built.trace:
        seen = built.trace
        click.echo(
            f"traced {len(seen.processes)} programs and {len(seen.files)} files by {seen.calls} calls, which took "
            f"{seen.spent:.1f} of the root's {seen.seconds:.1f} s: {folder / traces.FILE}"
        )
    return 0
