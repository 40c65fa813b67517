"""Say what was found, sign it, and count what others say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from repro.attest import quorum as counting
from repro.attest.envelope import IN_TOTO, seal
from repro.attest.gather import gather
from repro.attest.link import make_link
from repro.attest.provenance import PREDICATE_TYPE, provenance
from repro.attest.results import HASHES, Results, statement_of
from repro.attest.signers import Signer
from repro.attest.statements import statement as about
from repro.attest.trusted import Trusted
from repro.model import lock as locks
from repro.model import statement
from repro.model.artifact import Artifact
from repro.model.comparison import IDENTICAL
from repro.model.errors import InvalidInput, Unavailable
from repro.model.lock import Lock
from repro.model.policy import Target
from repro.model.quorum import Quorum
from repro.pipeline.loading import Loaded
from repro.system.http import Http
from repro.system.progress import Observer

STATEMENT = "{}.rebuild.intoto.json"  # of a recipe, in its output folder


def attest(
    results: Results, loaded: Loaded, lock: Lock, signer: Signer, *, valid_for: timedelta | None
) -> dict[str, bytes]:
    """The documents that say what `results` are, by file name: the signed statement, whatever the verdict; where it is
    positive and the key is an ed25519 one, a legacy in-toto link an artifact; a signed SLSA provenance; the bill of
    materials.

    Raises InvalidInput where the lock is not the one that was built from, and what `signer` raises.
    """
    from repro.attest.bom import bill_of_materials  # noqa: PLC0415  (the library takes a second to import)

    claim = results.first.claim
    if locks.digest(lock) != claim.lock_sha256:
        hint = "run `repro verify` again, then attest"
        raise InvalidInput(f"{loaded.lock_path} has changed since {results.folder} was built", hint=hint)
    now = datetime.now(UTC).replace(microsecond=0)
    said = statement_of(results, now, now + valid_for if valid_for else None)
    name = claim.recipe
    bill = bill_of_materials(claim, lock, loaded.pins)
    byproducts = (results.build, Artifact(f"{name}.cdx.json", "bom", len(bill), hashlib.sha256(bill).hexdigest()))
    builder = f"urn:repro:key:{signer.key.keyid}"
    predicate = provenance(results.first, lock, loaded.pins, builder=builder, byproducts=byproducts)
    origin = about(claim.artifacts, PREDICATE_TYPE, predicate)
    documents = {
        STATEMENT.format(name): seal(statement.encode(said), IN_TOTO, [signer]),
        f"{name}.provenance.intoto.json": seal(origin, IN_TOTO, [signer]),
        f"{name}.cdx.json": bill,
    }
    if said.verdict == IDENTICAL and signer.key.kind == "ed25519":
        material = locks.encode(lock).encode()
        materials = {"recipe.lock": {name: hashlib.new(name, material).hexdigest() for name in HASHES}}
        for artifact in claim.artifacts:
            products = {artifact.name: results.hashes[artifact.name]}
            documents[f"{artifact.name}.link"] = make_link(artifact.name, materials, products, signer)
    return documents


def hold_quorum(
    trusted: Trusted, target: Target, sources: Sequence[str], http: Http, observer: Observer, *, own: Path | None = None
) -> Quorum:
    """Count what `sources` (files, folders, addresses; the policy's where there are none) say of `target`.

    An address that does not answer is part of the result. Raises Unavailable where none does, InvalidInput where it is
    not known what to count or where statements are.
    """
    wanted = sources or trusted.policy.statements
    if not wanted:
        hint = "name files, a folder or an address, or put `statements = […]` into the policy"
        raise InvalidInput("there are no statements to count", hint=hint)
    lost: dict[str, Unavailable] = {}
    offered = gather([*wanted, *([str(own)] if own else [])], http, observer, unreached=lost.__setitem__)
    if len(lost) == len(set(wanted)):
        raise next(iter(lost.values()))
    found = counting.count(offered, trusted, target, datetime.now(UTC), observer)
    return replace(found, unreached=tuple(f"{source}: {error.message}" for source, error in lost.items()))


def complete(target: Target, *, name: str = "", sha256: str = "", recipe: str = "", lock_sha256: str = "") -> Target:
    """`target` of a policy with what the caller knows; a digest or a lock that contradicts it is InvalidInput."""
    for what, asked, fixed in (("digest", sha256, target.sha256), ("lock", lock_sha256, target.lock_sha256)):
        if asked and fixed and asked != fixed:
            raise InvalidInput(
                f"the policy is about another {what}: {fixed[:12]}…, not {asked[:12]}…",
                hint="give the artifact that the policy names, or take it out of the policy",
            )
    return replace(
        target,
        name=target.name or name,
        sha256=target.sha256 or sha256,
        recipe=target.recipe or recipe,
        lock_sha256=target.lock_sha256 or lock_sha256,
    )
