"""Finding stanzas in a Packages index: the archive's own bytes, as an independent reader finds them."""

from __future__ import annotations

import random

import pytest
from debian.deb822 import Packages

from repro.lock.index import locked, stanzas, subset
from repro.model.errors import IntegrityFailure
from repro.model.lock import Lock
from tests.lock.archive import SMALL, index, stanza

SLICE = 1 << 20


@pytest.fixture(scope="module")
def part(index: bytes) -> bytes:
    """The first thousand stanzas or so of the real index."""
    return index[: index.index(b"\n\n", SLICE) + 1]


@pytest.fixture(scope="module")
def oracle(part: bytes) -> list[Packages]:
    return list(Packages.iter_paragraphs(part, use_apt_pkg=False))


def test_every_stanza_is_as_another_reader_has_it(part: bytes, oracle: list[Packages]) -> None:
    found = stanzas(part, [paragraph["SHA256"] for paragraph in oracle])
    assert list(found) == list(dict.fromkeys(paragraph["SHA256"] for paragraph in oracle))
    assert len(oracle) > 500
    for paragraph in oracle:
        bytes_found = found[paragraph["SHA256"]]
        assert bytes_found in part
        assert dict(Packages(bytes_found)) == dict(paragraph)
        package = locked(bytes_found, "debian/bookworm")
        assert (package.name, package.version, package.arch) == tuple(
            paragraph[key] for key in ("Package", "Version", "Architecture")
        )
        assert package.source == f"{paragraph.source} {paragraph.source_version}"
        assert (package.path, package.size, package.sha256) == (
            paragraph["Filename"],
            int(paragraph["Size"]),
            paragraph["SHA256"],
        )
    assert b"\n\n".join(found.values()) == part.strip(b"\n")  # nothing is lost or altered between them


def test_a_random_few(part: bytes, oracle: list[Packages]) -> None:
    chosen = random.Random(1).sample(oracle, 50)
    hashes = [paragraph["SHA256"] for paragraph in chosen]
    assert set(stanzas(part, hashes)) == set(hashes)
    assert stanzas(part, ["0" * 64]) == {}
    assert stanzas(part, []) == {}
    assert stanzas(b"", hashes) == {}


def test_a_subset_is_exactly_what_is_asked_in_its_order(index: bytes, lock: Lock) -> None:
    """On the real lock, against the real index, and read back by another reader."""
    text = subset({"debian/bookworm": index}, lock.image)
    back = list(Packages.iter_paragraphs(text, use_apt_pkg=False))
    said = [(paragraph["Package"], paragraph["Version"], paragraph["SHA256"]) for paragraph in back]
    assert said == [(package.name, package.version, package.sha256) for package in lock.image]
    assert all(part + b"\n" in index for part in text.split(b"\n\n") if part)
    assert [locked(part, "debian/bookworm") for part in text.split(b"\n\n") if part] == list(lock.image)


def test_what_the_index_does_not_have() -> None:
    app = locked(stanza("app").encode(), "one")
    gone = locked(stanza("gone").encode(), "one")
    assert subset({"one": SMALL}, []) == b""
    with pytest.raises(IntegrityFailure, match="does not have gone") as failed:
        subset({"one": SMALL}, [gone])
    assert "repro lock" in failed.value.hint
    with pytest.raises(IntegrityFailure, match="does not have app"):
        subset({"two": SMALL}, [app])  # another pin's index does not count
    with pytest.raises(IntegrityFailure):
        subset({}, [app])


def test_a_deb_that_is_listed_twice_counts_by_its_first_stanza() -> None:
    first, second = stanza("twin", Section="first"), stanza("twin", Section="second")
    (digest,) = {locked(text.encode(), "x").sha256 for text in (first, second)}
    assert b"Section: first" in stanzas(index(first, second), [digest])[digest]
    assert b"Section: second" in stanzas(index(second, first), [digest])[digest]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, "name 1:2-3"),
        ({"Source": "other"}, "other 1:2-3"),
        ({"Source": "other (4.5-6)"}, "other 4.5-6"),
        ({"Source": "lib.c++ (1:0~rc1+b1)"}, "lib.c++ 1:0~rc1+b1"),
    ],
)
def test_the_source_of_a_package(source: dict[str, str], expected: str) -> None:
    assert locked(stanza("name", "1:2-3", **source).encode(), "x").source == expected


@pytest.mark.parametrize("field", ["Package", "Version", "Architecture", "Filename", "Size", "SHA256"])
def test_a_stanza_that_lacks_a_field(field: str) -> None:
    lines = [line for line in stanza("name").splitlines(keepends=True) if not line.startswith(f"{field}:")]
    with pytest.raises(IntegrityFailure, match="debian/x"):
        locked("".join(lines).encode(), "debian/x")


def test_a_size_that_is_no_number() -> None:
    with pytest.raises(IntegrityFailure, match="debian/x"):
        locked(stanza("name", Size="large").encode().replace(b"Size: 1004\n", b""), "debian/x")
