"""`repro lint`: which normalizers a root tree still needs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro.cli.options import source_date_epoch
from repro.diagnose.lint import lint
from repro.model.lint import encode
from repro.report.lint import render
from repro.system.scratch import scratch


@click.command("lint")
@click.argument("tree", metavar="ROOTFS|IMAGE", type=click.Path(path_type=Path))
@click.option(
    "--epoch",
    type=click.IntRange(0, 1 << 33),
    metavar="SECONDS",
    help="The time of the build.  [default: SOURCE_DATE_EPOCH, else the newest time in the tree]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (repro/lint/v1) instead of text.")
def command(tree: Path, *, epoch: int | None, as_json: bool) -> int:
    """Say what in the root tree of ROOTFS|IMAGE would differ from build to build: which normalizers would fire.

    ROOTFS is a folder, IMAGE a squashfs, a tar, an ext file system, or an ISO or disk image that holds one. Nothing is
    unpacked and nothing is changed. Also listed are the normalizers that the tree does without, because the package
    that needed them is newer than its fix.

    Exits 0 where none would fire, 1 where one would, 7 where there is no root tree or it cannot be read.

    \b
    Examples:
      repro lint out/minimal/minimal.iso
      repro lint --json filesystem.squashfs
      SOURCE_DATE_EPOCH=1700000000 repro lint /srv/chroot
    """
    with scratch("repro-lint-") as folder:
        found = lint(tree, source_date_epoch() if epoch is None else epoch, folder)
    if as_json:
        sys.stdout.buffer.write(encode(found))
    else:
        sys.stdout.buffer.write(render(found).encode("utf-8", "replace"))
    return 0 if found.clean else 1
