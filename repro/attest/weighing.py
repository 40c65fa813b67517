"""What one statement or link says about an artifact: that it is what its rebuilder got, that it is not, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from repro.attest.link import Link
from repro.attest.reading import Heard
from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE
from repro.model.policy import Target
from repro.model.quorum import AGREEING, DISSENTING, UNKNOWN
from repro.model.statement import BUILT, Statement
from repro.model.verification import Compared

OTHERS = ("against", "published")  # what a comparison may have on its right that its rebuilder did not build

Weighed = tuple[str, str, str]  # standing, reason, the digest that it speaks for


def speaks_for(heard: Heard, target: Target) -> str:
    """The digest that `heard` gives for the artifact called `target.name`; empty where it is about another one."""
    if heard.link:
        return heard.link.products.get(target.name, {}).get("sha256", "")
    if heard.said is None or _elsewhere(heard.said, target):
        return ""
    return next((each.sha256 for each in heard.said.claim.artifacts if each.name == target.name), "")


def weigh(heard: Heard, target: Target, names: Collection[str], accept: Collection[str]) -> Weighed:
    """What `heard` says about the artifact of digest `target.sha256`, which goes under `names`.

    `accept` are the results that count as agreement. A digest that is empty is nobody's: all who name one dissent.
    """
    if heard.link:
        return _weigh_link(heard.link, target.sha256, names)
    assert heard.said is not None
    if why := _elsewhere(heard.said, target):
        return UNKNOWN, why, ""
    return _weigh_statement(heard.said, target.sha256, names, accept)


def _elsewhere(said: Statement, target: Target) -> str:
    claim = said.claim
    if target.recipe and claim.recipe != target.recipe:
        return f"about recipe {claim.recipe}, not {target.recipe}"
    if target.lock_sha256 and claim.lock_sha256 != target.lock_sha256:
        return f"about another lock: {claim.lock_sha256[:12]}…"
    return ""


def _weigh_link(link: Link, digest: str, names: Collection[str]) -> Weighed:
    products = {name: hashes.get("sha256", "") for name, hashes in link.products.items()}
    if digest and digest in products.values():
        return AGREEING, "legacy link: rebuilt it", digest
    named = next((name for name in sorted(products) if name in names and products[name]), None)
    if named:
        return DISSENTING, f"legacy link: rebuilt {named} and got {products[named][:12]}…", products[named]
    return UNKNOWN, f"about another artifact: {', '.join(sorted(products)[:3]) or 'none'}", ""


def _weigh_statement(said: Statement, digest: str, names: Collection[str], accept: Collection[str]) -> Weighed:
    mine = {artifact.name: artifact.sha256 for artifact in said.claim.artifacts}
    if digest and digest in mine.values():
        return (*_supports(said, {name for name in mine if mine[name] == digest}, digest, accept), digest)
    named = next((name for name in sorted(mine) if name in names), None)
    examined = next((each for each in said.comparisons if digest and digest == each.right_sha256), None)
    if named is None and examined:
        named = examined.artifact
    if named is None:
        return UNKNOWN, f"about another artifact: {', '.join(sorted(mine)[:3])}", ""
    got = mine.get(named, "")
    if examined:
        return DISSENTING, f"examined it, and got {got[:12]}…: {_difference(examined)}", got
    return DISSENTING, f"got {got[:12]}… for {named}", got


def _supports(said: Statement, names: Collection[str], digest: str, accept: Collection[str]) -> tuple[str, str]:
    """Standing and reason of a rebuilder who got `digest` for the artifact of `names`."""
    about = [each for each in said.comparisons if each.artifact in names or digest in _digests(each)]
    own = [each for each in about if each.right not in OTHERS]
    for each in own:
        if each.verdict == DIFFERENT:
            return DISSENTING, f"its own rebuilds differ: {_difference(each)}"
    if any(each.verdict == INCONCLUSIVE for each in own):
        return UNKNOWN, "inconclusive: it could not examine its own rebuilds"
    if any(each.verdict == IDENTICAL for each in about):
        return AGREEING, f"rebuilt it{_under(said, own)}"
    if BUILT in accept:
        return AGREEING, "built it once"
    return UNKNOWN, "built it once and compared it with nothing, which the policy does not count"


def _digests(each: Compared) -> tuple[str, str]:
    return each.left_sha256, each.right_sha256


def _under(said: Statement, own: Iterable[Compared]) -> str:
    number = len(said.variations) if any(own) else 0
    if not number:
        return ""
    return f", also with {number} {'thing' if number == 1 else 'things'} varied"


def _difference(each: Compared) -> str:
    if not each.divergent:
        return "another digest"
    first = f", first {each.members[0]}" if each.members else ""
    return f"{each.divergent} {'member differs' if each.divergent == 1 else 'members differ'}{first}"
