"""A key in GnuPG's keyring, on a card or not: gpg signs, its agent asks for the passphrase."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from repro.attest.keys import PublicKey, read_public_keys
from repro.model.errors import BuildFailed, InvalidInput
from repro.system.run import CommandFailed, run

# What gpg and its agent need to find keyring, sockets, cards, and a place to ask the passphrase.
_PASSED = (
    "HOME",
    "GNUPGHOME",
    "GPG_TTY",
    "TERM",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "PINENTRY_USER_DATA",
    "USER",
    "LOGNAME",
)
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
_DETACHED = ("--no-armor", "--no-textmode", "--digest-algo", "SHA512", "--output", "-", "--detach-sign")
_PATIENCE = 300  # seconds, for somebody may have to type a passphrase
_INSTALL = "install GnuPG (Debian's package gnupg), or sign with a key in a file"


def open_gnupg(named: str) -> tuple[PublicKey, Callable[[bytes], bytes]]:
    """The key of GnuPG with the fingerprint `named`, of a primary key or a subkey that signs; and what signs with it.

    Raises InvalidInput where that is no whole fingerprint, or GnuPG has no such key.
    """
    fingerprint = named.replace(" ", "").removeprefix("0x").upper()
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise InvalidInput(
            f"{named!r} is not the whole fingerprint of an OpenPGP key",
            hint="gpg --list-secret-keys --keyid-format=none shows it: 40 hex digits; shorter ids can be forged",
        )
    exported = _gpg("--export", fingerprint)
    keys = read_public_keys(exported, f"GnuPG's key {fingerprint}") if exported else ()
    lower = fingerprint.lower()
    if len(keys) != 1 or lower not in {keys[0].keyid, *keys[0].aliases}:
        raise InvalidInput(f"GnuPG has no key {fingerprint}", hint="gpg --list-secret-keys lists those that can sign")
    # The mark at a subkey's fingerprint makes gpg use exactly that one.
    user = fingerprint if lower == keys[0].keyid else f"{fingerprint}!"
    return keys[0], lambda data: _gpg("--local-user", user, *_DETACHED, data=data)


def _gpg(*args: str, data: bytes = b"") -> bytes:
    """What gpg writes. Raises InvalidInput where it fails, with what it said."""
    env = {name: os.environ[name] for name in _PASSED if name in os.environ}
    try:
        return run(["gpg", "--batch", "--no-tty", *args], env=env, timeout=_PATIENCE, input=data).stdout
    except CommandFailed as error:
        raise InvalidInput(
            f"GnuPG does not do it: {error.message}",
            hint="if it takes a passphrase: export GPG_TTY=$(tty), or unlock it first by gpg --sign in a terminal",
        ) from error
    except BuildFailed as error:
        raise InvalidInput(error.message, hint=_INSTALL) from error
