"""Those who sign: a private key in a file, one in ssh-agent, one in GnuPG; and making a new one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from repro.attest.gnupg import open_gnupg
from repro.attest.keys import PublicKey, of_crypto, public_pem
from repro.attest.private import open_file
from repro.model.errors import IntegrityFailure, InvalidInput

_ROUNDS = 32  # of bcrypt over the passphrase, a third of a second
_LONGEST = 200  # characters of a comment


class Signer(Protocol):
    """Whoever can sign with `key`."""

    @property
    def key(self) -> PublicKey: ...

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`, which `key` verifies. Raises InvalidInput or IntegrityFailure."""
        ...


@dataclass(frozen=True)
class KeyFiles:
    """A new key and its files: `private` (OpenSSH), `public` (PEM), `in_toto` (PEM as rebuilderd reads it)."""

    key: PublicKey
    private: Path
    public: Path
    in_toto: Path


@dataclass(frozen=True)
class _Checked:
    """A signer whose every signature is verified before anybody gets it."""

    key: PublicKey
    make: Callable[[bytes], bytes] = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        signature = self.make(data)
        try:
            self.key.verify(signature, data)
        except IntegrityFailure as error:
            raise IntegrityFailure(f"what was signed by {self.key.keyid} is no good: {error.message}") from error
        return signature


def open_signer(spec: str, ask: Callable[[str], str]) -> Signer:
    """The signer that `spec` names: `agent:PUBLIC-KEY-FILE`, `agent:SHA256:…`, `gpg:FINGERPRINT`, or a file's path.

    `ask` is given a prompt and returns a passphrase; it is called only where one is needed. Raises InvalidInput.
    """
    kind, _, named = spec.partition(":")
    if kind == "agent" and named:
        from repro.attest.ssh_agent import open_agent  # noqa: PLC0415  (paramiko takes a sixth of a second to import)

        return _Checked(*open_agent(named))
    if kind == "gpg" and named:
        return _Checked(*open_gnupg(named))
    if not spec or spec in ("agent:", "gpg:"):
        raise InvalidInput("no key to sign with", hint="FILE, agent:PUBLIC-KEY-FILE, agent:SHA256:… or gpg:FINGERPRINT")
    return _Checked(*open_file(Path(spec), ask))


def generate(prefix: Path, passphrase: str, comment: str, *, unprotected: bool = False) -> KeyFiles:
    """A new ed25519 key in PREFIX.key (mode 0600), PREFIX.pub and PREFIX.in-toto.pub; in a folder, PREFIX is `repro`.

    The private key is encrypted by the passphrase; an empty one is taken only with `unprotected`. The comment is kept
    in PREFIX.pub. Raises InvalidInput where one of the files is there already (none is touched then), or they cannot
    be written.
    """
    if not passphrase and not unprotected:
        raise InvalidInput("a private key without a passphrase: whoever gets the file can sign with it")
    if len(comment) > _LONGEST or not comment.isprintable() or "-----" in comment:
        raise InvalidInput(f"the comment must be one line of at most {_LONGEST} printable characters")
    if prefix.is_dir():
        prefix /= "repro"
    private = Ed25519PrivateKey.generate()
    key = of_crypto(private.public_key(), comment.strip(), str(prefix))
    files = KeyFiles(key, *(prefix.with_name(prefix.name + end) for end in (".key", ".pub", ".in-toto.pub")))
    protection = PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(_ROUNDS)
    encryption = protection.build(passphrase.encode()) if passphrase else NoEncryption()
    title = f"# {key.comment}\n" if key.comment else ""
    _write_all(
        {
            files.public: ((title + public_pem(key)).encode(), 0o644),
            files.in_toto: (public_pem(key, in_toto_rs=True).encode(), 0o644),
            files.private: (private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption), 0o600),
        }
    )
    return files


def _write_all(files: dict[Path, tuple[bytes, int]]) -> None:
    """Write each file, given its bytes and mode: all of them, or none where one is there already or cannot be."""
    for path in files:
        if os.path.lexists(path):
            raise InvalidInput(f"{path} is there already, and a key is never overwritten", hint="choose another name")
    written: list[Path] = []
    try:
        for path, (data, mode) in files.items():
            _write_new(path, data, mode)
            written.append(path)
    except BaseException as error:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        if isinstance(error, OSError):
            raise InvalidInput(f"the new key cannot be written: {error.filename}: {error.strerror}") from error
        raise


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write `data` to `path`, whole or not at all, never over another file. Raises OSError."""
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with open(fd, "wb") as file:
            file.write(data)
            os.fchmod(fd, mode)
            file.flush()
            os.fsync(fd)
        os.link(name, path)  # unlike a rename it fails where the name is taken
    finally:
        os.unlink(name)
