"""Who counts and who does not: against a naive count over random histories, and each rule by itself."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.attest.envelope import IN_TOTO, seal
from repro.attest.link import make_link
from repro.attest.quorum import count
from repro.attest.reading import Offered
from repro.attest.trusted import Trusted, load_policy
from repro.model import policy, statement
from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE
from repro.model.errors import InvalidInput
from repro.model.policy import Target
from repro.model.quorum import AGREEING, DISSENTING, INVALID, UNKNOWN, Quorum, Voice
from repro.model.verification import Compared
from repro.system.progress import Null
from tests.attest.voices import BAD, GOOD, LOCK, NAME, NOW, OTHER, Voiced, altered, got, write_policy

PEOPLE = tuple(Voiced(name) for name in ("alice", "bob", "carol", "dave", "erin"))
ALICE, BOB, CAROL, DAVE, ERIN = PEOPLE
MALLORY = Voiced("mallory")
TARGET = Target(name=NAME, sha256=GOOD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies")


@pytest.fixture(scope="module")
def trusted(folder: Path) -> Trusted:
    return load_policy(write_policy(folder, PEOPLE, 3))


def counted(trusted: Trusted, *offered: Offered, target: Target = TARGET) -> Quorum:
    return count(offered, trusted, target, NOW, Null())


def only(found: Quorum) -> Voice:
    (voice,) = found.voices
    return voice


def with_policy(trusted: Trusted, **changes: object) -> Trusted:
    return replace(trusted, policy=replace(trusted.policy, **changes))  # type: ignore[arg-type]


def test_three_of_five(trusted: Trusted) -> None:
    found = counted(trusted, *(person.says(got()) for person in (ALICE, BOB, CAROL)))
    assert found.met and found.counted(AGREEING) == ("alice", "bob", "carol")
    assert len({voice.claim_sha256 for voice in found.voices}) == 1, "who agrees says the same claim"
    assert not counted(trusted, ALICE.says(got()), BOB.says(got())).met


def test_an_altered_image_meets_the_dissent_of_all(trusted: Trusted) -> None:
    offered = [person.says(got()) for person in PEOPLE]
    found = counted(trusted, *offered, target=replace(TARGET, sha256=BAD))
    assert not found.met and found.counted(AGREEING) == ()
    assert found.counted(DISSENTING) == ("alice", "bob", "carol", "dave", "erin")
    assert all(voice.sha256 == GOOD and GOOD[:12] in voice.reason for voice in found.voices)


def test_a_dissent_is_shown_and_may_be_a_veto(trusted: Trusted) -> None:
    offered = [*(person.says(got()) for person in (ALICE, BOB, CAROL)), DAVE.says(got(BAD))]
    found = counted(trusted, *offered)
    assert found.met and found.counted(DISSENTING) == ("dave",)
    assert not counted(with_policy(trusted, dissent=policy.VETO), *offered).met


@pytest.mark.parametrize(
    ("said", "standing", "words"),
    [
        (got(), AGREEING, "rebuilt it, also with 2 things varied"),
        (got(verdict="built", comparisons=()), AGREEING, "built it once"),
        (got(verdict=DIFFERENT), DISSENTING, "its own rebuilds differ: 2 members differ, first live/filesystem.squ"),
        (got(verdict=INCONCLUSIVE), UNKNOWN, "inconclusive"),
        (got(BAD), DISSENTING, f"got {BAD[:12]}… for {NAME}"),
        (got(BAD, name="other.iso"), UNKNOWN, "about another artifact: other.iso"),
        (
            got(BAD, comparisons=[Compared("rebuild-1", "against", "renamed.iso", BAD, GOOD, DIFFERENT, 1, ("x",))]),
            DISSENTING,
            f"examined it, and got {BAD[:12]}…: 1 member differs, first x",
        ),
        (
            got(BAD, name="o.iso", comparisons=[Compared("rebuild-1", "against", "o.iso", BAD, GOOD, DIFFERENT)]),
            DISSENTING,
            "examined it, and got bbbbbbbbbbbb…: another digest",
        ),
        # somebody compared it with an altered image: that speaks for the one that they got
        (got(GOOD, comparisons=[Compared("rebuild-1", "against", NAME, GOOD, BAD, DIFFERENT)]), AGREEING, "built it"),
        (got(claim={"recipe": "other"}), UNKNOWN, "about recipe other, not minimal"),
        (got(claim={"lock_sha256": "9" * 64}), UNKNOWN, "about another lock: 999999999999…"),
    ],
)
def test_what_a_statement_says(trusted: Trusted, said: statement.Statement, standing: str, words: str) -> None:
    target = replace(TARGET, recipe="minimal", lock_sha256=LOCK)
    voice = only(counted(trusted, ALICE.says(said), target=target))
    assert (voice.standing, words in voice.reason) == (standing, True), voice.reason


def test_built_once_counts_only_where_the_policy_takes_it(trusted: Trusted) -> None:
    strict = with_policy(trusted, accept=(IDENTICAL,))
    assert only(counted(strict, ALICE.says(got(verdict="built", comparisons=())))).standing == UNKNOWN
    against = [Compared("rebuild-1", "against", NAME, GOOD, GOOD, IDENTICAL)]
    assert only(counted(strict, ALICE.says(got(comparisons=against)))).standing == AGREEING


def link(person: Voiced, digest: str = GOOD, file: str = NAME) -> Offered:
    products = {file: {"sha512": "f" * 128, "sha256": digest}}
    return Offered(
        f"{person.name}.link", make_link(file, {"recipe.lock": {"sha512": "f" * 128, "sha256": LOCK}}, products, person)
    )


def test_legacy_links(trusted: Trusted) -> None:
    found = counted(trusted, link(ALICE), link(BOB), CAROL.says(got()), link(DAVE, BAD), link(ERIN, BAD, "x.iso"))
    assert found.met and found.counted(AGREEING) == ("alice", "bob", "carol"), (
        "two say the same bytes, and that is fine"
    )
    assert found.counted(DISSENTING) == ("dave",)
    assert [voice.where for voice in found.of(UNKNOWN)] == ["erin.link"]
    assert only(counted(with_policy(trusted, links=False), link(ALICE))).standing == UNKNOWN
    assert only(counted(with_policy(trusted, max_age=9), link(ALICE))).standing == INVALID
    assert only(counted(trusted, link(MALLORY))).standing == UNKNOWN


def test_links_need_a_key_that_counts_today(folder: Path) -> None:
    entry = 'keys = [{ key = "alice.pub", valid_until = 2026-11-24 }]'
    trusted = load_policy(write_policy(folder, PEOPLE, 3, keys={"alice": entry}))
    assert only(counted(trusted, link(ALICE))).reason == "the key counted until 2026-11-24"


@pytest.mark.parametrize(
    ("entry", "days_ago", "why"),
    [
        ("valid_from = 2026-11-20", 5.6, "the key counts from 2026-11-20 on"),
        ("valid_from = 2026-11-20", 5.4, ""),
        ("valid_until = 2026-11-20", 4.4, "the key counted until 2026-11-20"),
        ("valid_until = 2026-11-20", 4.6, ""),
        ('revoked = "lost a laptop"', 300, "the key is revoked: lost a laptop"),
    ],
)
def test_keys_count_in_their_time(folder: Path, entry: str, days_ago: float, why: str) -> None:
    keys = {"alice": f'keys = [{{ key = "alice.pub", {entry} }}]'}
    voice = only(counted(load_policy(write_policy(folder, PEOPLE, 3, keys=keys)), ALICE.says(got(days_ago=days_ago))))
    assert (voice.standing, voice.reason if why else "") == (INVALID if why else AGREEING, why)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (got(days_ago=-1), "signed in the future"),
        (got(days_ago=-3 / 1440), ""),
        (got(days_ago=10, expires_in=9), "expired on"),
        (got(days_ago=10, expires_in=11), ""),
        (got(days_ago=31), "older than 30 days"),
        (got(days_ago=29), ""),
    ],
)
def test_statements_count_in_their_time(trusted: Trusted, said: statement.Statement, why: str) -> None:
    voice = only(counted(with_policy(trusted, max_age=30), ALICE.says(said)))
    assert voice.standing == (INVALID if why else AGREEING)
    assert voice.reason.startswith(why) if why else voice.counted


def test_several_keys_are_one_voice(folder: Path) -> None:
    second = Voiced("alice-2")
    write_policy(folder, [second], 1)
    keys = {"alice": 'keys = ["alice.pub", "alice-2.pub"]'}
    trusted = load_policy(write_policy(folder, PEOPLE, 3, keys=keys))
    found = counted(trusted, ALICE.says(got()), second.says(got()), BOB.says(got()))
    assert not found.met and found.counted(AGREEING) == ("alice", "bob")
    assert len(found.of(AGREEING)) == 3
    assert [v.reason.rpartition("; ")[2] for v in found.of(AGREEING) if not v.counted] in (
        ["counted by alice.intoto.json"],
        ["counted by alice-2.intoto.json"],
    )


def test_the_last_word_counts(trusted: Trusted) -> None:
    first, later = ALICE.says(got(days_ago=9), "first"), ALICE.says(got(BAD, days_ago=2), "later")
    for offered in ([first, later], [later, first]):
        found = counted(trusted, *offered)
        assert (found.counted(AGREEING), found.counted(DISSENTING)) == ((), ("alice",))
        assert found.of(AGREEING)[0].reason.endswith("superseded by later")
    assert counted(trusted, first, ALICE.says(got(days_ago=2), "again")).counted(AGREEING) == ("alice",)
    same_time = counted(trusted, ALICE.says(got(days_ago=2), "yes"), ALICE.says(got(BAD, days_ago=2), "no"))
    assert same_time.counted(DISSENTING) == ("alice",), "of two at the same time the dissenting one"


def test_replays(trusted: Trusted) -> None:
    said = got()
    copies = [ALICE.says(said, "a"), ALICE.says(said, "b"), altered(ALICE.says(said, "c"), comment="reformatted")]
    found = counted(trusted, *copies)
    assert found.counted(AGREEING) == ("alice",)
    assert [voice.reason for voice in found.of(INVALID)] == ["replayed: the same statement as a"] * 2
    # somebody who is trusted signs what another did, as it is or as a statement of their own
    stolen = replace(said, run=replace(said.run, signed=said.run.signed + timedelta(hours=1)))
    for theirs in (BOB.says(said), BOB.says(stolen)):
        found = counted(trusted, ALICE.says(said, "a"), theirs)
        assert found.counted(AGREEING) == ("alice",)
        assert "it tells of the build of alice" in found.of(INVALID)[0].reason
    together = Offered("both", seal(statement.encode(said), IN_TOTO, [ALICE, BOB]))
    assert counted(trusted, together).counted(AGREEING) == ("alice",), "one build is one voice"


def test_a_forged_copy_does_not_push_out_the_original(trusted: Trusted) -> None:
    said = ALICE.says(got(), "z")
    signature = base64.b64encode(b"\0" * 64).decode()
    forged = altered(replace(said, where="a"), signatures=[{"keyid": ALICE.key.keyid, "sig": signature}])
    found = counted(trusted, forged, said)
    assert found.counted(AGREEING) == ("alice",)
    assert [(voice.where, voice.forged) for voice in found.of(INVALID)] == [("a", True)]


def test_strangers_and_impostors(trusted: Trusted) -> None:
    stranger = only(counted(trusted, MALLORY.says(got())))
    assert (stranger.standing, stranger.reason) == (UNKNOWN, "signed by no key of the policy")
    assert stranger.rebuilder == ""
    envelope = seal(statement.encode(got()), IN_TOTO, [MALLORY])
    impostor = Offered("x", envelope.replace(MALLORY.key.keyid.encode(), ALICE.key.keyid.encode()))
    voice = only(counted(trusted, impostor))
    assert (voice.standing, voice.forged, voice.rebuilder) == (INVALID, True, "")


def test_a_signature_over_something_else(trusted: Trusted) -> None:
    good = ALICE.says(got())
    other = base64.b64encode(statement.encode(got(BAD))).decode()
    assert only(counted(trusted, altered(good, payload=other))).forged
    assert only(counted(trusted, altered(good, payloadType="text/plain"))).forged
    wrong_type = Offered("x", seal(statement.encode(got()), "application/vnd.in-toto+json; charset=utf-8", [ALICE]))
    assert "payload type" in only(counted(trusted, wrong_type)).reason
    provenance = statement.wrap([{"name": NAME}], "https://slsa.dev/provenance/v1", {"buildDefinition": {}})
    voice = only(counted(trusted, Offered("x", seal(provenance, IN_TOTO, [ALICE]))))
    assert (voice.standing, voice.rebuilder) == (UNKNOWN, "alice")
    rubbish = only(counted(trusted, Offered("x", seal(b'{"_type": 1}', IN_TOTO, [ALICE]))))
    assert (rubbish.standing, rubbish.rebuilder) == (INVALID, "alice")


@pytest.mark.parametrize("field", ["verdict", "comparisons", "claim", "run", "variations"])
def test_a_statement_that_lacks_something(trusted: Trusted, field: str) -> None:
    raw = statement.encode(got()).decode()
    broken = raw.replace(f'"{field}":', f'"{field}s":')
    assert broken != raw
    assert only(counted(trusted, Offered("x", seal(broken.encode(), IN_TOTO, [ALICE])))).standing == INVALID


def test_a_verdict_that_is_better_than_its_comparisons(trusted: Trusted) -> None:
    said = replace(got(verdict=DIFFERENT), verdict=IDENTICAL)
    voice = only(counted(trusted, ALICE.says(said)))
    assert (voice.standing, "better than" in voice.reason) == (INVALID, True)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"payload": 1}', b'{"signed": 1}', b'{"a": 1, "a": 2}',
        b"[" * 100_000, b'{"payload": NaN}', b"{}", b'{"payload": "e30=", "payloadType": "x", "signatures": []}',
        b"\x28\xb5\x2f\xfd\0\0",
        b'{"signatures": [], "signed": {"_type": "layout"}}', b"0" * (5 << 20),
    ],
    ids=lambda data: repr(data[:24]),
)  # fmt: skip
def test_what_is_no_statement(trusted: Trusted, data: bytes) -> None:
    offered = [Offered("rubbish", data), *(person.says(got()) for person in (ALICE, BOB, CAROL))]
    found = counted(trusted, *offered)
    assert found.met, "rubbish beside good statements does no harm"
    (voice,) = found.of(INVALID)
    assert voice.where == "rubbish" and voice.reason and not voice.forged


def test_what_could_not_be_read_is_listed(trusted: Trusted) -> None:
    assert only(counted(trusted, Offered("x", b"", refused="not a regular file"))).reason == "not a regular file"


def test_without_a_digest_the_majority_is_counted(trusted: Trusted) -> None:
    target = Target(name=NAME)
    offered = [ALICE.says(got()), BOB.says(got()), CAROL.says(got()), DAVE.says(got(BAD)), ERIN.says(got(BAD))]
    found = counted(trusted, *offered, target=target)
    assert (found.met, found.sha256, found.counted(DISSENTING)) == (True, GOOD, ("dave", "erin"))
    even = counted(with_policy(trusted, threshold=2), *offered[1:], target=target)
    assert (even.met, even.sha256, even.counted(AGREEING)) == (False, "", ())
    assert len(even.counted(DISSENTING)) == 4
    assert counted(trusted, target=target).voices == ()
    with pytest.raises(InvalidInput, match="which artifact"):
        counted(trusted, target=Target())


def test_ten_thousand_statements(trusted: Trusted) -> None:
    rng = random.Random(4)
    said = [got(rng.choice((GOOD, GOOD, BAD)), days_ago=rng.uniform(2, 300)) for _ in range(10_000)]
    offered = [PEOPLE[n % 5].says(each, f"{n}") for n, each in enumerate(said)]
    offered += [person.says(got(days_ago=1), f"last-{person.name}") for person in PEOPLE]
    found = counted(trusted, *offered)
    assert found.counted(AGREEING) == tuple(person.name for person in PEOPLE)
    assert {voice.where for voice in found.voices if voice.counted} == {f"last-{person.name}" for person in PEOPLE}
    assert len(found.voices) == len(offered)


# An event: who signs (0..4 are in the policy, 5 is not), which digest, how many days ago, whether it has expired,
# whether its signature is broken, and whether it is offered twice.
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([GOOD, BAD, OTHER]),
        st.integers(1, 40),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)


def naive(events: Sequence[tuple[int, str, int, bool, bool, bool]], digest: str) -> tuple[set[str], set[str]]:
    """Who agrees and who dissents, by the latest good word of each."""
    agreeing, dissenting = set(), set()
    for number, person in enumerate(PEOPLE):
        good = [
            (days, said != digest) for who, said, days, old, broken, _ in events if who == number and not old | broken
        ]
        if good:
            youngest = min(days for days, _ in good)
            against = any(other for days, other in good if days == youngest)
            (dissenting if against else agreeing).add(person.name)
    return agreeing, dissenting


@settings(max_examples=150)
@given(events=EVENTS, digest=st.sampled_from([GOOD, BAD]), order=st.randoms(use_true_random=False))
def test_against_a_naive_count(
    trusted: Trusted, events: list[tuple[int, str, int, bool, bool, bool]], digest: str, order: random.Random
) -> None:
    offered = []
    for number, (who, said, days, old, broken, twice) in enumerate(events):
        person = (*PEOPLE, MALLORY)[who]
        each = person.says(got(said, days_ago=days, expires_in=days - 0.5 if old else None), f"{number}")
        if broken:
            each = altered(each, payload=base64.b64encode(statement.encode(got(said))).decode())
        offered += [each, replace(each, where=f"{number} again")] if twice else [each]
    order.shuffle(offered)
    found = counted(trusted, *offered, target=Target(name=NAME, sha256=digest))
    agreeing, dissenting = naive(events, digest)
    assert (set(found.counted(AGREEING)), set(found.counted(DISSENTING))) == (agreeing, dissenting)
    assert found.met == (len(agreeing) >= 3)
    assert len(found.voices) == len(offered)
    assert found.forged == sum((1 + twice) * (broken and who < 5) for who, _, _, _, broken, twice in events)
    assert sum(voice.counted for voice in found.voices) == len(agreeing) + len(dissenting)
