"""Statements and links by real keys, for tests of what is gathered and published."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from repro.attest.envelope import IN_TOTO, seal
from repro.attest.link import make_link
from repro.attest.signers import Signer, generate, open_signer
from repro.model.artifact import Artifact
from repro.model.record import Claim
from repro.model.statement import BUILT, Signing, Statement, Subject, encode, stamp, worst
from repro.model.verification import Compared

START = datetime(2026, 11, 1, 9, tzinfo=UTC)


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


@cache
def signer(name: str) -> Signer:
    """A key of its own for each name."""
    with TemporaryDirectory() as folder:
        files = generate(Path(folder, "k"), "", name, unprotected=True)
        return open_signer(str(files.private), lambda prompt: "")


def compared(left: str, right: str, verdict: str, digests: tuple[str, str], members: Sequence[str] = ()) -> Compared:
    return Compared(left, right, "minimal.iso", *digests, verdict, len(members), tuple(members))


def rebuilt(
    got: Mapping[str, str],
    comparisons: Sequence[Compared] = (),
    *,
    day: int = 0,
    recipe: str = "minimal",
    lock: str = "lock",
    varied: Sequence[str] = (),
    expires: datetime | None = None,
) -> Statement:
    """What somebody says who got artifacts of these SHA-256 by name; `day` is when, counted from START."""
    artifacts = tuple(Artifact(name, "iso", 1000, digest) for name, digest in got.items())
    claim = Claim(
        recipe, sha256("recipe"), sha256(lock), sha256("toolchain"), {"debian/bookworm": "20260711T101637Z"},
        {"timezone": "UTC"}, {}, artifacts,
    )  # fmt: skip
    run = Signing(
        (sha256(f"{got} {day}")[:32],), ("root",), "0.1.0", sha256("program"), START + timedelta(days=day), expires
    )
    subjects = tuple(Subject(name, digest) for name, digest in got.items())
    return Statement(subjects, claim, worst(BUILT, tuple(comparisons)), tuple(varied), {}, tuple(comparisons), run)


def sealed(statement: Statement, *names: str) -> bytes:
    """`statement` signed by the keys of these names."""
    return seal(encode(statement), IN_TOTO, [signer(name) for name in names or ("alice",)])


def link(products: Mapping[str, str], name: str = "alice") -> bytes:
    """A legacy link of whoever got products of these SHA-256 by name."""
    hashes = {product: {"sha256": digest, "sha512": digest * 2} for product, digest in products.items()}
    return make_link(next(iter(products)), {}, hashes, signer(name))


def many(number: int) -> dict[str, bytes]:
    """`number` statements, by file name, about a twentieth as many digests; the signatures are of no key."""
    found = {}
    for n in range(number):
        if n % 20 == 0:
            digest = sha256(f"image {n // 20}")
            same = compared("rebuild-1", "rebuild-2", "identical", (digest, digest))
            first = encode(rebuilt({"minimal.iso": digest}, [same], lock=f"lock {n // 100}"))
        said = first.replace(stamp(START).encode(), stamp(START + timedelta(days=n)).encode())
        payload = base64.b64encode(said)
        signature = {"keyid": sha256(f"key {n % 7}"), "sig": base64.b64encode(bytes([n % 256]) * 64).decode()}
        envelope = {"payload": payload.decode(), "payloadType": IN_TOTO, "signatures": [signature]}
        found[f"{n % 100:02}/{n}.intoto.json"] = json.dumps(envelope).encode()
    return found


def several() -> dict[str, bytes]:
    """By file name: two who agree, one who does not, one who cannot say, one about an older lock, and a link."""
    new, old, other = sha256("new"), sha256("old"), sha256("other")
    iso = "minimal.iso"
    members = ["boot/grub/efi.img", "live/filesystem.squashfs → etc/machine-id", *(f"usr/{n}" for n in range(9))]
    same = compared("rebuild-1", "rebuild-2", "identical", (new, new))
    unsure = compared("rebuild-1", "rebuild-2", "inconclusive", (new, sha256("x")))
    differs = compared("rebuild-1", "against", "different", (other, new), members)
    return {
        "alice.intoto.json": sealed(rebuilt({iso: new}, [same], day=20, varied=("clock", "umask", "cpus")), "alice"),
        "bob.intoto.json": sealed(
            rebuilt({iso: new}, [same], day=21, expires=START + timedelta(days=400)), "bob", "bob's other key"
        ),
        "carol.intoto.json": sealed(rebuilt({iso: other}, [differs], day=22), "carol"),
        "dave.intoto.json": sealed(rebuilt({iso: new}, [unsure], day=19), "dave"),
        "early.intoto.json": sealed(rebuilt({iso: old}, day=1, lock="older"), "alice"),
        "zstd_1.5.4_amd64.link": link({"zstd_1.5.4+dfsg2-5_amd64.deb": sha256("deb")}, "erin"),
    }
