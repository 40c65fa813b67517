"""Real makers of keys and signatures for the tests: ssh-keygen, ssh-agent, GnuPG, OpenSSL."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from securesystemslib.signer import CryptoSigner, SSlibKey

from repro.attest.keys import PublicKey, read_public_keys

DATA = Path(__file__).with_name("data")
KINDS = {
    "ed25519": ("ed25519", "256"),
    "ecdsa-256": ("ecdsa", "256"),
    "ecdsa-384": ("ecdsa", "384"),
    "ecdsa-521": ("ecdsa", "521"),
    "rsa": ("rsa", "2048"),
}


def never(prompt: str) -> str:
    raise AssertionError(f"a passphrase was asked for: {prompt}")


def run(*argv: str | Path, data: bytes = b"", env: dict[str, str] | None = None, ok: bool = True) -> bytes:
    """What the program writes. Raises AssertionError where it fails, unless `ok` is false."""
    done = subprocess.run(argv, input=data, env=env, capture_output=True, timeout=120, check=False)
    assert not ok or done.returncode == 0, done.stderr.decode()
    return done.stdout


def ssh_key(folder: Path, kind: str, passphrase: str = "", *more: str) -> Path:
    """A private key made by ssh-keygen, of one of KINDS; its public part is beside it."""
    path = folder / f"{kind}{'-locked' if passphrase else ''}"
    name, bits = KINDS[kind]
    run("ssh-keygen", "-q", "-t", name, "-b", bits, "-N", passphrase, "-C", f"{kind} of a test", "-f", path, *more)
    return path


@contextlib.contextmanager
def ssh_agent(folder: Path) -> Iterator[str]:
    """The socket of an ssh-agent, which ends with the block."""
    socket = folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None
        assert b"SSH_AUTH_SOCK" in agent.stdout.readline()  # said when it listens
        yield str(socket)
    finally:
        agent.terminate()
        agent.communicate(timeout=30)


class GnuPG:
    """GnuPG with a keyring of its own, in a folder with a short name, for its sockets."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gpg-"))
        self.env = {"PATH": os.environ["PATH"], "GNUPGHOME": str(self.home), "HOME": str(self.home), "LC_ALL": "C"}

    def __call__(self, *args: str, data: bytes = b"", ok: bool = True) -> bytes:
        batch = ("gpg", "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "")
        return run(*batch, *args, data=data, env=self.env, ok=ok)

    def make(self, name: str, kind: str, use: str = "sign", expires: str = "0", *more: str) -> str:
        """A new key; its fingerprint."""
        self(*more, "--quick-gen-key", f"{name} <{name}@example.org>", kind, use, expires)
        return self.fingerprints(f"{name}@example.org")[0]

    def fingerprints(self, name: str) -> list[str]:
        """Those of the primary key and the subkeys."""
        listed = self("--list-keys", "--with-colons", name).decode()
        return [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")]

    def key(self, name: str) -> PublicKey:
        (key,) = read_public_keys(self("--export", name), name)
        return key

    def sign(self, name: str, data: bytes, *more: str) -> bytes:
        return self(*more, "--local-user", name, "--output", "-", "--detach-sign", data=data)

    def revoke(self, fingerprint: str) -> None:
        """By the certificate that gpg laid aside when it made the key."""
        certificate = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        self("--import", data=re.sub(r"(?m)^:(-----BEGIN)", r"\1", certificate).encode())

    def close(self) -> None:
        run("gpgconf", "--kill", "all", env=self.env)
        shutil.rmtree(self.home, ignore_errors=True)


class Key:
    """A signer in memory, as fast as the tests that sign thousands of things need it."""

    def __init__(self, private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self.private = private
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.key,) = read_public_keys(pem, "here")
        assert isinstance(self.key.material, SSlibKey)
        self.signer = CryptoSigner(private, self.key.material)

    def sign(self, data: bytes) -> bytes:
        return bytes.fromhex(self.signer.sign(data).signature)

    def pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def all_kinds() -> dict[str, Key]:
    """A signer of each kind."""
    return {
        "ed25519": Key(Ed25519PrivateKey.generate()),
        "other": Key(Ed25519PrivateKey.generate()),
        "p256": Key(ec.generate_private_key(ec.SECP256R1())),
        "p384": Key(ec.generate_private_key(ec.SECP384R1())),
        "p521": Key(ec.generate_private_key(ec.SECP521R1())),
        "rsa": Key(rsa.generate_private_key(65537, 2048)),
    }
