"""`repro pin`: archive suites pinned by time, hash and signers."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from repro.cli.context import Context, pass_context
from repro.cli.project import find_project
from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.pin import PinSet, parse_timestamp
from repro.model.text import printable, readable_json
from repro.snapshot.hosts import mirrors, snapshot_base
from repro.snapshot.pinning import NEWER, SAME, Accepted, Candidate, Moved, Suite, pin_at, pin_from_mirror, refresh
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
from repro.snapshot.sources import SnapshotArchive, sources
from repro.snapshot.trust import read_certificates
from repro.system.http import Http

HOST_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_as_json = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")
_folder = click.option(
    "--snapshots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the pins; by default snapshots/ of the project that the working directory lies in.",
)


@click.group("pin")
def command() -> None:
    """Pin archive suites by snapshot time, InRelease hash and accepted signers."""


@command.command()
@click.argument("name")
@click.option("--archive", required=True, help="The snapshot archive's name for it: debian, debian-security, …")
@click.option("--suite", required=True, help="Such as bookworm.")
@click.option("--component", "components", multiple=True, default=("main",), show_default=True)
@click.option("--arch", "architectures", multiple=True, default=("amd64",), show_default=True)
@click.option("--at", "timestamp", metavar="TIME", help="State of the archive at YYYYMMDDTHHMMSSZ, from the snapshots.")
@click.option("--from-mirror", is_flag=True, help="What the mirrors serve now (the default).")
@click.option(
    "--keyring",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"OpenPGP certificates; {HOST_KEYRING} by default. Those that vouch are copied beside the pin.",
)
@click.option("--signer", "signers", multiple=True, metavar="FPR", help="Accept only this fingerprint; repeatable.")
@_folder
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
        found = pin_at(wanted, _timestamp(timestamp), accepted, http, SnapshotArchive(snapshot_base(), http))
    else:
        found = pin_from_mirror(wanted, accepted, http, sources(mirrors(), snapshot_base(), http))
    pins = PinSet(name, (*(old.pins if old else ()), found.pin))
    certificates = {cert.fingerprint: cert for cert in (*keys, *found.certificates)}
    save_pin_set(folder, pins, {found.pin.name: found.inrelease}, tuple(certificates.values()))
    _show_new(found)
    return 0


@command.command("refresh")
@click.argument("name")
@_folder
@pass_context
def refresh_pins(context: Context, name: str, snapshots: Path | None) -> int:
    """Move each pin of the set NAME to what the mirrors serve now, if that is newer and signed by the same signers."""
    folder = snapshots or find_project().snapshots
    pins = load_pin_set(folder, name)
    keys = load_keys(folder, name)
    http = Http(offline=context.offline)
    asked = sources(mirrors(), snapshot_base(), http)
    with context.observer.task(f"refreshing {name}", len(pins.pins)) as task:
        moves: list[Moved] = []
        for pin in pins.pins:
            moves.append(refresh(pin, keys, verify_pin(folder, name, pin), http, asked))
            task.advance()
    for move in moves:
        click.echo(_said(move))
    newer = {move.candidate.pin.name: move.candidate for move in moves if move.outcome == NEWER}
    if newer:
        kept = tuple(newer[pin.name].pin if pin.name in newer else pin for pin in pins.pins)
        evidence = {found.pin.name: found.inrelease for found in newer.values()}
        save_pin_set(folder, replace(pins, pins=kept), evidence, keys)
        context.observer.note("locks on these pins are stale now: run `repro lock RECIPE`")
    return 0


@command.command()
@click.argument("name", required=False)
@_as_json
@_folder
def verify(name: str | None, as_json: bool, snapshots: Path | None) -> int:
    """Prove the pins from the evidence beside them, offline: hash, signature, signer, dates."""
    folder = snapshots or find_project().snapshots
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    for pins in _sets(folder, name):
        for pin in pins.pins:
            try:
                rows.append({"set": pins.name, "ok": True, **_proof_row(verify_pin(folder, pins.name, pin))})
            except IntegrityFailure as error:
                rows.append({"set": pins.name, "ok": False, "pin": pin.name, "problem": error.message})
                failures.append(error.message)
    if as_json:
        sys.stdout.buffer.write(readable_json({"schema": "repro/pin-verify/v1", "pins": rows}))
    else:
        for row in rows:
            click.echo(_verify_line(row))
    if failures:
        sys.stdout.flush()
        raise IntegrityFailure("\n".join(failures))
    return 0


@command.command("list")
@_as_json
@_folder
def list_pins(as_json: bool, snapshots: Path | None) -> int:
    """List the pins of all sets; their evidence is not checked."""
    sets = _sets(snapshots or find_project().snapshots, None)
    rows = [{"set": pins.name, **vars(pin)} for pins in sets for pin in pins.pins]
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


def _timestamp(text: str) -> str:
    try:
        parse_timestamp(text)
    except ValueError as error:
        raise InvalidInput(f"--at: {error}") from error
    return text


def _proof_row(proof: PinProof) -> dict[str, Any]:
    return {
        "pin": proof.pin.name,
        "timestamp": proof.pin.timestamp,
        "date": proof.release.date.isoformat(),
        "signers": [{"fingerprint": signer.fingerprint, "user_id": signer.user_id} for signer in proof.signers],
        "refused": list(proof.refused),
    }


def _verify_line(row: dict[str, Any]) -> str:
    if not row["ok"]:
        return f"WRONG  {row['set']}  {row['pin']}"
    lines = [f"ok     {row['set']}  {row['pin']}  {row['timestamp']}  Release of {row['date']}"]
    lines += [f"         {signer['fingerprint']}  {printable(signer['user_id'])}" for signer in row["signers"]]
    lines += [f"         not counted: {printable(why)}" for why in row["refused"]]
    return "\n".join(lines)


def _show_new(found: Candidate) -> None:
    click.echo(f"pinned {found.pin.name} at {found.pin.timestamp}, InRelease {found.pin.inrelease_sha256}")
    for signer in found.proof.signers:
        click.echo(f"  vouched for by {signer.fingerprint}  {printable(signer.user_id)}")
    for why in found.proof.refused:
        click.echo(f"  not counted: {printable(why)}")


def _said(move: Moved) -> str:
    there = f"{move.candidate.pin.timestamp} ({move.candidate.pin.inrelease_sha256[:12]})"
    if move.outcome == NEWER:
        return f"{move.old.name}: {move.old.timestamp} ({move.old.inrelease_sha256[:12]}) -> {there}"
    if move.outcome == SAME:
        return f"{move.old.name}: unchanged at {move.old.timestamp}"
    return f"{move.old.name}: left at {move.old.timestamp}; the mirror is older, it serves {there}"
