"""`repro verify RECIPE`: rebuild under other conditions and say whether the bits are the same."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import click

from repro import pipeline
from repro.cli.baseline import (
    BASELINE_OPTION,
    TODAY_OPTION,
    exit_code,
    gatekeeper,
    refuse_alone,
    update_options,
    updating,
)
from repro.cli.context import Context, pass_context
from repro.cli.options import BACKEND_OPTION, OUTPUT_OPTION, output_folder, workplace
from repro.cli.project import find_project
from repro.cli.reports import REPORT_OPTION, show, write_all_reports, write_file
from repro.model import comparison as comparisons
from repro.model import record as records
from repro.model.comparison import IDENTICAL
from repro.model.errors import InvalidInput, Unavailable
from repro.model.text import human_size
from repro.report import terminal
from repro.sandbox.backend import choose
from repro.system.http import Http
from repro.system.memory import PeakMemory

_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")


@click.command("verify")
@click.argument("recipe")
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
@BASELINE_OPTION
@update_options
@TODAY_OPTION
@REPORT_OPTION
@pass_context
def command(
    context: Context,
    recipe: str,
    against: str | None,
    rebuilds: int,
    factors: tuple[str, ...],
    deep: bool,
    publish: bool,
    output: Path | None,
    backend: str,
    baseline_path: Path | None,
    update_baseline: bool,
    owner: str | None,
    reason: str | None,
    expires: date | None,
    today: date | None,
    reports: tuple[tuple[str, Path], ...],
) -> int:
    """Rebuild RECIPE from its pins and say, with evidence, whether the bits are the same.

    By default it is built twice, the second time with every factor of the environment changed that can be, and
    both are compared with each other and with the published digest. Results are in out/RECIPE.

    With --baseline, the exit code is 0 where all that differs is known, 1 where anything is new, worse or expired, 7
    where something could not be examined and nothing else fails (docs/gate.md). The verdict stays what it is.

    \b
    Example:
      repro verify minimal
      repro verify minimal --against sha256:…
      repro verify minimal --against https://mirror.example.org/minimal.iso
      repro verify minimal --update-baseline --owner "the image team"
      repro verify minimal --baseline known.toml --report junit=repro.xml
    """
    project = find_project()
    loaded = pipeline.load(project, recipe)
    if update_baseline:
        known = baseline_path or project.recipes / recipe / "baseline.toml"
        keeper = updating(known, today, owner=owner, reason=reason, expires=expires)
    else:
        refuse_alone(owner=owner, reason=reason, expires=expires)
        keeper = gatekeeper(baseline_path, today)
    lock = pipeline.read_lock(loaded)
    chosen = choose(backend)
    place = workplace(context)
    began = time.monotonic()
    with output_folder(output, recipe) as folder, PeakMemory() as memory:
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
        keeper, said = keeper.updated(result.comparisons)
        result = replace(result, comparisons=keeper.judged(result.comparisons))
        text = "\n".join(filter(None, (said, _summary(result))))
        _write(result, folder, text)
        write_all_reports(result.comparisons, reports)
        if publish and result.verdict == IDENTICAL:
            claim = next(iter(result.rebuilds.values())).record.claim
            _publish(project.reports / f"{recipe}.json", pipeline.publish(claim, lock.source_date_epoch))
    for comparison in result.comparisons:
        show(comparison)
    click.echo(text)
    click.echo(f"results in {folder}; {time.monotonic() - began:.0f} s, peak memory {human_size(memory.bytes)}")
    return exit_code(result.comparisons, result.verdict, agrees=result.agrees)


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


def _write(result: pipeline.Verification, folder: Path, text: str) -> None:
    for number, comparison in enumerate(result.comparisons):
        name = "comparison.json" if not number else f"comparison-{number + 1}.json"
        write_file(folder / name, comparisons.encode(comparison))
    tables = [terminal.render(comparison) for comparison in result.comparisons]
    write_file(folder / "report.txt", "\n".join([*tables, text, ""]).encode("utf-8", "replace"))
    write_file(folder / "build.json", records.encode_all({t: r.record for t, r in result.rebuilds.items()}))
