"""`repro lock RECIPE`: write or check the list of every .deb, with hash."""

from __future__ import annotations

import sys
from typing import Any

import click

from repro import pipeline
from repro.cli.context import Context, pass_context
from repro.cli.options import BACKEND_OPTION, workplace
from repro.cli.project import find_project
from repro.cli.reports import write_file
from repro.lock.changes import changes
from repro.model import lock as locks
from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.text import human_size, readable_json


@click.command("lock")
@click.argument("recipe")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and say in one line what is stale.")
@click.option(
    "--prove", is_flag=True, help="Write nothing; show that each .deb is what was signed at the pin, or exit 5."
)
@click.option("--json", "as_json", is_flag=True, help="With --prove: write what was proven as JSON on standard output.")
@BACKEND_OPTION
@pass_context
def command(context: Context, recipe: str, check: bool, prove: bool, as_json: bool, backend: str) -> int:
    """Resolve everything RECIPE installs, image and toolchain, and write it with hashes to recipe.lock.

    apt itself resolves, from the pinned and signed Packages indexes alone: neither the host's sources nor what it
    has installed count. Once a lock is there, apt of its toolchain is used, and the host needs none.

    With --prove the lock is taken for a claim, whatever mirror or cache it came from, and each of its .debs held
    against the indexes that the archive signed at the pin; those that the store has are hashed.

    \b
    Example:
      repro lock minimal                    resolve and write
      repro lock minimal --check            for a CI job
      repro lock minimal --check --prove    and is it what Debian signed?
    """
    if as_json and not prove:
        raise click.UsageError("--json goes with --prove")
    loaded = pipeline.load(find_project(), recipe)
    place = workplace(context)
    if check or prove:
        return _examine(loaded, place, backend, check, prove, as_json)
    old = pipeline.read_lock(loaded, current=False) if loaded.lock_path.exists() else None
    new = pipeline.make_lock(loaded, place, backend)
    for change in changes(old, new) if old else ():
        click.echo(change)
    write_file(loaded.lock_path, locks.encode(new).encode())
    click.echo(f"{loaded.lock_path}: {len(new.image)} packages in the image, {len(new.toolchain)} in the toolchain")
    return 0


def _examine(
    loaded: pipeline.Loaded, place: pipeline.Workplace, backend: str, check: bool, prove: bool, as_json: bool
) -> int:
    stale = _stale(loaded, place, backend) if check else ""
    name = loaded.recipe.name
    if stale:
        click.echo(f"{name}: stale: {stale}", err=as_json)
        return 1
    lock = pipeline.read_lock(loaded)
    if check:
        counts = f"{len(lock.image)} packages in the image, {len(lock.toolchain)} in the toolchain"
        click.echo(f"{name}: current: {counts}", err=as_json)
    if prove:
        proof = pipeline.prove_lock(loaded, lock, place)
        if as_json:
            sys.stdout.buffer.write(readable_json(_document(name, lock, proof)))
        else:
            click.echo(_proven(name, proof))
        _refuse(proof)
    return 0


def _stale(loaded: pipeline.Loaded, place: pipeline.Workplace, backend: str) -> str:
    """What is stale of the lock, in a line; nothing where it is current."""
    if not loaded.lock_path.exists():
        return "there is no recipe.lock"
    old = pipeline.read_lock(loaded, current=False)
    try:
        pipeline.read_lock(loaded)
    except InvalidInput as error:
        return error.message
    moved = changes(old, pipeline.make_lock(loaded, place, backend))
    more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
    return f"{moved[0]}{more}" if moved else ""


def _proven(name: str, proof: pipeline.LockProof) -> str:
    """What was proven, for people, in lines of at most 80 columns but for long names."""
    lines = [f"{name}: {proof.packages} packages are what was signed at the pins"]
    for each in proof.proven:
        pin = proof.proofs[each.pin]
        amount = f"{len(each.packages)} package{'s' * (len(each.packages) != 1)}, {human_size(each.size)}"
        lines.append(f"  {each.pin}  {pin.pin.timestamp}  {amount}")
        lines += [f"    signed {signer.made:%Y-%m-%d} by {signer.fingerprint}" for signer in pin.signers]
    rest = proof.packages - proof.hashed - len(proof.damaged)
    lines.append(f"  hashed in the store: {proof.hashed}; not in the store: {rest}")
    return "\n".join(lines)


def _document(name: str, lock: locks.Lock, proof: pipeline.LockProof) -> dict[str, Any]:
    return {
        "schema": "repro/lock-proof/v1",
        "recipe": name,
        "lock_sha256": locks.digest(lock),
        "pins": [
            {
                "pin": each.pin,
                "timestamp": proof.proofs[each.pin].pin.timestamp,
                "sha256": proof.proofs[each.pin].pin.sha256,
                "signers": [signer.fingerprint for signer in proof.proofs[each.pin].signers],
                "packages": len(each.packages),
                "bytes": each.size,
            }
            for each in proof.proven
        ],
        "unproven": [{**_package(each.package), "why": each.why} for each in proof.unproven],
        "hashed": proof.hashed,
        "damaged": [{**_package(package), "why": why} for package, why in proof.damaged],
    }


def _package(package: locks.LockedPackage) -> dict[str, str]:
    return {key: getattr(package, key) for key in ("name", "version", "arch", "sha256", "pin")}


def _refuse(proof: pipeline.LockProof) -> None:
    """Raises IntegrityFailure where something was not proven."""
    wrong = [(each.package, each.why) for each in proof.unproven] + list(proof.damaged)
    if wrong:
        sys.stdout.flush()
        lines = [f"{p.name} {p.version} {p.arch} ({p.pin} {p.path}): {why}" for p, why in wrong]
        raise IntegrityFailure(
            f"{len(wrong)} of the lock's packages are not what was signed:\n  " + "\n  ".join(lines),
            hint="write the lock again with `repro lock`, and look at where it came from",
        )
