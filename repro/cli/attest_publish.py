"""`repro attest publish`: a folder of statements that any web server can carry."""

from __future__ import annotations

from pathlib import Path

import click

from repro.cli.context import Context, pass_context
from repro.pipeline.publishing import publish_statements
from repro.report.site_words import counted
from repro.system.http import Http


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("statements", metavar="[STATEMENT]...", nargs=-1)
@click.option("--title", metavar="TEXT", help="Heading of the pages; kept until another is given.")
@click.option(
    "--base-url",
    metavar="URL",
    help="Where DIR will be served, for the feed and for commands to copy; kept until another is given, '' forgets it.",
)
@pass_context
def publish(
    context: Context, *, folder: Path, statements: tuple[str, ...], title: str | None, base_url: str | None
) -> int:
    """Add statements and links to DIR, and write its index, pages and feed anew from all that it holds.

    A STATEMENT is a file, a folder of *.intoto.json and *.link, or the http(s) address of a statement or of another
    published folder. DIR is made if missing; everything in it links by relative paths. What others put there is left
    alone. To take a statement back, remove it from DIR/statements and publish again, without a STATEMENT.

    Signatures are not verified here, and the pages say so. A malformed statement is refused (exit 2), and then nothing
    is written.

    \b
    Examples:
      repro attest publish public out/minimal/*.intoto.json --title "My rebuilds"
      repro attest publish public https://rebuilder.example.org/statements/
    """
    http = Http(offline=context.offline)
    done = publish_statements(folder, statements, http, context.observer, title=title, base_url=base_url)
    if done.gone:
        context.observer.note(f"not in {folder} any more: {counted(done.gone, 'statement')} that its index listed")
    number = counted(len(done.publication.entries), "statement")
    print(f"{folder}: {number} on {counted(done.artifacts, 'artifact digest')}, {done.added:,} added")
    return 0
