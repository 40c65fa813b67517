"""A statement or link as the index of a published folder lists it; no signature is verified for that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from repro.attest.reading import STATEMENT, Heard, Offered, hear
from repro.attest.weighing import weigh
from repro.model.comparison import IDENTICAL
from repro.model.errors import InvalidInput
from repro.model.policy import Target
from repro.model.publication import LINK, LONGEST, MEMBERS, Entry, Got, Named, shown
from repro.model.quorum import AGREEING
from repro.model.statement import BUILT, Statement, claim_sha256
from repro.model.text import printable, still_printable
from repro.model.verification import OTHERS, Compared

_MOST = 1000  # artifacts of one file: each gets a page


def entry(offered: Offered) -> Entry:
    """What is listed of `offered`. Raises InvalidInput, with its place, where it is neither statement nor link."""
    heard = hear(offered, ())
    try:
        if why := heard.problem or heard.foreign:
            raise InvalidInput(why)
        found = _of_link(heard, offered.data) if heard.said is None else _of_statement(heard, heard.said, offered.data)
        if not found.artifacts:
            raise InvalidInput("a link without a product of which it gives the SHA-256")
        if len(found.artifacts) + len(found.examined) > _MOST:
            raise InvalidInput(f"more than {_MOST} artifacts in one document")
    except InvalidInput as error:
        raise InvalidInput(f"{printable(offered.where)}: {error.message}", hint=error.hint) from error
    return found


def _of_link(heard: Heard, data: bytes) -> Entry:
    assert heard.link
    products = ((name, hashes.get("sha256")) for name, hashes in sorted(heard.link.products.items()))
    got = tuple(Got(shown(name), digest, AGREEING) for name, digest in products if name and digest)
    return Entry(_sha256(data), len(data), LINK, got, keyids=_keyids(heard))


def _of_statement(heard: Heard, said: Statement, data: bytes) -> Entry:
    claim = said.claim
    mine = {artifact.sha256 for artifact in claim.artifacts}
    theirs = (c for c in said.comparisons if c.right in OTHERS and c.right_sha256 not in mine)
    return Entry(
        sha256=_sha256(data),
        size=len(data),
        kind=STATEMENT,
        artifacts=tuple(
            dict.fromkeys(Got(shown(a.name), a.sha256, _standing(heard, a.name, a.sha256)) for a in claim.artifacts)
        ),
        examined=tuple(dict.fromkeys(Named(shown(c.artifact), c.right_sha256) for c in theirs)),
        keyids=_keyids(heard),
        recipe=shown(claim.recipe),
        lock_sha256=claim.lock_sha256,
        verdict=said.verdict,
        signed=said.run.signed,
        expires=said.run.expires,
        claim_sha256=claim_sha256(said),
        variations=len(said.variations),
        divergent=sum(each.divergent for each in said.comparisons),
        members=tuple(_first_members(said.comparisons)),
    )


def _standing(heard: Heard, name: str, digest: str) -> str:
    """As it would be counted, if its signature were good, by a policy that takes every result."""
    return weigh(heard, Target(name=name, sha256=digest), {name}, (IDENTICAL, BUILT))[0]


def _first_members(comparisons: Iterable[Compared]) -> Iterator[str]:
    names = dict.fromkeys(name for each in comparisons for name in each.members if name)
    for name in list(names)[:MEMBERS]:
        yield still_printable(name)[:LONGEST]


def _keyids(heard: Heard) -> tuple[str, ...]:
    return tuple(dict.fromkeys(shown(name) for name in heard.names if name))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
