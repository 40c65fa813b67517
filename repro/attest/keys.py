"""Public keys of those whose statements count: PEM, OpenSSH and OpenPGP, strong kinds only.

How a signature is verified follows from the key alone, never from what the signed thing says about itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_ssh_public_key
from pysequoia import Cert
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Signature, SSlibKey

from repro.attest import openpgp
from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.text import printable

LARGEST = 1 << 20  # bytes of a file of public keys
LARGEST_RSA = 16384  # bits; what OpenSSL still verifies with
KINDS = ("ed25519", "ecdsa", "rsa")

# RFC 8410 section 4, and the form with a NULL parameter that in-toto-rs writes and alone accepts
_ED25519 = bytes.fromhex("302a300506032b6570032100")
_ED25519_NULL = bytes.fromhex("302c300706032b65700500032100")

_PRIVATE = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_PGP = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PEM = re.compile(r"^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]*)^-----END PUBLIC KEY-----\s*?$", re.MULTILINE)
_MARK = re.compile(r"^-----BEGIN ([A-Z0-9 ]+)-----", re.MULTILINE)
_SSH = re.compile(r"^(ssh-|ecdsa-|sk-)", re.MULTILINE)
_SSH_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


@dataclass(frozen=True)
class PublicKey:
    """A key that statements can be verified with; equal where kind and id are.

    `kind` is ed25519, ecdsa, rsa or openpgp. `keyid` is the id in an envelope: 64 lower-case hex digits as
    securesystemslib computes it, of OpenPGP the primary key's whole fingerprint. `aliases` are the other ids by which
    a signature may refer to it, `comment` is what its owner wrote beside it.
    """

    kind: str
    keyid: str
    aliases: frozenset[str] = field(compare=False)
    comment: str = field(compare=False)
    material: SSlibKey | Cert = field(compare=False, repr=False)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raises IntegrityFailure, with the reason in a few words, unless `signature` is this key's over `data`."""
        if isinstance(self.material, Cert):
            openpgp.check(self.material, signature, data)
            return
        try:
            self.material.verify_signature(Signature(self.keyid, signature.hex()), data)
        except UnverifiedSignatureError as error:  # VerificationError is one of them
            raise IntegrityFailure("the signature does not verify") from error


def read_public_keys(data: bytes, where: str) -> tuple[PublicKey, ...]:
    """The keys in `data`, each once: PEM blocks and OpenSSH lines, or OpenPGP certificates; `where` names it.

    Raises InvalidInput where there is none, one cannot be read, is weak or of another kind, or is a private key.
    """
    if len(data) > LARGEST:
        raise InvalidInput(f"{where}: larger than {LARGEST >> 20} MiB, so not a file of public keys")
    if _PRIVATE.search(data):
        raise InvalidInput(f"{where}: this is a private key", hint="give the public one, such as its .pub file")
    if _PGP in data or data[:1] > b"\x7f":
        keys = [_of_cert(cert) for cert in openpgp.read(_openpgp_only(data, where), where)]
    else:
        try:
            text = data.decode().replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{where}: not a public key: {error}") from error
        keys = [*_pem_keys(text, where), *_ssh_keys(_PEM.sub("", text), where)]
    if not keys:
        raise InvalidInput(
            f"{where}: no public key in it", hint="a PEM (PUBLIC KEY), OpenSSH or OpenPGP public key is expected"
        )
    return each_once(keys)


def each_once(keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
    """`keys` without repetition; OpenPGP certificates of one key become one, so that no copy hides a revocation."""
    found: dict[PublicKey, PublicKey] = {}
    for key in keys:
        same = found.get(key, key)
        if same is not key and isinstance(same.material, Cert) and isinstance(key.material, Cert):
            same = _of_cert(same.material.merge(key.material))
        found[key] = same
    return tuple(found.values())


def of_crypto(public: Any, comment: str, where: str) -> PublicKey:
    """The key `public` of pyca/cryptography. Raises InvalidInput where it is weak or of another kind."""
    if isinstance(public, RSAPublicKey) and not openpgp.SMALLEST_RSA <= public.key_size <= LARGEST_RSA:
        raise InvalidInput(
            f"{where}: an RSA key of {public.key_size} bits; it takes {openpgp.SMALLEST_RSA} to {LARGEST_RSA}"
        )
    if isinstance(public, DSAPublicKey):
        raise InvalidInput(f"{where}: a DSA key, which is too weak")
    try:
        key = SSlibKey.from_crypto(public)
    except ValueError as error:
        raise InvalidInput(f"{where}: {error}", hint="known are ed25519, ecdsa on NIST curves, and RSA") from error
    if key.keytype not in KINDS:
        raise InvalidInput(f"{where}: a key of the kind {key.keytype}", hint=f"known are {', '.join(KINDS)}")
    aliases = {_in_toto_rs_id(key.keyval["public"])} if key.keytype == "ed25519" else set()
    return PublicKey(key.keytype, key.keyid, frozenset(aliases), comment, key)


def public_pem(key: PublicKey, *, in_toto_rs: bool = False) -> str:
    """The ed25519 `key` as PEM: as RFC 8410 has it, or as rebuilderd and repro-threshold read it.

    Raises InvalidInput where it is of another kind.
    """
    der = (_ED25519_NULL if in_toto_rs else _ED25519) + raw_ed25519(key)
    return f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"


def raw_ed25519(key: PublicKey) -> bytes:
    """The 32 bytes of the ed25519 `key`. Raises InvalidInput where it is of another kind."""
    if key.kind != "ed25519" or isinstance(key.material, Cert):
        raise InvalidInput(f"the key {key.keyid} is of the kind {key.kind}; this takes an ed25519 key")
    return bytes.fromhex(key.material.keyval["public"])


def in_toto_rs_id(key: PublicKey) -> str:
    """The id that rebuilderd and repro-threshold give the ed25519 `key`. Raises InvalidInput as `raw_ed25519`."""
    return _in_toto_rs_id(raw_ed25519(key).hex())


def _in_toto_rs_id(public: str) -> str:
    described = {
        "keyid_hash_algorithms": ["sha256", "sha512"],
        "keytype": "ed25519",
        "keyval": {"public": public},
        "scheme": "ed25519",
    }
    return hashlib.sha256((encode_canonical(described) or "").encode()).hexdigest()


def _of_cert(cert: Cert) -> PublicKey:
    return PublicKey("openpgp", cert.fingerprint.lower(), openpgp.subkeys(cert), openpgp.user_id(cert), cert)


def _openpgp_only(data: bytes, where: str) -> bytes:
    """`data`, where all keys in it are OpenPGP certificates. Raises InvalidInput."""
    text = data.decode("latin-1") if _PGP in data else ""
    marks = [mark for mark in _MARK.findall(text) if mark != "PGP PUBLIC KEY BLOCK"]
    if marks or _SSH.search(text):
        raise InvalidInput(f"{where}: OpenPGP certificates and other keys in one file", hint="make it two files")
    if text.count("-----BEGIN ") != text.count("-----END PGP PUBLIC KEY BLOCK-----"):
        raise InvalidInput(f"{where}: a PEM block is cut short")
    return data


def _pem_keys(text: str, where: str) -> Iterator[PublicKey]:
    """The key of each PEM block in `text`; a line of comment right before it is the key's."""
    marks = _MARK.findall(text)
    for mark in marks:
        if mark != "PUBLIC KEY":
            raise InvalidInput(
                f"{where}: a PEM block {printable(mark)}, which is not a public key as it is read here",
                hint="what is read begins with BEGIN PUBLIC KEY; openssl converts: openssl pkey -pubin or x509 -pubkey",
            )
    blocks = list(_PEM.finditer(text))
    if len(blocks) != len(marks):
        raise InvalidInput(f"{where}: a PEM block is cut short or damaged")
    for block in blocks:
        before = text[: block.start()].removesuffix("\n").rpartition("\n")[2]
        comment = before[1:].strip() if before.startswith("#") else ""
        try:
            der = base64.b64decode("".join(block[1].split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f"{where}: the base64 of a PEM block is broken: {error}") from error
        yield of_crypto(_from_der(der, where), comment, where)


def _from_der(der: bytes, where: str) -> PublicKeyTypes:
    try:
        if der.startswith(_ED25519_NULL) and len(der) == len(_ED25519_NULL) + 32:
            return Ed25519PublicKey.from_public_bytes(der[-32:])
        return load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{where}: a PEM block holds no public key that can be read: {error}") from error


def _ssh_keys(text: str, where: str) -> Iterator[PublicKey]:
    """The key of each line in `text` that is neither empty nor a comment."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield _ssh_key(line.strip(), f"{where}: key line {number}")


def _ssh_key(line: str, where: str) -> PublicKey:
    kind, _, rest = line.partition(" ")
    if kind.startswith("sk-"):
        raise InvalidInput(
            f"{where}: a key on a security key ({printable(kind)}), which cannot be used",
            hint="such a device signs a counter along with the data, so others could not verify it; use another key",
        )
    if kind not in _SSH_TYPES:
        raise InvalidInput(
            f"{where}: not a public key of a known kind: {printable(kind[:60])}",
            hint=f"a line begins with one of {', '.join(_SSH_TYPES)}",
        )
    blob, _, comment = rest.strip().partition(" ")
    try:
        public = load_ssh_public_key(f"{kind} {blob}".encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{where}: not an OpenSSH public key: {error}") from error
    return of_crypto(public, comment.strip(), where)
