"""The part of `verify` that looks at others: what to compare with, and the quorum of a policy on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click

from repro import pipeline
from repro.attest.trusted import Trusted
from repro.cli.context import Context
from repro.model import lock as locks
from repro.model.errors import IntegrityFailure, InvalidInput, PolicyNotMet, Unavailable
from repro.model.lock import Lock
from repro.model.quorum import Quorum
from repro.pipeline import attesting
from repro.report import quorum as text
from repro.system.hashing import sha256_file
from repro.system.http import Http

_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")

_WHY = "each document is listed with its reason"

QUORUM_OPTION = click.option(
    "--quorum",
    "policy",
    type=click.Path(path_type=Path),
    metavar="POLICY.toml",
    help="Ask whether enough rebuilders whom this policy trusts have the same artifact. With --against nothing is "
    "built, unless --rebuilds or --sign asks for it.",
)
STATEMENTS_OPTION = click.option(
    "--statements",
    multiple=True,
    metavar="FILE|DIR|URL",
    help="Where statements are; repeatable.  [default: what the policy says]",
)


def ask_others(
    context: Context,
    trusted: Trusted,
    loaded: pipeline.Loaded,
    lock: Lock,
    artifact: Path | str,
    sources: Sequence[str],
    own: Path | None = None,
) -> Quorum:
    """The quorum on `artifact`, a file or a SHA-256, among statements about the recipe's very lock; it is shown.

    `own` is a statement of ours that is counted among the others. Raises as `attesting.hold_quorum` does.
    """
    recipe = loaded.recipe
    target = attesting.complete(
        trusted.policy.target,
        name=f"{recipe.name}.{recipe.outputs[0]}",
        sha256=artifact if isinstance(artifact, str) else sha256_file(artifact),
        recipe=recipe.name,
        lock_sha256=locks.digest(lock),
    )
    http = Http(offline=context.offline)
    found = attesting.hold_quorum(trusted, target, sources, http, context.observer, own=own)
    click.echo(text.render(found), nl=False)
    return found


def given_digest(text: str) -> str:
    """The digest in `sha256:HEX`, lower case; empty where `text` is something else."""
    match = _DIGEST.fullmatch(text)
    return match[1].lower() if match else ""


def demand(found: Quorum) -> int:
    """0, where `found` is met. Raises PolicyNotMet where it is not; IntegrityFailure where signatures are wrong too,
    Unavailable where a source that did not answer might have changed that."""
    if found.met:
        return 0
    if found.forged:
        raise IntegrityFailure("the policy is not met, and there are signatures that are wrong", hint=_WHY)
    if found.unreached:
        raise Unavailable("the policy is not met, and not every source answered", hint="try again, or name others")
    raise PolicyNotMet("the policy is not met", hint=_WHY)


def fetch_other(against: str, folder: Path, context: Context) -> Path | str:
    """What `--against` names: a file (fetched into `folder` where it is an address), or a SHA-256.

    Raises InvalidInput where there is no such file, and what fetching raises.
    """
    if digest := given_digest(against):
        return digest
    if not against.startswith(("http://", "https://")):
        path = Path(against)
        if not path.is_file():
            hint = "give a file, an address that begins with http, or sha256: and 64 hex digits"
            raise InvalidInput(f"--against: {against} is not a file", hint=hint)
        return path
    target = folder / "against"
    with (
        Http(offline=context.offline).stream(against) as body,
        context.observer.task("fetching what to compare with", unit="bytes") as task,
    ):
        try:
            with open(target, "wb") as file:
                for chunk in body.chunks():
                    file.write(chunk)
                    task.advance(len(chunk))
        except OSError as error:
            raise Unavailable(f"cannot write {target}: {error.strerror}") from error
    return target
