"""The part of `verify` that asks others: the quorum of a policy on the artifact at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from repro import pipeline
from repro.attest.trusted import Trusted
from repro.cli.context import Context
from repro.model.lock import Lock
from repro.model.quorum import Quorum
from repro.report import quorum as text
from repro.system.hashing import sha256_file
from repro.system.http import Http

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
    """The quorum on `artifact`, a file or a SHA-256, among statements about the recipe's very lock.

    `own` is a statement of ours that is counted among the others. Raises as `pipeline.hold_quorum` does.
    """
    recipe = loaded.recipe
    target = pipeline.complete(
        trusted.policy.target,
        name=f"{recipe.name}.{recipe.outputs[0]}",
        sha256=artifact if isinstance(artifact, str) else sha256_file(artifact),
        recipe=recipe.name,
        lock_sha256=pipeline.lock_digest(lock),
    )
    http = Http(offline=context.offline)
    return pipeline.hold_quorum(trusted, target, sources, http, context.observer, own=own)


def show_quorum(found: Quorum) -> None:
    """The quorum as text on standard output."""
    click.echo(text.render(found), nl=False)
