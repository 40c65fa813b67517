"""`repro store export` and `import`: a lock's whole closure as one file, for a machine without a network."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.options import workplace
from repro.cli.project import find_project
from repro.model.errors import InvalidInput, Unavailable
from repro.model.text import human_size, printable
from repro.store.bundle import bring_in

_DASH = Path("-")


@click.command("export")
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    required=True,
    help="The file to write, a tar; - is standard output.",
)
@pass_context
def export_command(context: Context, recipes: tuple[str, ...], output: Path) -> int:
    """Write everything that the locks of RECIPE... need to one file, for a machine without a network.

    The same locks give the same bytes, on any machine and from any store: compare the SHA-256 that both sides print.

    \b
    Example:
      repro fetch minimal && repro store export minimal -o minimal.tar
      repro store import minimal.tar && repro --offline build minimal  # there
    """
    place = workplace(context)
    project = find_project()
    loaded = [pipeline.load(project, name) for name in sorted(set(recipes))]
    wanted = [(each, pipeline.read_lock(each)) for each in loaded]
    with _output(output) as target:
        moved = pipeline.export_locks(wanted, place, target)
    click.echo(f"{moved.sha256}  {output}", err=output == _DASH)
    context.observer.note(f"{moved.new} files, {human_size(moved.new_bytes)}")
    return 0


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@pass_context
def import_command(context: Context, file: Path) -> int:
    """Add what `repro store export` wrote to FILE (- is standard input) to the store.

    Nothing in it is believed: each file is kept only with the SHA-256 that its name is, and the build holds them
    against the lock. A second run reads over what is there.
    """
    place = workplace(context)
    with _input(file) as source:
        moved = bring_in(place.store, source, context.observer)
    click.echo(f"{moved.sha256}  {file}")
    total = len(moved.manifest["blobs"])
    context.observer.note(f"{moved.new} new files of {total}, {human_size(moved.new_bytes)}")
    for row in moved.manifest["recipes"]:
        context.observer.note(f"for the recipe {printable(row['recipe'])}, whose lock is {row['lock_sha256']}")
    return 0


@contextlib.contextmanager
def _output(path: Path) -> Iterator[IO[bytes]]:
    """A stream to `path`, which is there only once all is written.

    Raises InvalidInput where it cannot be written, Unavailable where there is no room.
    """
    if path == _DASH:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except OSError as error:
        if error.filename not in (None, str(partial)):
            raise
        kind = Unavailable if error.filename is None else InvalidInput
        raise kind(f"cannot write {path}: {error.strerror}", hint="name another file with -o") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _input(path: Path) -> Iterator[IO[bytes]]:
    if path == _DASH:
        yield sys.stdin.buffer
        return
    try:
        stream = open(path, "rb")  # noqa: SIM115  (closed below; only opening is to be caught)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    with stream:
        yield stream
