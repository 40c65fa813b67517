"""Counting voices: which statements count, for what, and whether enough of those who are trusted agree.

In this order: is it a statement; is it signed by a key of the policy; do that key and the statement count now; is it a
copy of another; is it about the artifact; and, of several by one rebuilder, which is the last word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from repro.attest.reading import LINK, Heard, Offered, hear
from repro.attest.trusted import Trusted
from repro.attest.weighing import speaks_for, weigh
from repro.model.errors import InvalidInput
from repro.model.policy import VETO, Target
from repro.model.quorum import AGREEING, DISSENTING, INVALID, STANDINGS, UNKNOWN, Quorum, Voice
from repro.model.statement import claim_sha256, stamp
from repro.system.progress import Observer

_SKEW = timedelta(minutes=5)  # by which clocks may differ
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class _Ballot:
    """A document that a key of the policy signed, and its voice as far as it is known."""

    heard: Heard
    voice: Voice

    @property
    def when(self) -> datetime:
        return self.heard.when or _NEVER

    def settled(self, standing: str, reason: str) -> Voice:
        return replace(self.voice, standing=standing, reason=reason)


def count(offered: Sequence[Offered], trusted: Trusted, target: Target, now: datetime, observer: Observer) -> Quorum:
    """Count `offered` under the policy; `target` is the policy's, completed by what the caller knows. `now` is UTC.

    Without a digest in `target` it is found which one most rebuilders speak for. Raises InvalidInput where `target`
    has neither digest nor name.
    """
    if not target.sha256 and not target.name:
        hint = "name it with --artifact FILE|sha256:HEX, or in [artifact] of the policy"
        raise InvalidInput("it is not said which artifact is to be agreed on", hint=hint)
    voices: list[Voice] = []
    ballots: list[_Ballot] = []
    with observer.task("checking statements", len(offered)) as task:
        for each in offered:
            ballot = _admitted(hear(each, trusted.keys), trusted, now)
            if ballot.voice.standing:
                voices.append(ballot.voice)
            else:
                ballots.append(ballot)
            task.advance()
    originals, copies = _without_copies(ballots)
    digest = target.sha256 or _elected(originals, target)
    names = {name for name in (target.name, *_names_of(originals, digest)) if name}
    settled = [replace(b, voice=_weighed(b, replace(target, sha256=digest), names, trusted)) for b in originals]
    everybody = [*voices, *copies, *_last_words(settled)]
    everybody.sort(key=lambda voice: (STANDINGS.index(voice.standing), not voice.counted, voice.rebuilder, voice.where))
    policy = trusted.policy
    veto = policy.dissent == VETO
    name = target.name or min(names, default="")
    return Quorum(name, digest, policy.threshold, len(policy.rebuilders), veto, tuple(everybody))


def _admitted(heard: Heard, trusted: Trusted, now: datetime) -> _Ballot:
    """`heard` as a ballot; its voice has a standing already where it does not even reach the count."""
    voice = Voice(heard.where, "", "", kind=heard.kind, keyid=next(iter(heard.names), ""))
    if heard.when:
        voice = replace(voice, signed=stamp(heard.when))
    if heard.said:
        voice = replace(voice, claim_sha256=claim_sha256(heard.said))
    ballot = _Ballot(heard, voice)
    if not heard.signers:
        return replace(ballot, voice=_of_a_stranger(ballot, trusted))
    order = [rebuilder.name for rebuilder in trusted.policy.rebuilders]
    signers = sorted(heard.signers, key=lambda key: order.index(trusted.holders[key.keyid].rebuilder))
    when = heard.when or now  # a link does not say when: its key has to count today
    objections = {key: trusted.objection(key, when) for key in signers}
    chosen = next((key for key in signers if not objections[key]), signers[0])
    rebuilder = trusted.holders[chosen.keyid].rebuilder
    ballot = replace(ballot, voice=replace(voice, rebuilder=rebuilder, keyid=chosen.keyid))
    if heard.foreign:
        return replace(ballot, voice=ballot.settled(UNKNOWN, heard.foreign))
    if why := heard.problem or objections[chosen] or _too_old(heard, trusted, now):
        return replace(ballot, voice=ballot.settled(INVALID, why))
    if heard.kind == LINK and not trusted.policy.links:
        return replace(ballot, voice=ballot.settled(UNKNOWN, "a legacy link, which the policy does not count"))
    return ballot


def _of_a_stranger(ballot: _Ballot, trusted: Trusted) -> Voice:
    heard = ballot.heard
    if heard.wrong:
        names = {name.lower() for name in heard.names}
        claimed = next((key for key in trusted.keys if not names.isdisjoint({key.keyid, *key.aliases})), None)
        whose = f"it claims a key of {trusted.holders[claimed.keyid].rebuilder}'s: " if claimed else ""
        return replace(ballot.settled(INVALID, whose + heard.wrong[0]), forged=True)
    if heard.problem:
        return ballot.settled(INVALID, heard.problem)
    return ballot.settled(UNKNOWN, "signed by no key of the policy")


def _too_old(heard: Heard, trusted: Trusted, now: datetime) -> str:
    """What is wrong with the time of a statement, in a few words; empty where nothing is."""
    limit = trusted.policy.max_age
    if heard.said is None:
        return "it says no time, and the policy limits the age" if limit else ""
    run = heard.said.run
    if run.signed > now + _SKEW:
        return f"signed in the future: {run.signed:%Y-%m-%d %H:%M:%S} UTC"
    if run.expires and run.expires <= now:
        return f"expired on {run.expires:%Y-%m-%d}"
    if limit and run.signed < now - timedelta(days=limit):
        return f"older than {limit} days: signed on {run.signed:%Y-%m-%d}"
    return ""


def _without_copies(ballots: Iterable[_Ballot]) -> tuple[list[_Ballot], list[Voice]]:
    """`ballots` without those that repeat another or tell of a build that another rebuilder told of before."""
    originals: list[_Ballot] = []
    copies: list[Voice] = []
    said: dict[tuple[str, bytes], str] = {}
    builds: dict[str, tuple[str, str]] = {}
    for ballot in sorted(ballots, key=lambda b: (b.when, b.voice.where)):
        rebuilder, where = ballot.voice.rebuilder, ballot.voice.where
        first = said.setdefault((rebuilder, ballot.heard.signed), where)
        if first != where:
            copies.append(ballot.settled(INVALID, f"replayed: the same statement as {first}"))
            continue
        ids = ballot.heard.said.run.ids if ballot.heard.said else ()
        told = next((builds[each] for each in ids if builds.get(each, (rebuilder,))[0] != rebuilder), None)
        if told:
            copies.append(ballot.settled(INVALID, f"replayed: it tells of the build of {told[0]}, as {told[1]} does"))
            continue
        builds.update((each, (rebuilder, where)) for each in ids)
        originals.append(ballot)
    return originals, copies


def _elected(ballots: Sequence[_Ballot], target: Target) -> str:
    """The digest that most rebuilders speak for by their last word; empty where two are even, or nobody says any."""
    last: dict[str, str] = {}
    for ballot in ballots:  # in the order of time
        if digest := speaks_for(ballot.heard, target):
            last[ballot.voice.rebuilder] = digest
    ranking = Counter(last.values()).most_common(2)
    if not ranking or (len(ranking) > 1 and ranking[0][1] == ranking[1][1]):
        return ""
    return ranking[0][0]


def _names_of(ballots: Iterable[_Ballot], digest: str) -> Iterator[str]:
    """The names under which the artifact of this digest goes."""
    for ballot in ballots:
        if ballot.heard.said:
            artifacts = ballot.heard.said.claim.artifacts
            yield from (artifact.name for artifact in artifacts if artifact.sha256 == digest)
        elif ballot.heard.link:
            products = ballot.heard.link.products.items()
            yield from (name for name, hashes in products if hashes.get("sha256") == digest)


def _weighed(ballot: _Ballot, target: Target, names: Collection[str], trusted: Trusted) -> Voice:
    standing, reason, digest = weigh(ballot.heard, target, names, trusted.policy.accept)
    return replace(ballot.settled(standing, reason), sha256=digest)


def _last_words(ballots: Iterable[_Ballot]) -> Iterator[Voice]:
    """Each voice; of those of one rebuilder the latest counts, and where two are of one time, the dissenting one."""
    of: dict[str, list[_Ballot]] = {}
    for ballot in ballots:
        if ballot.voice.standing in (AGREEING, DISSENTING):
            of.setdefault(ballot.voice.rebuilder, []).append(ballot)
        else:
            yield ballot.voice
    for several in of.values():
        several.sort(key=lambda b: (b.when, b.voice.standing == DISSENTING, b.voice.where))
        last = several.pop()
        yield replace(last.voice, counted=True)
        for ballot in several:
            how = "counted by" if ballot.voice.standing == last.voice.standing else "superseded by"
            yield replace(ballot.voice, reason=f"{ballot.voice.reason}; {how} {last.voice.where}")
