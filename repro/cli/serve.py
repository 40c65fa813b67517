"""`repro serve`: a snapshot archive of one's own, from the store."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from repro.cli.context import Context, pass_context
from repro.cli.options import workplace
from repro.cli.project import find_project
from repro.model.errors import InvalidInput
from repro.model.text import human_size, readable_json
from repro.pipeline import importing
from repro.snapshot.server.catalogue import Catalogue
from repro.store import Store

_ADDRESS = re.compile(r"(?:(\[[0-9a-fA-F:.%]+\]|[^:\[\]]+):)?(\d{1,5})")


@click.group("serve", invoke_without_command=True)
@click.option(
    "--bind",
    metavar="ADDRESS",
    default="127.0.0.1:8080",
    show_default=True,
    help="HOST:PORT or [IPV6]:PORT to listen on; port 0 is any free one.",
)
@click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append a line a request to this file (Combined Log Format).  [default: standard error]",
)
@click.pass_context
def command(click_context: click.Context, bind: str, access_log: Path | None) -> int:
    """Serve what was imported, as snapshot.debian.org does; or import, list, remove.

    Prints the address when it is ready; Ctrl-C or SIGTERM ends it (exit 0) after running requests. Nobody can change
    anything through it. apt, debootstrap, mmdebstrap and debuerreotype take it as a mirror; programs that have
    snapshot.debian.org built in, as their http_proxy.

    \b
    Example:
      repro serve import bookworm --package usr-is-merged --priority required
      repro serve --bind 127.0.0.1:8080
      debootstrap bookworm DIR http://127.0.0.1:8080/archive/debian/20260906
      http_proxy=http://127.0.0.1:8080 debootsnap --packages=... DIR.tar
    """
    if click_context.invoked_subcommand:
        return 0
    from repro.snapshot.server.run import listen, serve  # noqa: PLC0415  (dear, and importing does without)

    context = click_context.find_object(Context)
    assert context
    match = _ADDRESS.fullmatch(bind)
    if not match or int(match[2]) > 65535:
        raise InvalidInput(f"--bind {bind}: not HOST:PORT", hint="such as 127.0.0.1:8080 or [::1]:8080")
    store = Store(context.store_path)
    store.hold()
    host = (match[1] or "127.0.0.1").strip("[]")
    try:
        log = open(access_log, "a", buffering=1, encoding="utf-8") if access_log else sys.stderr  # noqa: SIM115
    except OSError as error:
        raise InvalidInput(f"cannot write {access_log}: {error.strerror}") from error
    listening = listen(host, int(match[2]))
    catalogue = Catalogue(store.root)
    if not catalogue.archives():
        context.observer.note(f"nothing is imported into {store.root} yet: see `repro serve import --help`")
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"http://{shown}:{listening.getsockname()[1]}")
    sys.stdout.flush()
    serve(catalogue, store, listening, lambda line: click.echo(line, file=log))
    return 0


@command.command("import")
@click.argument("pinset")
@click.option(
    "--package", "packages", multiple=True, help="Also this package and what it depends on, by apt; repeatable."
)
@click.option(
    "--priority", "priorities", multiple=True, help="The same for every package of this priority; repeatable."
)
@click.option("--source", "sources", multiple=True, help="Also this source package; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Every package of the pinned indexes: some 60 GB for bookworm.")
@click.option("--no-locks", is_flag=True, help="Not what the locks of this project's recipes on PINSET name.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")
@pass_context
def import_command(
    context: Context,
    pinset: str,
    packages: tuple[str, ...],
    priorities: tuple[str, ...],
    sources: tuple[str, ...],
    everything: bool,
    no_locks: bool,
    as_json: bool,
) -> int:
    """Import the archives of PINSET as they were at its pins, from mirrors or a snapshot archive.

    All of it is proven: the signed Release, its indexes, each package by its hash. Imported is what the locks of this
    project's recipes on PINSET name, what you ask for, and whatever else of those indexes the store has. A second
    import of the same pins adds to the first; a server that runs shows it at once.

    \b
    Example:
      repro serve import bookworm --package apt --priority required --source hello
    """
    chosen = importing.Selection(packages, priorities, sources, not no_locks, everything)
    done = importing.import_pins(find_project(), pinset, chosen, workplace(context))
    if as_json:
        sys.stdout.buffer.write(readable_json({"schema": "repro/import/v1", "imports": [vars(each) for each in done]}))
        return 0
    for each in done:
        parts = f"{each.binaries} packages, {each.sources} source files, {each.files} files, {human_size(each.bytes)}"
        click.echo(f"{each.archive} {each.timestamp}: {parts}")
    return 0


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")
@pass_context
def list_command(context: Context, as_json: bool) -> int:
    """List the imports by archive and time."""
    catalogue = Catalogue(context.store_path)
    found = [(archive, stamp) for archive in catalogue.archives() for stamp in catalogue.imports(archive)]
    if as_json:
        rows = [{"archive": archive, "timestamp": stamp} for archive, stamp in found]
        sys.stdout.buffer.write(readable_json({"schema": "repro/import-list/v1", "imports": rows}))
        return 0
    for archive, stamp in found:
        click.echo(f"{archive} {stamp}")
    return 0


@command.command("remove")
@click.argument("archive")
@click.argument("timestamp")
@pass_context
def remove_command(context: Context, archive: str, timestamp: str) -> int:
    """Forget the import of ARCHIVE at TIMESTAMP. Its packages go with the next `repro store gc`."""
    if not Catalogue(context.store_path).remove(archive, timestamp):
        raise InvalidInput(f"there is no import of {archive} at {timestamp}", hint="`repro serve list` shows them")
    return 0
