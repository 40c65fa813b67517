"""A private key in a file: OpenSSH's format or PKCS#8 in PEM, with a passphrase or without."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key
from securesystemslib.signer import CryptoSigner, SSlibKey

from repro.attest.keys import PublicKey, of_crypto
from repro.model.errors import InvalidInput

LARGEST = 1 << 20  # bytes of a file with a private key

_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_PKCS8 = re.compile(rb"-----BEGIN (ENCRYPTED )?PRIVATE KEY-----\s([A-Za-z0-9+/=\s]*)-----END")
_READABLE = "a private key in OpenSSH's format or in PKCS#8 (PEM) is expected"
# RFC 5958 with the public key behind the private one, as rebuilderd writes its keys: head, 32 bytes, middle, 32 bytes
_V2_HEAD = bytes.fromhex("3051020101300506032b657004220420")
_V2_MIDDLE = bytes.fromhex("812100")


def open_file(path: Path, ask: Callable[[str], str]) -> tuple[PublicKey, Callable[[bytes], bytes]]:
    """The public part of the key in the file `path`, and what signs with it.

    `ask` is given a prompt and returns the passphrase, called only where there is one. Raises InvalidInput where the
    file cannot be read, others may read it, it holds no acceptable private key, or the passphrase is wrong.
    """
    where = str(path)
    private = _load(_read(path), where, ask)
    key = of_crypto(private.public_key(), "", where)
    if not isinstance(key.material, SSlibKey):
        raise TypeError(f"{key.kind} is no key of securesystemslib")
    signer = CryptoSigner(private, key.material)
    return key, lambda data: bytes.fromhex(signer.sign(data).signature)


def _read(path: Path) -> bytes:
    """The bytes of `path`, a regular file that nobody but its owner may read. Raises InvalidInput."""
    try:
        # not blocking, for a named pipe would have us wait for its other end
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InvalidInput(f"{path}: not a file")
            if found.st_mode & 0o077:
                raise InvalidInput(
                    f"{path}: others may read this private key (mode {stat.S_IMODE(found.st_mode):04o})",
                    hint=f"chmod 600 {path}, and think about whether somebody has",
                )
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InvalidInput(f"{path}: the private key cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise InvalidInput(f"{str(path)!r}: {error}") from error
    if len(data) > LARGEST:
        raise InvalidInput(f"{path}: larger than {LARGEST >> 20} MiB, so not a private key")
    return data


def _load(data: bytes, where: str, ask: Callable[[str], str]) -> Any:
    """The private key of pyca/cryptography in `data`. No message holds anything of the key or the passphrase."""
    if _OPENSSH in data:
        load: Callable[[bytes, bytes | None], Any] = load_ssh_private_key
    elif pkcs8 := _PKCS8.search(data):
        if (simple := _from_v2(pkcs8[2], where)) is not None:
            return simple
        load = load_pem_private_key
    elif b"PRIVATE KEY-----" in data:
        raise InvalidInput(
            f"{where}: a private key in an old format, which cannot be read",
            hint=f"{_READABLE}; ssh-keygen -p -f FILE rewrites it",
        )
    else:
        raise InvalidInput(f"{where}: not a private key", hint=_READABLE)
    try:
        return load(data, None)
    except TypeError:
        pass  # it takes a passphrase
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(f"{where}: the private key is damaged, or of a kind that is not known") from None
    passphrase = ask(f"Passphrase of {where}: ")
    try:
        return load(data, passphrase.encode())
    except TypeError:
        raise InvalidInput(f"{where}: the private key takes a passphrase, and none was given") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(f"{where}: wrong passphrase, or the private key is damaged") from None


def _from_v2(encoded: bytes, where: str) -> Ed25519PrivateKey | None:
    """The key in the base64 `encoded`, where it has rebuilderd's form. Raises InvalidInput."""
    try:
        der = base64.b64decode(b"".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{where}: the base64 of the private key is broken") from None
    head, middle = len(_V2_HEAD), len(_V2_HEAD) + 32
    public = middle + len(_V2_MIDDLE)
    if len(der) != public + 32 or der[:head] != _V2_HEAD or der[middle:public] != _V2_MIDDLE:
        return None
    private = Ed25519PrivateKey.from_private_bytes(der[head:middle])
    if private.public_key().public_bytes_raw() != der[public:]:
        raise InvalidInput(f"{where}: the private key and the public one behind it do not belong together")
    return private
