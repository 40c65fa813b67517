"""`repro store`: what is kept, and whether it is whole."""

from __future__ import annotations

import sys

import click

from repro.cli.context import Context, pass_context
from repro.model.errors import IntegrityFailure
from repro.model.text import human_size, readable_json
from repro.store import Store
from repro.store.verify import verify_store


@click.group("store")
def command() -> None:
    """Look at the store of fetched and built things."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write the list as JSON on standard output.")
@pass_context
def list_blobs(context: Context, as_json: bool) -> int:
    """List every blob by its SHA-256 and size in bytes."""
    blobs = list(Store(context.store_path).blobs())
    if as_json:
        rows = [{"sha256": blob.sha256, "size": blob.size} for blob in blobs]
        sys.stdout.buffer.write(readable_json({"schema": "repro/store-list/v1", "blobs": rows}))
    else:
        for blob in blobs:
            click.echo(f"{blob.sha256}  {blob.size}")
    total = human_size(sum(blob.size for blob in blobs))
    context.observer.note(f"{context.store_path}: {len(blobs)} blobs, {total}")
    return 0


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")
@pass_context
def verify(context: Context, as_json: bool) -> int:
    """Hash every blob again; move those with wrong bytes to quarantine/ (exit 5 if there were any)."""
    result = verify_store(Store(context.store_path), context.observer)
    if as_json:
        damaged = [{"sha256": sha256, "detail": detail} for sha256, detail in result.damaged]
        document = {"schema": "repro/store-verify/v1", "blobs": result.blobs, "bytes": result.bytes}
        sys.stdout.buffer.write(readable_json({**document, "damaged": damaged}))
    else:
        click.echo(f"{result.blobs} blobs, {human_size(result.bytes)}: {len(result.damaged)} damaged")
    if result.damaged:
        sys.stdout.flush()
        raise IntegrityFailure(
            "\n".join(detail for _, detail in result.damaged), hint="`repro fetch RECIPE` gets them anew"
        )
    return 0
