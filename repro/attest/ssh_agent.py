"""An ed25519 key that ssh-agent holds: it signs, and the private part never comes here.

ed25519 alone, since there the agent's signature is that of the data itself; with RSA it would be PKCS#1 version 1.5,
which no envelope here is signed with.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from paramiko.agent import Agent, AgentKey
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

from repro.attest.keys import LARGEST, PublicKey, read_public_keys
from repro.model.errors import InvalidInput
from repro.model.text import printable

_KIND = "ssh-ed25519"


def open_agent(named: str) -> tuple[PublicKey, Callable[[bytes], bytes]]:
    """The key of the agent that `named` says, a file with its public part or `SHA256:…`; and what signs with it.

    Raises InvalidInput where no agent answers, or it has no such ed25519 key.
    """
    wanted = None if named.startswith("SHA256:") else _from_file(Path(named))
    with _keys() as found:
        for held in found:
            key = _public(held)
            if key is not None and (key == wanted if wanted else _fingerprint(held) == named.rstrip("=")):
                return key, partial(_sign, key)
    raise _absent(named)


def _sign(key: PublicKey, data: bytes) -> bytes:
    with _keys() as found:
        for held in found:
            if _public(held) == key:
                answer = Message(bytes(held.sign_ssh_data(data)))
                kind, signature = answer.get_text(), answer.get_binary()
                if kind != _KIND:
                    raise InvalidInput(f"ssh-agent signed as {printable(kind)}, not as {_KIND}")
                return signature
    raise _absent(key.keyid)


@contextmanager
def _keys() -> Iterator[tuple[AgentKey, ...]]:
    """The keys of the agent, as long as they are used. Raises InvalidInput for whatever goes wrong with it."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        raise InvalidInput("no ssh-agent is running: SSH_AUTH_SOCK is not set", hint="eval $(ssh-agent); ssh-add KEY")
    try:
        agent = Agent()
        try:
            yield agent.get_keys()
        finally:
            agent.close()
    except (SSHException, OSError, ValueError, IndexError) as error:
        raise InvalidInput(
            f"ssh-agent does not do it: {error}", hint="is it unlocked, and the key free of limits (ssh-add -h)?"
        ) from error


def _public(held: AgentKey) -> PublicKey | None:
    """The public part of what the agent holds, where it is an ed25519 key."""
    if held.get_name() != _KIND:
        return None
    comment = "".join(c for c in getattr(held, "comment", "") if c.isprintable())
    line = f"{_KIND} {base64.b64encode(held.blob).decode()} {comment}"
    return read_public_keys(line.encode(), "ssh-agent")[0]


def _fingerprint(held: AgentKey) -> str:
    return "SHA256:" + binascii.b2a_base64(hashlib.sha256(held.blob).digest(), newline=False).decode().rstrip("=")


def _from_file(path: Path) -> PublicKey:
    try:
        with path.open("rb") as file:
            keys = read_public_keys(file.read(LARGEST + 1), str(path))
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{path}: the public key cannot be read: {error}", hint="agent:FILE.pub or agent:SHA256:FINGERPRINT"
        ) from error
    if len(keys) != 1 or keys[0].kind != "ed25519":
        raise InvalidInput(f"{path}: not one ed25519 key, which is what ssh-agent can sign statements with")
    return keys[0]


def _absent(named: str) -> InvalidInput:
    return InvalidInput(
        f"ssh-agent has no ed25519 key {printable(named)}",
        hint="ssh-add KEY gives it one; ssh-add -l lists what it has",
    )
