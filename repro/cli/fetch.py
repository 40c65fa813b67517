"""`repro fetch RECIPE`: bring everything that the recipe's lock names into the store."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.options import workplace
from repro.cli.project import find_project
from repro.model.text import human_size, readable_json
from repro.snapshot.estimate import Share, estimate, note_rates, read_rates, seconds
from repro.snapshot.fetch import LockPlan, plan_lock


@click.command("fetch")
@click.argument("recipe")
@click.option(
    "--plan", "only_plan", is_flag=True, help="Say what would come from where, and how long it takes; fetch nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")
@pass_context
def command(context: Context, recipe: str, only_plan: bool, as_json: bool) -> int:
    """Fetch every package and index that RECIPE's lock names, by hash.

    The store is asked first, then mirrors, then the snapshot archive; docs/fetching.md says how, and how to choose.
    Afterwards the recipe builds with --offline. A run that was interrupted goes on where it stopped.

    \b
    Example:
      repro fetch minimal --plan
      repro fetch minimal
    """
    loaded = pipeline.load(find_project(), recipe)
    lock = pipeline.read_lock(loaded)
    place = workplace(context)
    fetcher = place.fetcher
    plan = plan_lock(lock, loaded.pins, loaded.proofs, fetcher)
    if only_plan:
        _show_plan(plan, estimate(fetcher, plan.plan.obtainable, read_rates(place.store.root)), as_json)
        if plan.plan.unavailable:
            sys.stdout.flush()
            raise fetcher.unavailable(plan.plan.unavailable)
        return 0
    fetched = pipeline.fetch(loaded, lock, place)
    note_rates(place.store.root, fetched.rates)
    if as_json:
        document = {
            "schema": "repro/fetch/v1",
            "recipe": recipe,
            "packages": plan.packages,
            "indexes": plan.indexes,
            "fetched": fetched.fetched,
            "bytes_fetched": fetched.bytes_fetched,
        }
        sys.stdout.buffer.write(readable_json(document))
    else:
        amount = f"{fetched.fetched} fetched ({human_size(fetched.bytes_fetched)})"
        click.echo(f"{recipe}: {plan.packages} packages in the store, {amount}")
    return 0


def _show_plan(plan: LockPlan, shares: Sequence[Share], as_json: bool) -> None:
    parts = {
        "present": plan.plan.present,
        "obtainable": plan.plan.obtainable,
        "unavailable": plan.plan.unavailable,
    }
    if as_json:
        document: dict[str, object] = {"schema": "repro/fetch-plan/v1"}
        for title, wanted in parts.items():
            document[title] = {"files": len(wanted), "bytes": sum(item.size for item in wanted)}
        document["sources"] = [vars(share) for share in shares]
        document["seconds"] = seconds(shares)
        document["missing"] = sorted(item.label for item in (*plan.plan.obtainable, *plan.plan.unavailable))
        sys.stdout.buffer.write(readable_json(document))
        return
    for title, wanted in parts.items():
        click.echo(f"{title:12} {len(wanted):5} files  {human_size(sum(item.size for item in wanted)):>9}")
    for share in shares:
        rate = f"{human_size(int(share.rate))}/s" + ("" if share.measured else " assumed")
        asked = "has them" if share.asked else "not asked yet"
        click.echo(f"  {share.source}")
        click.echo(f"  {share.files:16} files  {human_size(share.bytes):>9}  {asked}, {rate}, {_time(share.seconds)}")
    if shares:
        click.echo(f"takes about {_time(seconds(shares))}")


def _time(length: float) -> str:
    minutes, rest = divmod(round(length), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{max(1, rest)} s"
