"""`repro attest kit`: sign an upgrade kit, so that a system takes it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import click

from repro.attest.keys import raw_ed25519
from repro.cli.reports import write_file
from repro.cli.signing import KEY_OPTION, PASSPHRASE_OPTION, open_key
from repro.model import kit as kits
from repro.model.errors import InvalidInput

_LARGEST = 1 << 20  # bytes of a control file


@click.command("kit")
@click.argument("kit", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@KEY_OPTION
@PASSPHRASE_OPTION
def kit(kit: Path, key: str, passphrase_file: Path | None) -> int:
    """Sign the control file of an upgrade KIT with an ed25519 key: KIT.sig lies beside it.

    The kit itself stays as it is, so that rebuilders have the same one. A system takes it whose upgrade keys
    (/etc/amnesic/upgrade-keys in the recipe amnesic) hold the public one.

    \b
    Example:
      repro attest kit out/amnesic/amnesic.kit --key release.key
    """
    control = read_control(kit)
    found = kits.decode(control, str(kit))
    signer = open_key(key, passphrase_file)
    raw_ed25519(signer.key)  # of another kind it is not what systems check
    target = kit.with_name(kit.name + kits.SIGNATURE)
    write_file(target, signer.sign(control))
    click.echo(f"{target}  {found.name} {found.old.build[:16]} → {found.new.build[:16]}, key id {signer.key.keyid}")
    return 0


def read_control(path: Path) -> bytes:
    """The control file of the kit at `path`. Raises InvalidInput."""
    try:
        with tarfile.open(path) as archive:
            first = next((member for member in archive if member.name == f"./{kits.CONTROL}"), None)
            file = archive.extractfile(first) if first and first.isreg() and first.size < _LARGEST else None
            if file is None:
                raise InvalidInput(f"{path} is no upgrade kit: there is no {kits.CONTROL} in it")
            return file.read()
    except (OSError, tarfile.TarError) as error:
        raise InvalidInput(f"{path} is no upgrade kit: {error}") from error
