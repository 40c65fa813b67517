"""Rebuilders who say things, true and false: statements made and signed in memory, and policies that name them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from repro.attest.envelope import IN_TOTO, seal
from repro.attest.keys import PublicKey, of_crypto, public_pem
from repro.attest.reading import Offered
from repro.model import statement
from repro.model.artifact import Artifact
from repro.model.comparison import IDENTICAL
from repro.model.record import Claim
from repro.model.statement import Signing, Statement, Subject
from repro.model.verification import Compared

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAME = "minimal.iso"
GOOD, BAD, OTHER = "a" * 64, "b" * 64, "c" * 64
LOCK = "d" * 64
CLAIM = Claim(
    recipe="minimal",
    recipe_sha256="1" * 64,
    lock_sha256=LOCK,
    toolchain_sha256="2" * 64,
    pins={"debian/bookworm": "20260711T101637Z"},
    environment={"umask": "0022"},
    normalizers={},
    artifacts=(Artifact(NAME, "iso", 1000, GOOD),),
)


@dataclass(frozen=True)
class Voiced:
    """Somebody with a key of their own."""

    name: str
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def key(self) -> PublicKey:
        return of_crypto(self.private.public_key(), "", self.name)

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data)

    def says(self, said: Statement, where: str = "") -> Offered:
        return Offered(where or f"{self.name}.intoto.json", seal(statement.encode(said), IN_TOTO, [self]))


def got(
    digest: str = GOOD,
    *,
    days_ago: float = 1,
    expires_in: float | None = None,
    run: str = "",
    name: str = NAME,
    verdict: str = IDENTICAL,
    comparisons: Sequence[Compared] | None = None,
    claim: Mapping[str, Any] | None = None,
) -> Statement:
    """What somebody says who rebuilt twice and got `digest`; `run` is the id of the build, otherwise a new one."""
    global _runs  # noqa: PLW0603  (a new build id each time)
    _runs += 1
    signed = (NOW - timedelta(days=days_ago)).replace(microsecond=0)
    size = 1000
    if comparisons is None:
        members = 2 if verdict != IDENTICAL else 0
        other = digest if verdict == IDENTICAL else OTHER
        named = ("live/filesystem.squashfs → etc/machine-id",) if members else ()
        comparisons = [Compared("rebuild-1", "rebuild-2", name, digest, other, verdict, members, named, "e" * 64)]
    return Statement(
        subjects=(Subject(name, digest),),
        claim=replace(CLAIM, artifacts=(Artifact(name, "iso", size, digest),), **(claim or {})),
        verdict=statement.worst(verdict, tuple(comparisons)),
        variations=("time", "umask"),
        skipped={},
        comparisons=tuple(comparisons),
        run=Signing(
            ids=(run or f"{_runs:032x}",),
            backends=("root",),
            version="0.1.0",
            program="3" * 64,
            signed=signed,
            expires=signed + timedelta(days=expires_in) if expires_in is not None else None,
        ),
    )


_runs = 0


def write_policy(
    folder: Path, people: Sequence[Voiced], threshold: int, extra: str = "", keys: Mapping[str, str] | None = None
) -> Path:
    """A policy in `folder` that names `people`, each with their key in a file; `keys` says otherwise for some."""
    lines = ['schema = "repro/policy/v1"', f"threshold = {threshold}", extra]
    for person in people:
        (folder / f"{person.name}.pub").write_text(public_pem(person.key))
        lines += ["[[rebuilder]]", f'name = "{person.name}"']
        lines += [(keys or {}).get(person.name, f'keys = ["{person.name}.pub"]')]
    path = folder / "policy.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def altered(offered: Offered, **changes: Any) -> Offered:
    """`offered` with other values in its envelope, the signature left as it is."""
    document = json.loads(offered.data) | changes
    return Offered(offered.where, json.dumps(document).encode())
