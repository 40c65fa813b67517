"""The keys of a policy: which rebuilder each belongs to, and when it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from repro.attest.keys import PublicKey, read_public_keys
from repro.model import policy as policies
from repro.model.errors import InvalidInput
from repro.model.policy import Policy, PolicyKey

_LIMIT = 1 << 20  # bytes of a policy or of a file of keys
_INLINE = ("ssh-", "ecdsa-", "-----BEGIN ")


@dataclass(frozen=True)
class Holder:
    """Whose a key is: the name in the policy, and what the policy says of the key."""

    rebuilder: str
    entry: PolicyKey


@dataclass(frozen=True)
class Trusted:
    """A policy with its keys read; `holders` says by key id whose each is."""

    policy: Policy
    keys: Sequence[PublicKey]
    holders: Mapping[str, Holder]

    def objection(self, key: PublicKey, when: datetime) -> str:
        """Why what `key` signed at `when` (UTC) does not count, in a few words; empty where it does."""
        entry = self.holders[key.keyid].entry
        if entry.revoked:
            return f"the key is revoked: {entry.revoked}"
        if entry.valid_from and when < datetime.combine(entry.valid_from, time.min, UTC):
            return f"the key counts from {entry.valid_from} on"
        if entry.valid_until and when > datetime.combine(entry.valid_until, time.max, UTC):
            return f"the key counted until {entry.valid_until}"
        return ""


def load_policy(path: Path) -> Trusted:
    """The policy at `path`, with its keys; files of keys are looked for beside it.

    Raises InvalidInput where one cannot be read or is not valid, or a key belongs to two rebuilders.
    """
    policy = policies.decode(_text(path), str(path))
    keys: list[PublicKey] = []
    holders: dict[str, Holder] = {}
    names: dict[str, str] = {}
    for rebuilder in policy.rebuilders:
        for entry in rebuilder.keys:
            for key in _keys(path, entry):
                for name in {key.keyid, *key.aliases}:
                    if names.setdefault(name, rebuilder.name) != rebuilder.name or key.keyid in holders:
                        raise InvalidInput(
                            f"{path}: key {key.keyid} is listed twice, for {names[name]} and for {rebuilder.name}",
                            hint="one key is one voice: leave one of them out",
                        )
                keys.append(key)
                holders[key.keyid] = Holder(rebuilder.name, entry)
    return Trusted(policy, tuple(keys), holders)


def read_keys(path: Path) -> tuple[PublicKey, ...]:
    """The public keys in the file at `path`. Raises InvalidInput."""
    return read_public_keys(_bytes(path), str(path))


def _keys(policy: Path, entry: PolicyKey) -> tuple[PublicKey, ...]:
    if entry.source.startswith(_INLINE) and " " in entry.source:
        return read_public_keys(entry.source.encode(), f"{policy}: a key")
    return read_keys(policy.parent / entry.source)


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not text in UTF-8") from error


def _bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _LIMIT:
        raise InvalidInput(f"{path}: larger than {_LIMIT} bytes")
    return data
