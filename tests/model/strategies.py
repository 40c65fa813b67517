"""Random instances of the models, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from repro.model.artifact import Artifact
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
from repro.model.published import Published


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
    inrelease_sha256=SHA256,
    signers=st.lists(st.binary(min_size=20, max_size=20).map(lambda b: b.hex().upper()), min_size=1, max_size=3).map(
        tuple
    ),
)
PIN_SETS = st.builds(
    PinSet, name=SLUGS, pins=st.lists(PINS, min_size=1, max_size=4, unique_by=lambda pin: pin.name).map(tuple)
)

ARTIFACTS = st.builds(Artifact, name=FILE_NAMES, kind=SLUGS, size=COUNTS, sha256=SHA256)
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
