"""`repro fetch RECIPE`: bring everything that the recipe's lock names into the store."""

from __future__ import annotations

import sys

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.options import workplace
from repro.cli.project import find_project
from repro.model.text import human_size, readable_json
from repro.snapshot.fetch import LockPlan, plan_lock


@click.command("fetch")
@click.argument("recipe")
@click.option("--plan", "only_plan", is_flag=True, help="Say what is present and what is to be fetched; fetch nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")
@pass_context
def command(context: Context, recipe: str, only_plan: bool, as_json: bool) -> int:
    """Fetch every package and index that RECIPE's lock names, by hash.

    The store is asked first, then mirrors, then the snapshot archive. After it the recipe builds with --offline.
    """
    loaded = pipeline.load(find_project(), recipe)
    lock = pipeline.read_lock(loaded)
    place = workplace(context)
    fetcher = place.fetcher
    plan = plan_lock(lock, loaded.pins, loaded.proofs, fetcher)
    if only_plan:
        _show_plan(plan, as_json)
        if plan.plan.unavailable:
            sys.stdout.flush()
            raise fetcher.unavailable(plan.plan.unavailable)
        return 0
    fetched = pipeline.fetch(loaded, lock, place)
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


def _show_plan(plan: LockPlan, as_json: bool) -> None:
    parts = {
        "present": plan.plan.present,
        "obtainable": plan.plan.obtainable,
        "unavailable": plan.plan.unavailable,
    }
    if as_json:
        document: dict[str, object] = {"schema": "repro/fetch-plan/v1"}
        for title, wanted in parts.items():
            document[title] = {"files": len(wanted), "bytes": sum(item.size for item in wanted)}
        document["missing"] = sorted(item.label for item in (*plan.plan.obtainable, *plan.plan.unavailable))
        sys.stdout.buffer.write(readable_json(document))
        return
    for title, wanted in parts.items():
        click.echo(f"{title:12} {len(wanted):5} files  {human_size(sum(item.size for item in wanted))}")
