"""Options and steps of every command that signs: the key, its passphrase, how long a statement holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import click

from repro.attest.signers import Signer, open_signer
from repro.cli.reports import write_file
from repro.model.errors import InvalidInput

_FORMS = "FILE|agent:PUBFILE|gpg:FINGERPRINT"

KEY_OPTION = click.option(
    "--key",
    required=True,
    metavar=_FORMS,
    help="A private key (of `keygen`, OpenSSH or PKCS#8), one that ssh-agent holds, or one of GnuPG.",
)
SIGN_OPTION = click.option("--sign", "key", metavar=_FORMS, help="Sign what was found, as `attest create` does.")
VALID_OPTION = click.option(
    "--valid-for", type=click.IntRange(1, 36500), metavar="DAYS", help="The statement expires then.  [default: never]"
)
PASSPHRASE_OPTION = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Read the passphrase from its first line (- is standard input) instead of asking on the terminal.",
)


def asker(file: Path | None, *, twice: bool = False) -> Callable[[str], str]:
    """How a passphrase is had: from `file`, or on the terminal. What it returns raises InvalidInput without either."""

    def ask(prompt: str) -> str:
        if file:
            try:
                text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidInput(f"the passphrase cannot be read from {file}: {error}") from error
            return text.partition("\n")[0]
        if not sys.stdin.isatty():
            hint = "give --passphrase-file, or hand the key to an agent and use --key agent:PUBFILE"
            raise InvalidInput(f"{prompt}: there is no terminal to ask on", hint=hint)
        answer: str = click.prompt(
            prompt.rstrip(": "), hide_input=True, confirmation_prompt=twice, default="", err=True
        )
        return answer

    return ask


def open_key(spec: str, passphrase_file: Path | None) -> Signer:
    """The signer that `--key` names. Raises InvalidInput."""
    return open_signer(spec, asker(passphrase_file))


def lifetime(days: int | None) -> timedelta | None:
    """`--valid-for` as a duration."""
    return timedelta(days=days) if days else None


def write_documents(folder: Path, documents: Mapping[str, bytes]) -> None:
    """Write each document into `folder`, and take away links of an earlier, better result."""
    for name, data in documents.items():
        write_file(folder / name, data)
    for path in folder.glob("*.link"):
        if path.name not in documents:
            path.unlink()
