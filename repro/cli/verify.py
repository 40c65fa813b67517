"""`repro verify [RECIPE]...`: rebuild under other conditions and say whether the bits are the same."""

from __future__ import annotations

import contextlib
import re
import time
from functools import partial
from pathlib import Path
from typing import Any

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.exits import EXIT_INTERRUPTED, VERDICTS
from repro.cli.options import BACKEND_OPTION, OUTPUT_OPTION, output_folder, workplace
from repro.cli.project import find_project
from repro.cli.reports import REPORT_OPTION, show, write_file, write_reports
from repro.cli.results import clear_results
from repro.cli.several import verify_each
from repro.model import comparison as comparisons
from repro.model import record as records
from repro.model import verification as verifications
from repro.model.comparison import IDENTICAL
from repro.model.errors import InvalidInput, Unavailable
from repro.model.text import human_size
from repro.report import terminal
from repro.sandbox.backend import choose
from repro.system.http import Http
from repro.system.memory import PeakMemory

_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")


@click.command("verify")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@click.option(
    "--changed-since", metavar="REV", help="Leave out what no change since the merge base of REV and HEAD can touch."
)
@click.option("--against", metavar="FILE|URL|sha256:HEX", help="Rebuild once and compare with this instead.")
@click.option("--rebuilds", type=click.IntRange(1, 20), default=2, show_default=True, help="How often to rebuild.")
@click.option(
    "--vary",
    "factors",
    multiple=True,
    type=click.Choice(pipeline.all_factors()),
    metavar="FACTOR",
    help=f"Vary only this; may be given several times: {', '.join(pipeline.all_factors())}.  [default: all]",
)
@click.option("--deep/--shallow", default=True, show_default=True, help="Have diffoscope explain what diverges.")
@click.option("--publish", is_flag=True, help="When the rebuilds agree, write the result to reports/RECIPE.json.")
@OUTPUT_OPTION
@BACKEND_OPTION
@REPORT_OPTION
@pass_context
def command(context: Context, /, recipes: tuple[str, ...], changed_since: str | None, **options: Any) -> int:
    """Rebuild each RECIPE from its pins and say, with evidence, whether the bits are the same.

    By default it is built twice, the second time with every factor of the environment changed that can be, and
    both are compared with each other and with the published digest. Results are in out/RECIPE.

    \b
    Example:
      repro verify minimal
      repro verify --changed-since origin/main
      repro verify minimal --against sha256:…
      repro verify minimal --against https://mirror.example.org/minimal.iso
    """
    return verify_each(partial(_verify, context), recipes, changed_since, options)


def _verify(
    context: Context,
    recipe: str,
    against: str | None,
    rebuilds: int,
    factors: tuple[str, ...],
    deep: bool,
    publish: bool,
    output: Path | None,
    backend: str,
    reports: tuple[tuple[str, Path], ...],
) -> int:
    project = find_project()
    loaded = pipeline.load(project, recipe)
    lock = pipeline.read_lock(loaded)
    chosen = choose(backend)
    place = workplace(context)
    began = time.monotonic()
    with output_folder(output, recipe) as folder, PeakMemory() as memory:
        clear_results(folder)
        other = _other(against, folder, context) if against else None
        pipeline.fetch(loaded, lock, place)
        if other is not None:
            result = pipeline.verify_against(loaded, lock, place, folder, backend=chosen, other=other, deep=deep)
        else:
            result = pipeline.verify(
                loaded,
                lock,
                place,
                folder,
                backend=chosen,
                rebuilds=rebuilds,
                factors=factors or pipeline.all_factors(),
                published=None if publish else pipeline.read_published(project, recipe),
                deep=deep,
            )
        text = _summary(result)
        _write(result, recipe, folder, text)
        for comparison in result.comparisons:
            write_reports(comparison, reports)
        if publish and result.verdict == IDENTICAL:
            claim = next(iter(result.rebuilds.values())).record.claim
            _publish(project.reports / f"{recipe}.json", pipeline.publish(claim, lock.source_date_epoch))
    for comparison in result.comparisons:
        show(comparison)
    click.echo(text)
    click.echo(f"results in {folder}; {time.monotonic() - began:.0f} s, peak memory {human_size(memory.bytes)}")
    interrupted = any(comparison.interrupted for comparison in result.comparisons)
    return EXIT_INTERRUPTED if interrupted else VERDICTS[result.verdict]


def _other(against: str, folder: Path, context: Context) -> Path | str:
    if match := _DIGEST.fullmatch(against):
        return match[1].lower()
    if not against.startswith(("http://", "https://")):
        path = Path(against)
        if not path.is_file():
            hint = "give a file, an address that begins with http, or sha256: and 64 hex digits"
            raise InvalidInput(f"--against: {against} is not a file", hint=hint)
        return path
    target = folder / "against"
    with (
        Http(offline=context.offline).stream(against) as body,
        context.observer.task("fetching what to compare with", unit="bytes") as task,
    ):
        try:
            with open(target, "wb") as file:
                for chunk in body.chunks():
                    file.write(chunk)
                    task.advance(len(chunk))
        except OSError as error:
            raise Unavailable(f"cannot write {target}: {error.strerror}") from error
    return target


def _summary(result: pipeline.Verification) -> str:
    """What the comparison cannot say itself: the rebuilds, what was varied, what was published."""
    lines = []
    for title, rebuild in result.rebuilds.items():
        run, claim = rebuild.record.run, rebuild.record.claim
        for artifact in claim.artifacts:
            lines.append(f"{title}  {artifact.sha256}  {artifact.name}")
        lines.append(
            f"{'':{len(title)}}  {run.seconds:.1f} s, backend {run.backend}, peak {human_size(run.peak_bytes)}"
        )
    if result.skipped:
        lines.append("not varied: " + "; ".join(f"{name} ({why})" for name, why in result.skipped.items()))
    lines.append(f"published: {result.published}")
    lines.append(f"verdict: {result.verdict}")
    return "\n".join(lines)


def _publish(path: Path, document: bytes) -> None:
    with contextlib.suppress(OSError):  # where it cannot be made, the file in it cannot be written
        path.parent.mkdir(exist_ok=True)
    write_file(path, document)


def _write(result: pipeline.Verification, recipe: str, folder: Path, text: str) -> None:
    documents = [comparisons.encode(comparison) for comparison in result.comparisons]
    for number, document in enumerate(documents):
        name = "comparison.json" if not number else f"comparison-{number + 1}.json"
        write_file(folder / name, document)
    tables = [terminal.render(comparison) for comparison in result.comparisons]
    write_file(folder / "report.txt", "\n".join([*tables, text, ""]).encode("utf-8", "replace"))
    build = records.encode_all({title: rebuild.record for title, rebuild in result.rebuilds.items()})
    write_file(folder / records.FILE, build)
    write_file(folder / verifications.FILE, verifications.encode(pipeline.found(result, recipe, build, documents)))
