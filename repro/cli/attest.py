"""`repro attest`: say what was found, sign it, and count what others say."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from repro import pipeline
from repro.attest.results import read_results
from repro.attest.signers import generate
from repro.cli.attest_kit import kit
from repro.cli.attest_publish import publish
from repro.cli.attest_quorum import quorum, verify
from repro.cli.context import Context, pass_context
from repro.cli.project import find_project
from repro.cli.signing import KEY_OPTION, PASSPHRASE_OPTION, VALID_OPTION, asker, lifetime, open_key, write_documents
from repro.model.errors import InvalidInput
from repro.model.text import readable_json
from repro.pipeline import attesting


@click.group("attest")
def command() -> None:
    """Sign what was found, positive or not, and count what other rebuilders say."""


command.add_command(verify)
command.add_command(quorum)
command.add_command(publish)
command.add_command(kit)


@command.command("keygen")
@click.argument("prefix", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--comment", default="", help="A name for the key, such as rebuilder@example.org.")
@click.option("--no-passphrase", is_flag=True, help="Leave the private key unencrypted: whoever reads it can sign.")
@PASSPHRASE_OPTION
def keygen(prefix: Path, comment: str, no_passphrase: bool, passphrase_file: Path | None) -> int:
    """Make an ed25519 key: PREFIX.key to sign with, PREFIX.pub for those who check.

    The private key is encrypted by a passphrase and in OpenSSH's format, so that `ssh-add PREFIX.key` hands it to an
    agent; then `--key agent:PREFIX.pub` signs without asking. PREFIX.in-toto.pub is the same public key in the form
    that rebuilderd and repro-threshold read. Nothing that exists is overwritten.

    \b
    Example:
      repro attest keygen ~/.config/repro/rebuilder
    """
    if no_passphrase and passphrase_file:
        raise click.UsageError("--no-passphrase and --passphrase-file exclude each other")
    passphrase = "" if no_passphrase else asker(passphrase_file, twice=True)(f"Passphrase for {prefix}.key")
    if not passphrase and not no_passphrase:
        raise InvalidInput("an empty passphrase", hint="--no-passphrase says that this is wanted")
    made = generate(prefix, passphrase, comment, unprotected=no_passphrase)
    click.echo(f"{made.private}  private: keep it")
    click.echo(f"{made.public}  public: give it to those who check")
    click.echo(f"{made.in_toto}  public, as rebuilderd and repro-threshold read it")
    click.echo(f"key id {made.key.keyid}")
    return 0


@command.command("create")
@click.argument("recipe")
@KEY_OPTION
@click.option(
    "-o",
    "--output",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the results of `build` or `verify`, which the documents join.  [default: out/RECIPE]",
)
@VALID_OPTION
@PASSPHRASE_OPTION
@click.option("--json", "as_json", is_flag=True, help="List what was written as JSON on standard output.")
@pass_context
def create(
    context: Context,
    *,
    recipe: str,
    key: str,
    output: Path | None,
    valid_for: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> int:
    """Sign what `repro build` or `repro verify` found about RECIPE, also where it is not the same bits.

    Writes into the folder: RECIPE.rebuild.intoto.json, the signed statement; RECIPE.provenance.intoto.json, a signed
    SLSA provenance; RECIPE.cdx.json, a CycloneDX bill of materials; and where the bits are the same and the key is an
    ed25519 one, ARTIFACT.link, the in-toto link that rebuilderd's tools read. Every artifact is hashed anew first.

    \b
    Examples:
      repro verify minimal; repro attest create minimal --key rebuilder.key
      repro attest create minimal --key agent:rebuilder.pub
      repro attest create minimal --key gpg:FINGERPRINT
    """
    folder = output or Path("out") / recipe
    loaded = pipeline.load(find_project(), recipe)
    results = read_results(folder)
    if results.first.claim.recipe != recipe:
        raise InvalidInput(f"{folder} holds results of {results.first.claim.recipe}, not of {recipe}")
    signer = open_key(key, passphrase_file)
    documents = attesting.attest(results, loaded, pipeline.read_lock(loaded), signer, valid_for=lifetime(valid_for))
    write_documents(folder, documents)
    if as_json:
        rows = [{"file": name, "size": len(data)} for name, data in sorted(documents.items())]
        sys.stdout.buffer.write(
            readable_json({"schema": "repro/attested/v1", "keyid": signer.key.keyid, "files": rows})
        )
    else:
        for name in documents:
            click.echo(folder / name)
    return 0
