"""Random instances of the models, for property tests."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from repro.model.artifact import Artifact
from repro.model.cause import CONFIDENCES, Cause
from repro.model.comparison import (
    ASPECTS,
    DIFFERENT,
    IDENTICAL,
    INCONCLUSIVE,
    Account,
    Cells,
    Comparison,
    Divergence,
    Picture,
    Range,
    Row,
    Shift,
    Side,
    Summary,
    Unexamined,
)
from repro.model.lock import Lock, LockedIndex, LockedPackage
from repro.model.pin import Pin, PinSet
from repro.model.publication import Entry, Got, Named, Publication, shown
from repro.model.published import Published
from repro.model.quorum import AGREEING, DISSENTING, STANDINGS, UNKNOWN, Quorum, Voice
from repro.model.record import Claim
from repro.model.statement import BUILT, VERDICTS, Signing, Statement, Subject, stamp, worst
from repro.model.verification import Compared, Found


def words(first: str, rest: str) -> st.SearchStrategy[str]:
    """One of `first`, then some of `rest`."""
    return st.builds(str.__add__, st.sampled_from(first), st.text(rest, min_size=1, max_size=6))


SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
COUNTS = st.integers(0, 1 << 48)
NAMES = words("ab0", "az09+.-")
SLUGS = words("ab0", "az09-")
VERSIONS = words("1aZ", "09aZ.+:~-")
PATHS = st.lists(words("pP_%", "aZ0_.+~%:-"), min_size=1, max_size=4).map("/".join)
PIN_NAMES = st.builds("{}/{}".format, words("d0", "aZ9._+-"), words("b0", "aZ9./+_-"))
# What os.fsdecode makes of any bytes: text, and lone surrogates for what is not UTF-8.
FILE_NAMES = st.binary(min_size=1, max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape"))

PACKAGES = st.builds(
    LockedPackage,
    name=NAMES,
    version=VERSIONS,
    arch=st.sampled_from(["amd64", "all"]),
    source=st.builds("{} {}".format, NAMES, VERSIONS),
    path=PATHS,
    size=COUNTS,
    sha256=SHA256,
    pin=PIN_NAMES,
)
LOCKS = st.builds(
    Lock,
    recipe=SLUGS,
    inputs=SHA256,
    source_date_epoch=COUNTS,
    indexes=st.lists(st.builds(LockedIndex, pin=PIN_NAMES, path=PATHS, size=COUNTS, sha256=SHA256), max_size=3).map(
        tuple
    ),
    image=st.lists(PACKAGES, max_size=5, unique_by=lambda p: (p.name, p.arch)).map(tuple),
    toolchain=st.lists(PACKAGES, max_size=5, unique_by=lambda p: (p.name, p.arch)).map(tuple),
)

WORDS = words("aZ0", "aZ9.+_-").filter(lambda word: ".." not in word)
WORD_LISTS = st.lists(WORDS, min_size=1, max_size=3).map(tuple)
TIMESTAMPS = st.datetimes().filter(lambda t: t.year >= 1000).map(lambda t: t.strftime("%Y%m%dT%H%M%SZ"))
PINS = st.builds(
    Pin,
    archive=WORDS,
    suite=words("aZ0", "aZ9./+_-").filter(lambda suite: ".." not in suite),
    components=WORD_LISTS,
    architectures=WORD_LISTS,
    timestamp=TIMESTAMPS,
    sha256=SHA256,
    signers=st.lists(st.binary(min_size=20, max_size=20).map(lambda b: b.hex().upper()), min_size=1, max_size=3).map(
        tuple
    ),
)
PIN_SETS = st.builds(
    PinSet, name=SLUGS, pins=st.lists(PINS, min_size=1, max_size=4, unique_by=lambda pin: pin.name).map(tuple)
)

PLAIN_NAMES = words("aZ0é", "aZ9.+_- ")
ARTIFACTS = st.builds(Artifact, name=PLAIN_NAMES, kind=SLUGS, size=COUNTS, sha256=SHA256)
PUBLISHED = st.builds(
    Published,
    recipe=SLUGS,
    lock_sha256=SHA256,
    source_date_epoch=COUNTS,
    artifacts=st.lists(ARTIFACTS, min_size=1, max_size=3, unique_by=lambda a: a.name).map(tuple),
)

LOCATIONS = st.lists(FILE_NAMES, max_size=3).map(tuple)
FACTS = st.none() | st.fixed_dictionaries({}, optional={"size": COUNTS, "sha256": SHA256, "mode": st.just("0644")})
ACCOUNTS = st.builds(
    Account,
    location=LOCATIONS,
    format=SLUGS,
    rows=st.lists(st.builds(Row, SLUGS, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans()), max_size=2).map(tuple),
    moved=COUNTS,
    shifts=st.lists(st.builds(Shift, COUNTS, COUNTS, COUNTS), max_size=2).map(tuple),
)
CELLS = st.lists(st.builds(Cells, st.integers(1, 9), COUNTS, COUNTS), max_size=2).map(tuple)
CAUSES = st.builds(
    Cause,
    label=SLUGS,
    confidence=st.sampled_from(CONFIDENCES),
    evidence=st.lists(st.text(max_size=20), max_size=2).map(tuple),
    remedy=st.text(max_size=20),
    link=st.text(max_size=20),
)
COMPARISONS = st.builds(
    Comparison,
    left=st.builds(Side, name=FILE_NAMES, size=COUNTS, sha256=SHA256),
    right=st.builds(Side, name=FILE_NAMES, size=st.none() | COUNTS, sha256=SHA256),
    verdict=st.sampled_from([IDENTICAL, DIFFERENT, INCONCLUSIVE]),
    summary=st.builds(Summary, COUNTS, COUNTS, COUNTS, COUNTS),
    divergences=st.lists(
        st.builds(
            Divergence,
            location=LOCATIONS,
            aspects=st.lists(st.sampled_from(ASPECTS), min_size=1, unique=True).map(lambda a: tuple(sorted(a))),
            left=FACTS,
            right=FACTS,
            ranges=st.lists(
                st.builds(Range, st.sampled_from(["left", "right", "both"]), COUNTS, COUNTS, SLUGS), max_size=2
            ).map(tuple),
            cause=st.none() | SLUGS,
            package=st.none() | NAMES,
            detail=st.none() | st.text(max_size=20),
            causes=st.lists(CAUSES, max_size=2).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    unexamined=st.lists(st.builds(Unexamined, LOCATIONS, SLUGS), max_size=2).map(tuple),
    tools=st.dictionaries(SLUGS, VERSIONS, max_size=2),
    accounts=st.lists(ACCOUNTS, max_size=2).map(tuple),
    picture=st.none()
    | st.builds(Picture, st.integers(1, 1 << 40), st.lists(SLUGS, max_size=2).map(tuple), CELLS, CELLS),
    interrupted=st.booleans(),
)

TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda t: t.replace(microsecond=0, tzinfo=UTC))
TEXTS = st.text(min_size=1, max_size=9)  # not even half a surrogate pair is ruled out
COMPARED = st.builds(
    Compared,
    left=TEXTS,
    right=st.sampled_from(["rebuild-2", "against", "published"]),
    artifact=PLAIN_NAMES,
    left_sha256=SHA256,
    right_sha256=SHA256,
    verdict=st.sampled_from([IDENTICAL, DIFFERENT, INCONCLUSIVE]),
    divergent=COUNTS,
    members=st.lists(st.text(max_size=20), max_size=3).map(tuple),
    comparison_sha256=st.none() | SHA256,
)
COMPARED_LISTS = st.lists(COMPARED, max_size=3).map(tuple)
VARIED = {
    "variations": st.lists(TEXTS, max_size=3).map(tuple),
    "skipped": st.dictionaries(TEXTS, st.text(max_size=20), max_size=2),
}
VERIFICATIONS = st.builds(
    Found,
    recipe=TEXTS,
    verdict=st.sampled_from([IDENTICAL, DIFFERENT, INCONCLUSIVE]),
    build_sha256=SHA256,
    **VARIED,
    comparisons=COMPARED_LISTS,
)
CLAIMS = st.builds(
    Claim,
    recipe=TEXTS,
    recipe_sha256=SHA256,
    lock_sha256=SHA256,
    toolchain_sha256=SHA256,
    pins=st.dictionaries(PIN_NAMES, TIMESTAMPS, max_size=2),
    environment=st.dictionaries(TEXTS, st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3)), max_size=3),
    normalizers=st.dictionaries(SLUGS, COUNTS, max_size=2),
    artifacts=st.lists(ARTIFACTS, min_size=1, max_size=3, unique=True).map(tuple),
)
STATEMENTS = st.builds(
    lambda comparisons, **fields: Statement(
        comparisons=comparisons, verdict=worst(BUILT, tuple(comparisons)), **fields
    ),
    comparisons=COMPARED_LISTS,
    subjects=st.lists(st.builds(Subject, PLAIN_NAMES, SHA256), min_size=1, max_size=3, unique=True).map(tuple),
    claim=CLAIMS,
    **VARIED,
    run=st.builds(
        Signing,
        ids=st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple),
        backends=st.lists(TEXTS, max_size=3).map(tuple),
        version=VERSIONS,
        program=SHA256,
        signed=TIMES,
        expires=st.none() | TIMES,
    ),
)
QUORUMS = st.builds(
    Quorum,
    artifact=st.text(max_size=9),
    sha256=st.just("") | SHA256,
    threshold=st.integers(1, 9),
    rebuilders=st.integers(1, 9),
    veto=st.booleans(),
    unreached=st.lists(TEXTS, max_size=2).map(tuple),
    voices=st.lists(
        st.builds(
            Voice,
            where=st.text(max_size=9),
            standing=st.sampled_from(STANDINGS),
            reason=TEXTS,
            rebuilder=st.text(max_size=9),
            keyid=st.text(max_size=9),
            kind=st.sampled_from(["", "statement", "link"]),
            sha256=st.just("") | SHA256,
            claim_sha256=st.just("") | SHA256,
            signed=st.just("") | TIMES.map(stamp),
            counted=st.booleans(),
            forged=st.booleans(),
        ),
        max_size=4,
    ).map(tuple),
)

LABELS = TEXTS.map(shown)
STANDING = st.sampled_from([AGREEING, DISSENTING, UNKNOWN])
ENTRIES = st.builds(
    Entry,
    sha256=SHA256,
    size=COUNTS,
    kind=st.sampled_from(["statement", "link"]),
    artifacts=st.lists(st.builds(Got, LABELS, SHA256, STANDING), max_size=3).map(tuple),
    examined=st.lists(st.builds(Named, LABELS, SHA256), max_size=2).map(tuple),
    keyids=st.lists(LABELS, max_size=2).map(tuple),
    recipe=st.none() | LABELS,
    lock_sha256=st.none() | SHA256,
    verdict=st.none() | st.sampled_from(VERDICTS),
    signed=st.none() | TIMES,
    expires=st.none() | TIMES,
    claim_sha256=st.none() | SHA256,
    variations=COUNTS,
    divergent=COUNTS,
    members=st.lists(LABELS, max_size=5).map(tuple),
)
PUBLICATIONS = st.builds(
    Publication,
    entries=st.lists(ENTRIES, max_size=4, unique_by=lambda entry: entry.sha256).map(tuple),
    title=st.sampled_from(["Rebuild statements", "é & <b>"]),
    base_url=st.none() | st.sampled_from(["https://example.org/", "http://[::1]:8000/a/b%20c/"]),
)
