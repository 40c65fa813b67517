"""`repro boot IMAGE`: start an image in a virtual machine, and ask it questions."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from repro.boot.machine import Setup
from repro.cli.context import Context, pass_context
from repro.cli.exits import EXIT_DIFFERENT
from repro.model import booted as records
from repro.model import checks as asked
from repro.model.errors import InvalidInput
from repro.pipeline import booting
from repro.report import booted as rendering

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(dir_okay=False, path_type=Path)


@click.command("boot")
@click.argument("image", type=_FILE)
@click.option("--check", "checks", type=_FILE, metavar="FILE", help="Log in and ask the questions in FILE.")
@click.option(
    "--firmware",
    type=click.Choice(["bios", "uefi", "secure"]),
    default="bios",
    show_default=True,
    help="What starts the machine; secure is UEFI that takes what Microsoft's keys sign alone.",
)
@click.option(
    "--attach",
    type=click.Choice(["auto", "cd", "usb", "ide", "virtio"]),
    default="auto",
    show_default=True,
    help="As what the image is there; auto: an ISO as a CD, a disk image as a USB stick.",
)
@click.option(
    "--accelerator",
    type=click.Choice(["auto", "tcg", "kvm"]),
    default="auto",
    show_default=True,
    help="auto takes KVM where it runs the image's kernel, else emulation.",
)
@click.option("--memory", type=click.IntRange(64), metavar="MIB", help="Memory of the machine.  [default: 1024]")
@click.option("--entry", type=click.IntRange(0), default=0, metavar="N", help="Entry of the boot menu, from 0.")
@click.option("--append", default="", metavar="WORDS", help="More for the kernel, typed into GRUB's editor.")
@click.option("--disk", "disks", type=_FILE, multiple=True, help="A further disk, which the guest may write to.")
@click.option("--write", is_flag=True, help="Keep what the guest writes to the image; else it is dropped.")
@click.option("--network", is_flag=True, help="A network card; nothing that the guest sends leaves this host.")
@click.option("--pcap", type=_NEW, metavar="FILE", help="Take down what the guest sends (implies --network).")
@click.option("--screenshot", type=_NEW, metavar="FILE", help="Write a PNG of the screen at the end.")
@click.option("--log", "log_path", type=_NEW, metavar="FILE", help="Where the serial console goes.")
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="How long it may take until somebody can log in.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the answers as JSON on standard output.")
@pass_context
def command(context: Context, /, image: Path, checks: Path | None, as_json: bool, **options: Any) -> int:
    """Boot IMAGE, an ISO or a disk image, in a virtual machine of QEMU's.

    On a terminal, without --check or --screenshot, the serial console is yours (Ctrl-] ends it). Else it waits until
    somebody can log in, asks, and says which answers hold; exit code 1 where one does not, 3 where it does not boot.

    \b
    Example:
      repro boot out/minimal/minimal.iso
      repro boot out/minimal/minimal.img --firmware uefi --screenshot screen.png
      repro boot amnesic.img --network --check recipes/amnesic/checks/session.toml
    """
    wanted = _read(checks) if checks else None
    setup = Setup(
        image,
        booting.suited(image, options["attach"]),
        options["firmware"],
        booting.accelerator(image, options["accelerator"], context.observer),
        memory=options["memory"] or 0,
        write=options["write"],
        disks=options["disks"],
        network=options["network"],
        pcap=options["pcap"],
    )
    wishes = booting.Wishes(options["entry"], options["append"], options["screenshot"], options["timeout"])
    log_path = options["log_path"] or Path(tempfile.mkdtemp(prefix="repro-boot-log-")) / "serial.log"
    try:
        log = open(log_path, "wb")  # noqa: SIM115  (closed below; what cannot be opened is a message of its own)
    except OSError as error:
        raise InvalidInput(f"cannot write {log_path}: {error.strerror}", hint="name another with --log") from error
    with log:
        if not (wanted or options["screenshot"] or as_json) and sys.stdin.isatty() and sys.stdout.isatty():
            booting.converse(setup, wishes, log, sys.stdin.fileno(), sys.stdout.fileno())
            return 0
        context.observer.note(f"serial console in {log_path}")
        found = booting.boot(setup, wanted, wishes, log, context.observer)
    if as_json:
        sys.stdout.buffer.write(records.encode(found))
    else:
        click.echo(rendering.render(found))
    return 0 if found.holds else EXIT_DIFFERENT


def _read(path: Path) -> asked.Checks:
    try:
        return asked.decode(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
