"""`repro pin refresh`: move a set of pins, and see what that changes in the recipes on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.options import BACKEND_OPTION, workplace
from repro.cli.pin_options import JSON_OPTION, SNAPSHOTS_OPTION, given_time
from repro.cli.project import find_project
from repro.cli.reports import write_file
from repro.lock.changes import PARTS, Change
from repro.model import lock as locks
from repro.model.text import readable_json
from repro.snapshot.pinning import MOVED, SAME, Moved, move_to, move_to_mirror
from repro.snapshot.pins import PinProof, load_keys, load_pin_set, save_pin_set, verify_pin_set
from repro.snapshot.settings import load_settings
from repro.snapshot.sources import snapshot_archive, sources
from repro.system.http import Http


@click.command("refresh")
@click.argument("name")
@click.option("--at", "timestamp", metavar="TIME", help="The snapshot archive's state at TIME, also an earlier one.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option("--lock", "write_locks", is_flag=True, help="Write the locks of the recipes on this set as well.")
@click.option(
    "--markdown",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write what changed as Markdown, for a merge request; - is standard output.",
)
@JSON_OPTION
@SNAPSHOTS_OPTION
@BACKEND_OPTION
@pass_context
def refresh(
    context: Context,
    *,
    name: str,
    timestamp: str | None,
    dry_run: bool,
    write_locks: bool,
    markdown: Path | None,
    as_json: bool,
    snapshots: Path | None,
    backend: str,
) -> int:
    """Move each pin of the set NAME to what the mirrors serve now, and show what that changes.

    A pin moves if what is there is newer and signed by the same signers. The recipes of the project that are on NAME
    and have a lock are resolved anew, and the packages shown that come, go, rise or fall in version. Nothing is written
    before all of that is known; a recipe without a solution leaves the pins where they are (exit 2).

    \b
    Example:
      repro pin refresh bookworm --dry-run
      repro pin refresh bookworm --lock --markdown changes.md
      repro pin refresh bookworm --at 2026-09-06T12:00Z
    """
    if as_json and markdown == Path("-"):
        raise click.UsageError("--json and --markdown - both write to standard output")
    project = None if snapshots else find_project()
    folder = snapshots or find_project().snapshots
    pins = load_pin_set(folder, name)
    keys = load_keys(folder, name)
    proofs = verify_pin_set(folder, pins)
    http = Http(offline=context.offline)
    at = given_time(timestamp) if timestamp else None

    def move(old: PinProof) -> Moved:
        if at:
            return move_to(at, old, keys, http, archive)
        return move_to_mirror(old, keys, http, asked)

    settings = load_settings()
    archive, asked = snapshot_archive(settings, http), sources(settings, http)
    found = pipeline.refresh(pins, proofs, move, project, workplace(context), backend)
    if found.moved and not dry_run:
        save_pin_set(folder, found.pins, {each.old.name: each.candidate.evidence for each in found.moved}, keys)
        if write_locks:
            for each in found.consequences:
                write_file(each.loaded.lock_path, locks.encode(each.lock).encode())
    if markdown:
        text = "\n".join(_markdown(name, found)) + "\n"
        if markdown == Path("-"):
            click.echo(text, nl=False)
        else:
            write_file(markdown, text.encode())
    if as_json:
        sys.stdout.buffer.write(readable_json(_document(name, found, written=not dry_run)))
    elif markdown != Path("-"):
        click.echo("\n".join(_lines(found)))
    _remark(context, found, dry_run, write_locks)
    return 0


def _remark(context: Context, found: pipeline.Refresh, dry_run: bool, write_locks: bool) -> None:
    if dry_run:
        context.observer.note("nothing was written: --dry-run")
    elif found.moved and not write_locks:
        recipes = ", ".join(each.loaded.recipe.name for each in found.consequences) or "RECIPE"
        context.observer.note(f"locks on these pins are stale now: run `repro lock` for {recipes}")


def _lines(found: pipeline.Refresh) -> Iterator[str]:
    """For people, in at most 80 columns but for long names and versions."""
    yield from map(_said, found.moves)
    for each in found.consequences:
        name = each.loaded.recipe.name
        if not each.changes:
            yield f"\n{name}: the same packages"
            continue
        yield f"\n{name}: {_counts(each.changes)}"
        rows = [(change.part, change.name, change.kind, _versions(change)) for change in each.changes]
        yield tabulate(rows, ("part", "package", "change", "version"), tablefmt="simple", disable_numparse=True)


def _markdown(name: str, found: pipeline.Refresh) -> Iterator[str]:
    yield f"## Pins of {name}"
    yield ""
    yield "| pin | from | to |"
    yield "|---|---|---|"
    for move in found.moves:
        there = move.candidate.pin.timestamp if move.outcome == MOVED else "stays"
        yield f"| {move.old.name} | {move.old.timestamp} | {there} |"
    for each in found.consequences:
        yield ""
        yield f"### {each.loaded.recipe.name}: {_counts(each.changes) if each.changes else 'the same packages'}"
        for part in PARTS:
            if of_part := [change for change in each.changes if change.part == part]:
                yield ""
                yield f"| {part} | change | from | to |"
                yield "|---|---|---|---|"
                yield from (f"| `{c.name}` | {c.kind} | {_code(c.old)} | {_code(c.new)} |" for c in of_part)


def _code(version: str) -> str:
    return f"`{version}`" if version else ""


def _counts(changes: tuple[Change, ...]) -> str:
    kinds = [change.kind for change in changes]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def _versions(change: Change) -> str:
    return " → ".join(version for version in (change.old, change.new) if version)


def _said(move: Moved) -> str:
    there = f"{move.candidate.pin.timestamp} ({move.candidate.pin.sha256[:12]})"
    if move.outcome == MOVED:
        return f"{move.old.name}: {move.old.timestamp} ({move.old.sha256[:12]}) -> {there}"
    if move.outcome == SAME:
        return f"{move.old.name}: unchanged at {move.old.timestamp}"
    return f"{move.old.name}: left at {move.old.timestamp}; the mirror is older, it serves {there}"


def _document(name: str, found: pipeline.Refresh, *, written: bool) -> dict[str, Any]:
    return {
        "schema": "repro/pin-refresh/v1",
        "set": name,
        "written": written and bool(found.moved),
        "pins": [
            {
                "pin": move.old.name,
                "outcome": move.outcome,
                "from": move.old.timestamp,
                "to": move.candidate.pin.timestamp if move.outcome == MOVED else move.old.timestamp,
            }
            for move in found.moves
        ],
        "recipes": [
            {"recipe": each.loaded.recipe.name, "changes": [vars(change) for change in each.changes]}
            for each in found.consequences
        ],
    }
