"""`repro pin`: archive suites pinned by time, hash and signers."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from repro.cli.context import Context, pass_context
from repro.cli.pin_options import JSON_OPTION, SNAPSHOTS_OPTION, given_time
from repro.cli.pin_refresh import refresh
from repro.cli.project import find_project
from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.pin import Pin, PinSet
from repro.model.text import human_size, printable, readable_json
from repro.snapshot.pinning import Accepted, Candidate, Suite, pin_at, pin_from_mirror
from repro.snapshot.pins import (
    PinProof,
    load_keys,
    load_pin_set,
    pin_set_names,
    pin_set_path,
    save_pin_set,
    verify_pin,
    verify_pin_set,
)
from repro.snapshot.settings import load_settings
from repro.snapshot.sources import snapshot_archive, sources
from repro.snapshot.trust import Signer, read_certificates
from repro.system.http import Http

HOST_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@click.group("pin")
def command() -> None:
    """Pin archive suites by snapshot time, InRelease hash and accepted signers."""


command.add_command(refresh)


@command.command()
@click.argument("name")
@click.option("--archive", required=True, help="The snapshot archive's name for it: debian, debian-security, …")
@click.option("--suite", required=True, help="Such as bookworm.")
@click.option("--component", "components", multiple=True, default=("main",), show_default=True, help="Repeatable.")
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    default=("amd64",),
    show_default=True,
    help="Repeatable; `all` where the archive keeps an index of its own for it.",
)
@click.option(
    "--at",
    "timestamp",
    metavar="TIME",
    help="State of the archive at TIME, from the snapshot archive: 2026-09-06T12:00Z or any ISO 8601 form, or "
    "YYYYMMDDTHHMMSSZ; UTC where no zone is given. The pin gets the time of the last import before it.",
)
@click.option("--from-mirror", is_flag=True, help="What the mirrors serve now (the default).")
@click.option(
    "--keyring",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"OpenPGP certificates; {HOST_KEYRING} by default. Those that vouch are copied beside the pin.",
)
@click.option("--signer", "signers", multiple=True, metavar="FPR", help="Accept only this fingerprint; repeatable.")
@SNAPSHOTS_OPTION
@pass_context
def add(
    context: Context,
    *,
    name: str,
    archive: str,
    suite: str,
    components: tuple[str, ...],
    architectures: tuple[str, ...],
    timestamp: str | None,
    from_mirror: bool,
    keyring: Path | None,
    signers: tuple[str, ...],
    snapshots: Path | None,
) -> int:
    """Add a pin to the set NAME, which is made where it does not exist.

    The signers who vouched are shown: compare their fingerprints with a source that you trust before you commit.
    An archive that is not Debian's has a mirror in sources.toml or REPRO_MIRROR_NAME, and keys of its own:

    \b
      repro pin add trixie --archive debian --suite trixie --at 2026-09-06T12:00Z
      REPRO_MIRROR_TOR=https://mirror.example.org/tor \\
      repro pin add trixie --archive tor --suite trixie --keyring tor.asc
    """
    if timestamp and from_mirror:
        raise click.UsageError("--at and --from-mirror exclude each other")
    folder = snapshots or find_project().snapshots
    old, keys = _existing(folder, name)
    if old and any(pin.name == f"{archive}/{suite}" for pin in old.pins):
        raise InvalidInput(
            f"{name} has a pin of {archive}/{suite} already", hint=f"`repro pin refresh {name}` moves it"
        )
    accepted = Accepted(_keyring(keyring), tuple(_fingerprint(signer) for signer in signers))
    wanted = Suite(archive, suite, components, architectures)
    http = Http(offline=context.offline)
    if timestamp:
        found = pin_at(wanted, given_time(timestamp), accepted, http, snapshot_archive(load_settings(), http))
    else:
        found = pin_from_mirror(wanted, accepted, http, sources(load_settings(), http))
    pins = PinSet(name, (*(old.pins if old else ()), found.pin))
    certificates = {cert.fingerprint: cert for cert in (*keys, *found.certificates)}
    save_pin_set(folder, pins, {found.pin.name: found.evidence}, tuple(certificates.values()))
    _show_new(found)
    return 0


@command.command()
@click.argument("name", required=False)
@JSON_OPTION
@SNAPSHOTS_OPTION
def verify(name: str | None, as_json: bool, snapshots: Path | None) -> int:
    """Prove the pins from the evidence beside them, offline, and say what was proven.

    For each: the file has the SHA-256 that the pin names; an accepted signer signed it with a key that was valid at the
    Release's Date; the pin's time is neither before that Date nor after Valid-Until; the suite is the pin's; and it
    names every pinned index by SHA-256. What the archive's files are good for, and that nothing newer was there, is
    not proven. `repro lock RECIPE --prove` goes on from the indexes to each .deb.
    """
    folder = snapshots or find_project().snapshots
    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    failures: list[str] = []
    for pins in _sets(folder, name):
        for pin in pins.pins:
            try:
                proof = verify_pin(folder, pins.name, pin)
                rows.append({"set": pins.name, "ok": True, **_proof_row(proof)})
                lines.append(_proven(pins.name, proof, datetime.now(UTC)))
            except IntegrityFailure as error:
                rows.append({"set": pins.name, "ok": False, "pin": pin.name, "problem": error.message})
                lines.append(f"WRONG  {pins.name}  {pin.name}")
                failures.append(error.message)
    if as_json:
        sys.stdout.buffer.write(readable_json({"schema": "repro/pin-verify/v1", "pins": rows}))
    else:
        for line in lines:
            click.echo(line)
    if failures:
        sys.stdout.flush()
        raise IntegrityFailure("\n".join(failures))
    return 0


@command.command("list")
@JSON_OPTION
@SNAPSHOTS_OPTION
def list_pins(as_json: bool, snapshots: Path | None) -> int:
    """List the pins of all sets; their evidence is not checked."""
    sets = _sets(snapshots or find_project().snapshots, None)
    rows = [{"set": pins.name, **_row(pin)} for pins in sets for pin in pins.pins]
    if as_json:
        sys.stdout.buffer.write(readable_json({"schema": "repro/pin-list/v1", "pins": rows}))
    else:
        for pins in sets:
            for pin in pins.pins:
                what = f"{' '.join(pin.components)} {' '.join(pin.architectures)}"
                click.echo(f"{pins.name}  {pin.name}  {pin.timestamp}  {what}")
    return 0


def _sets(folder: Path, name: str | None) -> list[PinSet]:
    return [load_pin_set(folder, each) for each in ([name] if name else pin_set_names(folder))]


def _existing(folder: Path, name: str) -> tuple[PinSet | None, Sequence[Any]]:
    """The set that a pin is added to, proven before it is built on, and its keys."""
    if not pin_set_path(folder, name).exists():
        return None, ()
    pins = load_pin_set(folder, name)
    verify_pin_set(folder, pins)
    return pins, load_keys(folder, name)


def _keyring(given: Path | None) -> tuple[Any, ...]:
    path = given or HOST_KEYRING
    try:
        return read_certificates(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}", hint="give the archive's keys with --keyring FILE") from error


def _fingerprint(text: str) -> str:
    fingerprint = re.sub(r"^0x|\s", "", text).upper()
    if not re.fullmatch(r"[0-9A-F]{40}", fingerprint):
        raise InvalidInput(f"--signer {text!r}: not a fingerprint of 40 hex digits")
    return fingerprint


def _row(pin: Pin) -> dict[str, Any]:
    """A pin as its file writes it."""
    fields = vars(pin).copy()
    del fields["detached"]
    return {pin.hash_key if key == "sha256" else key: value for key, value in fields.items()}


def _proof_row(proof: PinProof) -> dict[str, Any]:
    until = proof.release.valid_until
    return {
        "pin": proof.pin.name,
        "timestamp": proof.pin.timestamp,
        proof.pin.hash_key: proof.pin.sha256,
        "date": proof.release.date.isoformat(),
        "valid_until": until.isoformat() if until else None,
        "signers": [_signer_row(signer) for signer in proof.signers],
        "refused": list(proof.refused),
        "indexes": [vars(entry) for entry in proof.indexes],
    }


def _signer_row(signer: Signer) -> dict[str, Any]:
    return {
        "fingerprint": signer.fingerprint,
        "signing_key": signer.signing_key,
        "user_id": signer.user_id,
        "made": signer.made.isoformat(),
        "expires": signer.expires.isoformat() if signer.expires else None,
    }


def _proven(name: str, proof: PinProof, now: datetime) -> str:
    """What was proven of a pin of the set `name`, for people, in lines of at most 80 columns but for names."""
    pin, release = proof.pin, proof.release
    lines = [f"ok     {name}  {pin.name}  {pin.timestamp}", f"  {pin.document} {pin.sha256}"]
    for signer in proof.signers:
        lines.append(f"  signed {signer.made:%Y-%m-%d %H:%M:%S} by {signer.fingerprint}")
        lines.append(f"    {printable(signer.user_id)}")
        if signer.expires:
            gone = signer.expires <= now
            then = "good at the Release's Date; " + ("expired since, on" if gone else "expires on")
            lines.append(f"    {then} {signer.expires:%Y-%m-%d}")
    lines += [f"  not counted: {printable(why)}" for why in proof.refused]
    until = f"until {release.valid_until:%Y-%m-%d %H:%M:%S}" if release.valid_until else "without end"
    lines.append(f"  Release of {release.date:%Y-%m-%d %H:%M:%S}, valid {until}: the pin lies within")
    size = human_size(sum(entry.size for entry in proof.indexes))
    lines.append(f"  names {len(proof.indexes)} pinned index{'es' * (len(proof.indexes) != 1)} by SHA-256 ({size})")
    return "\n".join(lines)


def _show_new(found: Candidate) -> None:
    click.echo(f"pinned {found.pin.name} at {found.pin.timestamp}, {found.pin.document} {found.pin.sha256}")
    for signer in found.proof.signers:
        click.echo(f"  vouched for by {signer.fingerprint}  {printable(signer.user_id)}")
    for why in found.proof.refused:
        click.echo(f"  not counted: {printable(why)}")
