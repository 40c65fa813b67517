"""`repro attest quorum` and `repro attest verify`: what others say, counted under a policy or one by one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro import pipeline
from repro.attest.gather import gather
from repro.attest.reading import Heard, hear
from repro.attest.trusted import load_policy, read_keys
from repro.cli.context import Context, pass_context
from repro.cli.project import find_project
from repro.cli.trust import demand, given_digest
from repro.model import lock as locks
from repro.model import quorum as quorums
from repro.model.errors import IntegrityFailure, InvalidInput, PolicyNotMet
from repro.model.text import printable, readable_json
from repro.pipeline import attesting
from repro.report import quorum as text
from repro.system.hashing import sha256_file
from repro.system.http import Http


@click.command("quorum")
@click.argument("sources", nargs=-1, metavar="[FILE|DIR|URL]...")
@click.option(
    "--policy", type=click.Path(path_type=Path), required=True, help="Whom to trust, and how many must agree."
)
@click.option("--artifact", metavar="FILE|sha256:HEX", help="What they must agree on, if the policy does not say.")
@click.option("--recipe", metavar="RECIPE", help="Count only what is about this recipe and its lock.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON (repro/quorum/v1) on standard output.")
@pass_context
def quorum(
    context: Context, *, sources: tuple[str, ...], policy: Path, artifact: str | None, recipe: str | None, as_json: bool
) -> int:
    """Count the statements in FILE, DIR or URL: do enough of those whom the policy trusts have the same artifact?

    A folder is searched for *.intoto.json and *.link, an address is that of a folder made by `attest publish`. Exits 0
    where the policy is met, 6 where it is not, and 5 where it is not and signatures are wrong.

    \b
    Examples:
      repro attest quorum --policy policy.toml --artifact minimal.iso statements/
      repro attest quorum --policy policy.toml https://example.org/statements
    """
    trusted = load_policy(policy)
    name, digest = _asked(artifact)
    lock = locks.digest(pipeline.read_lock(pipeline.load(find_project(), recipe))) if recipe else ""
    target = attesting.complete(trusted.policy.target, name=name, sha256=digest, recipe=recipe or "", lock_sha256=lock)
    found = attesting.hold_quorum(trusted, target, sources, Http(offline=context.offline), context.observer)
    if as_json:
        sys.stdout.buffer.write(quorums.encode(found))
        sys.stdout.flush()
    else:
        click.echo(text.render(found), nl=False)
    return demand(found)


@click.command("verify")
@click.argument("sources", nargs=-1, required=True, metavar="FILE|DIR|URL...")
@click.option("--policy", type=click.Path(path_type=Path), help="Take the keys of this policy.")
@click.option("--pub", "keys", type=click.Path(path_type=Path), multiple=True, help="Public keys; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON on standard output.")
@pass_context
def verify(
    context: Context, *, sources: tuple[str, ...], policy: Path | None, keys: tuple[Path, ...], as_json: bool
) -> int:
    """Check the signatures of statements and links, and say what each states. Nothing is counted.

    Exits 0 where each is signed by one of the keys, 6 where one is signed by somebody else, 5 where a signature is
    wrong or a document is none.

    \b
    Example:
      repro attest verify --pub rebuilder.pub out/minimal/*.intoto.json
    """
    if not policy and not keys:
        raise click.UsageError("give --policy or --pub: without a key there is nothing to check with")
    known = [*(load_policy(policy).keys if policy else ()), *(key for path in keys for key in read_keys(path))]
    rows = []
    for offered in gather(sources, Http(offline=context.offline), context.observer):
        heard = hear(offered, known)
        wrong = heard.problem or (heard.wrong and not heard.signers)
        state = "wrong" if wrong else "good" if heard.signers else "unknown"
        rows.append(
            {
                "where": heard.where,
                "signature": state,
                "keys": sorted(key.keyid for key in heard.signers),
                "says": _says(heard),
            }
        )
    if as_json:
        sys.stdout.buffer.write(readable_json({"schema": "repro/checked/v1", "statements": rows}))
    else:
        for row in rows:
            click.echo(f"{row['signature']:8} {printable(str(row['where']))}\n         {row['says']}")
    states = [row["signature"] for row in rows]
    sys.stdout.flush()
    if "wrong" in states:
        raise IntegrityFailure(f"{states.count('wrong')} of {len(states)} are wrong")
    if "unknown" in states:
        raise PolicyNotMet(f"{states.count('unknown')} of {len(states)} are signed by no key that was given")
    return 0


def _says(heard: Heard) -> str:
    """What a document states, in one line."""
    if heard.problem or heard.wrong:
        return printable(heard.problem or heard.wrong[0])
    if heard.said:
        said = heard.said
        about = ", ".join(f"{each.name} {each.sha256}" for each in said.subjects)
        return printable(f"{said.verdict}: {about}; signed {said.run.signed:%Y-%m-%d}")
    if heard.link:
        products = ", ".join(f"{name} {hashes.get('sha256', '?')}" for name, hashes in heard.link.products.items())
        return printable(f"{heard.link.name}: {products}")
    return printable(heard.foreign)


def _asked(artifact: str | None) -> tuple[str, str]:
    """Name and digest of what `--artifact` says; both empty where it says nothing."""
    if artifact is None:
        return "", ""
    if digest := given_digest(artifact):
        return "", digest
    try:
        return Path(artifact).name, sha256_file(Path(artifact))
    except OSError as error:
        hint = "give a file, or sha256: and 64 hex digits"
        raise InvalidInput(f"--artifact: {artifact} cannot be read: {error.strerror}", hint=hint) from error
