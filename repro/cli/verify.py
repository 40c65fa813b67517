"""`repro verify [RECIPE]...`: rebuild under other conditions and say whether the bits are the same."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from repro import pipeline
from repro.attest.results import read_results
from repro.attest.signers import Signer
from repro.attest.trusted import load_policy
from repro.cli.baseline import (
    BASELINE_OPTION,
    TODAY_OPTION,
    Gatekeeper,
    exit_code,
    gatekeeper,
    refuse_alone,
    update_options,
    updating,
)
from repro.cli.context import Context, pass_context
from repro.cli.exits import EXIT_INTERRUPTED
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
from repro.cli.reports import REPORT_OPTION, show, write_all_reports, write_file
from repro.cli.results import clear_results
from repro.cli.several import verify_each
from repro.cli.signing import PASSPHRASE_OPTION, SIGN_OPTION, VALID_OPTION, lifetime, open_key, write_documents
from repro.cli.trust import QUORUM_OPTION, STATEMENTS_OPTION, ask_others, demand, fetch_other
from repro.model import comparison as comparisons
from repro.model import record as records
from repro.model import verification as verifications
from repro.model.comparison import IDENTICAL
from repro.model.lock import Lock
from repro.model.project import Project
from repro.model.text import human_size
from repro.pipeline import attesting
from repro.report import terminal
from repro.sandbox.backend import choose
from repro.system.memory import PeakMemory


@dataclass(frozen=True)
class _Asked:
    """The options, by the names of their parameters."""

    against: str | None
    rebuilds: int | None
    factors: tuple[str, ...]
    kinds: tuple[str, ...]
    kit_from: Path | None
    without: frozenset[str]
    deep: bool
    publish: bool
    policy: Path | None
    statements: tuple[str, ...]
    key: str | None
    valid_for: int | None
    passphrase_file: Path | None
    output: Path | None
    backend: str
    baseline_path: Path | None
    update_baseline: bool
    owner: str | None
    reason: str | None
    expires: date | None
    today: date | None
    reports: tuple[tuple[str, Path], ...]


@click.command("verify")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@click.option(
    "--changed-since", metavar="REV", help="Leave out what no change since the merge base of REV and HEAD can touch."
)
@click.option("--against", metavar="FILE|URL|sha256:HEX", help="Rebuild once and compare with this instead.")
@click.option(
    "--rebuilds",
    type=click.IntRange(1, 20),
    metavar="N",
    help="How often to rebuild.  [default: 2; once with --against, and not at all where --quorum is given too]",
)
@click.option(
    "--vary",
    "factors",
    multiple=True,
    type=click.Choice(pipeline.all_factors()),
    metavar="FACTOR",
    help=f"Vary only this; may be given several times: {', '.join(pipeline.all_factors())}.  "
    "[default: all but backend]",
)
@artifact_options
@WITHOUT_OPTION
@click.option("--deep/--shallow", default=True, show_default=True, help="Have diffoscope explain what diverges.")
@click.option("--publish", is_flag=True, help="When the rebuilds agree, write the result to reports/RECIPE.json.")
@QUORUM_OPTION
@STATEMENTS_OPTION
@SIGN_OPTION
@VALID_OPTION
@PASSPHRASE_OPTION
@OUTPUT_OPTION
@BACKEND_OPTION
@BASELINE_OPTION
@update_options
@TODAY_OPTION
@REPORT_OPTION
@pass_context
def command(context: Context, /, recipes: tuple[str, ...], changed_since: str | None, **options: Any) -> int:
    """Rebuild each RECIPE from its pins and say, with evidence, whether the bits are the same.

    By default it is built twice, the second time with every factor of the environment changed that can be, and
    both are compared with each other and with the published digest. Results are in out/RECIPE.

    \b
    Example:
      repro verify minimal
      repro verify minimal --output usb
      repro verify --changed-since origin/main
      repro verify minimal --against sha256:…
      repro verify minimal --against https://mirror.example.org/minimal.iso
      repro verify minimal --against minimal.iso --quorum policy.toml
      repro verify minimal --sign agent:rebuilder.pub
      repro verify minimal --baseline known.toml --report junit=repro.xml
      repro verify minimal --update-baseline --owner "the image team"
    """

    def one(recipe: str, **given: Any) -> int:
        return _verify(context, recipe, _Asked(**given))

    return verify_each(one, recipes, changed_since, options)


def _verify(context: Context, recipe: str, asked: _Asked) -> int:
    if asked.publish and asked.without:
        raise click.UsageError("what is built without a normalizer is not to be published")
    if asked.publish and asked.kinds:
        raise click.UsageError("what is published is what the recipe says; --output is for other artifacts")
    project = find_project()
    loaded = pipeline.load(project, recipe)
    # what is wrong with baseline, policy or key is said before anything is built
    keeper = _keeper(project, recipe, asked)
    lock = pipeline.read_lock(loaded)
    trusted = load_policy(asked.policy) if asked.policy else None
    signer = open_key(asked.key, asked.passphrase_file) if asked.key else None
    began = time.monotonic()
    with output_folder(asked.output, recipe) as folder, PeakMemory() as memory:
        if trusted and asked.against and not (asked.rebuilds or signer):
            image = fetch_other(asked.against, folder, context)
            return demand(ask_others(context, trusted, loaded, lock, image, asked.statements))
        other = fetch_other(asked.against, folder, context) if asked.against else None
        result = _rebuilt(context, project, loaded, lock, folder, other, asked)
        keeper, said = keeper.updated(result.comparisons)
        result = replace(result, comparisons=keeper.judged(result.comparisons))
        text = "\n".join(filter(None, (said, _summary(result))))
        clear_results(folder)
        _write(result, recipe, folder, text)
        write_all_reports(result.comparisons, asked.reports)
        if asked.publish and result.verdict == IDENTICAL:
            claim = next(iter(result.rebuilds.values())).record.claim
            _publish(project.reports / f"{recipe}.json", pipeline.publish(claim, lock.source_date_epoch))
        if signer:
            _sign(folder, loaded, lock, signer, asked.valid_for)
    for comparison in result.comparisons:
        show(comparison)
    click.echo(text)
    click.echo(f"results in {folder}; {time.monotonic() - began:.0f} s, peak memory {human_size(memory.bytes)}")
    code = exit_code(result.comparisons, result.verdict, agrees=result.agrees)
    if trusted and code != EXIT_INTERRUPTED:
        artifact = other or next(iter(result.rebuilds.values())).files[0]
        own = folder / attesting.STATEMENT.format(recipe) if signer else None
        found = ask_others(context, trusted, loaded, lock, artifact, asked.statements, own)
        return code or demand(found)
    return code


def _keeper(project: Project, recipe: str, asked: _Asked) -> Gatekeeper:
    if not asked.update_baseline:
        refuse_alone(owner=asked.owner, reason=asked.reason, expires=asked.expires)
        return gatekeeper(asked.baseline_path, asked.today)
    known = asked.baseline_path or project.recipes / recipe / "baseline.toml"
    return updating(known, asked.today, owner=asked.owner, reason=asked.reason, expires=asked.expires)


def _rebuilt(
    context: Context,
    project: Project,
    loaded: pipeline.Loaded,
    lock: Lock,
    folder: Path,
    other: Path | str | None,
    asked: _Asked,
) -> pipeline.Verification:
    backend, place = choose(asked.backend), workplace(context)
    artifacts = chosen_artifacts(asked.kinds, asked.kit_from, place)
    pipeline.fetch(loaded, lock, place)
    if other is not None:
        return pipeline.verify_against(
            loaded, lock, place, folder, backend=backend, other=other, deep=asked.deep, artifacts=artifacts
        )
    return pipeline.verify(
        loaded,
        lock,
        place,
        folder,
        backend=backend,
        rebuilds=asked.rebuilds or 2,
        factors=asked.factors or pipeline.usual_factors(),
        published=None if asked.publish or asked.without else pipeline.read_published(project, loaded.recipe.name),
        deep=asked.deep,
        without=asked.without,
        artifacts=artifacts,
    )


def _sign(folder: Path, loaded: pipeline.Loaded, lock: Lock, signer: Signer, days: int | None) -> None:
    documents = attesting.attest(read_results(folder), loaded, lock, signer, valid_for=lifetime(days))
    write_documents(folder, documents)


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
