"""Legacy in-toto links: those of real rebuilders, and that ours are made in the same way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical

from repro.attest.envelope import LARGEST
from repro.attest.keys import PublicKey, in_toto_rs_id, read_public_keys
from repro.attest.link import link_signed_by, make_link, read_link
from repro.model.errors import InvalidInput
from tests.attest.world import DATA, GnuPG, Key, run

DEBIAN = DATA / "librust-as-slice-dev_0.2.1-1+b2_amd64.in-toto.link"
ARCH = DATA / "filesystem-2025.10.12-1-any.in-toto.link"
BROKEN = DATA / "filesystem-2025.10.12-1-any.INVALID.in-toto.link"
HASHES = {"sha512": "ab" * 64, "sha256": "cd" * 32}


def key_of(name: str) -> PublicKey:
    (key,) = read_public_keys((DATA / name).read_bytes(), name)
    return key


@pytest.fixture(scope="module")
def debian() -> PublicKey:
    return key_of("reproduce-debian-net-amd64.pub")


@pytest.fixture(scope="module")
def arch() -> PublicKey:
    return key_of("reproducible-archlinux.pub")


def raw(data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data)
    return value


def resigned(signed: dict[str, Any], key: Key) -> bytes:
    """A link that is signed as the libraries of in-toto sign."""
    canonical = (encode_canonical(signed) or "").encode()
    return json.dumps(
        {"signatures": [{"keyid": in_toto_rs_id(key.key), "sig": key.sign(canonical).hex()}], "signed": signed}
    ).encode()


# --- real ones


def test_statements_of_real_rebuilders(debian: PublicKey, arch: PublicKey) -> None:
    link = read_link(DEBIAN.read_bytes(), "debian")
    assert link_signed_by(link, [debian, arch]) == ([debian], [])
    assert link.name == "rebuild librust-as-slice-dev_0.2.1-1+b2_amd64.deb"
    assert [*link.products] == ["librust-as-slice-dev_0.2.1-1+b2_amd64.deb"]
    assert [*link.materials] == ["rust-as-slice_0.2.1-1+b2_amd64.buildinfo"]
    other = read_link(ARCH.read_bytes(), "arch")
    assert link_signed_by(other, [debian, arch]) == ([arch], [])
    # what sha256sum says of the package, which is in the test data of repro-threshold
    product = other.products["filesystem-2025.10.12-1-any.pkg.tar.zst"]
    assert product["sha256"] == "6b6c3fee7432204840d3b6afc9bc1a68c28f591a47fb220071715c40cca956df"


def test_a_statement_whose_signatures_are_broken(arch: PublicKey) -> None:
    verified, why = link_signed_by(read_link(BROKEN.read_bytes(), "broken"), [arch])
    assert verified == []
    assert why == [f"signature 2, said to be by {arch.keyid}, does not count: the signature does not verify"]


def test_a_statement_compressed_as_rebuilderd_stores_it(debian: PublicKey) -> None:
    plain = DEBIAN.read_bytes()
    for packed in (
        zstandard.compress(plain),
        zstandard.ZstdCompressor(write_content_size=False).compress(plain),
        run("zstd", "-c", data=plain),
    ):
        assert read_link(packed, "packed") == read_link(plain, "plain")
        for cut in range(4, len(packed)):
            with pytest.raises(InvalidInput, match=r"^cut: (broken zstd stream|compressed stream ends early)"):
                read_link(packed[:cut], "cut")
        for more in (b"x", packed, b"\0" * 5000):
            with pytest.raises(InvalidInput, match="something follows after the zstd data"):
                read_link(packed + more, "more")


def test_compressed_data_that_grow_too_large() -> None:
    for size in (LARGEST + 1, 1 << 30):
        many = zstandard.ZstdCompressor(write_content_size=False)
        engine = many.compressobj()
        packed = (
            b"".join(engine.compress(bytes(1 << 20)) for _ in range(size >> 20))
            + engine.compress(b"0")
            + engine.flush()
        )
        with pytest.raises(InvalidInput, match="larger than a link may be"):
            read_link(packed, "bomb")
    with pytest.raises(InvalidInput, match="larger than a link may be"):
        read_link(zstandard.compress(bytes(LARGEST + 1)), "bomb")
    with pytest.raises(InvalidInput, match="larger than a link may be"):
        read_link(b" " * (LARGEST + 1), "big")


# --- ours


@pytest.mark.parametrize("path", [DEBIAN, ARCH])
def test_ours_differ_from_real_ones_by_the_signatures_alone(keys: dict[str, Key], path: Path) -> None:
    theirs = path.read_bytes()
    link = read_link(theirs, "there")
    file = link.name.removeprefix("rebuild ")
    ours = make_link(file, link.materials, link.products, keys["ed25519"])
    assert read_link(ours, "here").signed == link.signed
    layout = re.sub(rb'"signatures":\[.*?\]', b"", theirs)
    # the order of the two hashes is that of a hash table there, so any; here always this one
    layout = re.sub(rb'("sha256":"[0-9a-f]{64}"),("sha512":"[0-9a-f]{128}")', rb"\2,\1", layout)
    assert re.sub(rb'"signatures":\[.*?\]', b"", ours) == layout
    assert re.fullmatch(
        r'\{"signatures":\[\{"keyid":"[0-9a-f]{64}","sig":"[0-9a-f]{128}"\}\],"signed":.*', ours.decode()
    )
    assert raw(ours)["signatures"][0]["keyid"] == next(iter(keys["ed25519"].key.aliases))
    assert link_signed_by(read_link(ours, "here"), [keys["ed25519"].key]) == ([keys["ed25519"].key], [])


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='"\\'), max_size=12)


@given(names=st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_names_in_any_script(keys: dict[str, Key], names: list[str]) -> None:
    data = make_link(names[0], dict.fromkeys(names, HASHES), {names[0]: HASHES}, keys["ed25519"])
    link = read_link(data, "here")
    assert link_signed_by(link, [keys["ed25519"].key])[0] == [keys["ed25519"].key]
    assert [*link.materials] == sorted(names, key=str.encode)  # as a BTreeMap of Rust has them
    # as in-toto-rs writes what it signs: JSON with sorted keys, in which these two characters become one
    rust = json.dumps(raw(data)["signed"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert link.signed == rust.replace("\\n", "\n").encode()


@pytest.mark.parametrize("name", ["a\nb", "a\\nb", 'a"b', "a\tb", "\x7f", "\x00", "\x85", "\ud800"])
def test_names_that_the_two_forms_write_differently(keys: dict[str, Key], name: str) -> None:
    with pytest.raises(InvalidInput, match="no link can be made of that: a control character, a quote or a backslash"):
        make_link(name, {}, {name: HASHES}, keys["ed25519"])
    with pytest.raises(InvalidInput, match="a control character, a quote or a backslash"):
        make_link("a", {name: HASHES}, {"a": HASHES}, keys["ed25519"])
    value = raw(make_link("a", {}, {"a": HASHES}, keys["ed25519"]))
    value["signed"]["products"][name] = HASHES
    with pytest.raises(InvalidInput, match="a control character, a quote or a backslash"):
        read_link(json.dumps(value).encode(), "here")


def test_what_no_link_is_made_of(keys: dict[str, Key], gpg: GnuPG) -> None:
    class Gnu:
        key = gpg.key("ed@example.org")

        def sign(self, data: bytes) -> bytes:
            raise AssertionError("asked to sign")

    for signer in (keys["rsa"], keys["p256"], Gnu()):
        with pytest.raises(InvalidInput, match="this takes an ed25519 key"):
            make_link("a", {}, {"a": HASHES}, signer)
    one = keys["ed25519"]
    with pytest.raises(InvalidInput, match="'a' is not among the products"):
        make_link("a", {"a": HASHES}, {"b": HASHES}, one)
    for wrong in ({}, {"sha256": "cd" * 32}, {**HASHES, "md5": "ab" * 16}, {**HASHES, "sha256": "CD" * 32},
                  {**HASHES, "sha256": "ab" * 64}, {**HASHES, "sha512": ""}):  # fmt: skip
        with pytest.raises(InvalidInput, match="no link can be made of that"):
            make_link("a", {}, {"a": wrong}, one)


# --- changed and wrong ones


@given(st.data())
def test_no_flipped_bit_of_a_real_one_verifies(debian: PublicKey, data: st.DataObject) -> None:
    """Unless it stands in the part that nobody of ours signed: the other signature, and the names of the two."""
    plain = DEBIAN.read_bytes()
    at = data.draw(st.integers(plain.index(b'"signed"') * 8, len(plain) * 8 - 1))
    changed = bytearray(plain)
    changed[at // 8] ^= 1 << at % 8
    try:
        link = read_link(bytes(changed), "here")
    except InvalidInput:
        return
    assert link_signed_by(link, [debian])[0] == []


def test_truncated_at_every_byte() -> None:
    plain = DEBIAN.read_bytes()
    for cut in range(len(plain)):
        with pytest.raises(InvalidInput, match=r"^here: not an in-toto link"):
            read_link(plain[:cut], "here")


def test_every_field_is_signed(keys: dict[str, Key]) -> None:
    one = keys["ed25519"]
    good = raw(make_link("a", {"m": HASHES}, {"a": HASHES}, one))
    other = {"sha512": "00" * 64, "sha256": "00" * 32}
    for field, value in (
        ("name", "rebuild b"),
        ("materials", {}),
        ("materials", {"m": other}),
        ("products", {"a": other}),
        ("products", {"a": HASHES, "b": HASHES}),
        ("environment", {}),
        ("byproducts", {"return-value": 0}),
        ("command", ["true"]),
    ):
        changed = {**good, "signed": {**good["signed"], field: value}}
        link = read_link(json.dumps(changed).encode(), "here")
        assert link_signed_by(link, [one.key])[0] == []
        assert link_signed_by(read_link(resigned(changed["signed"], one), "here"), [one.key])[0] == [one.key]


def refused(data: bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        read_link(data, "FILE")
    assert caught.value.message.startswith("FILE: not an in-toto link")


def test_what_is_no_link(keys: dict[str, Key]) -> None:
    text = make_link("a", {"m": HASHES}, {"a": HASHES}, keys["ed25519"]).decode()
    for key in ("signatures", "keyid", "sig", "signed", "_type", "name", "materials", "m", "sha256", "command"):
        twice = re.sub(f'"{key}":', f'"{key}":"","{key}":', text, count=1)
        assert twice != text
        refused(twice.encode(), f"the key '{key}' stands twice")
    for data in (b"", b"null", b"[]", b"{}", b"\xff", b"[" * 200_000):
        refused(data, "not an in-toto link")
    good = raw(text.encode())
    for field, value in (
        ("_type", "layout"),
        ("_type", None),
        ("name", None),
        ("materials", []),
        ("products", {"a": []}),
        ("products", {"a": {"sha256": 1}}),
        ("products", {"a": {"sha256": "ab"}}),
        ("products", {"a": {"sha256": "AB" * 32}}),
        ("products", {"a": {"": "ab"}}),
        ("byproducts", {"x": 1.5}),
        ("byproducts", {"x": "\ud800"}),
        ("more", 1),
    ):
        refused(json.dumps({**good, "signed": {**good["signed"], field: value}}).encode(), "not an in-toto link")
    short = {field: value for field, value in good["signed"].items() if field != "environment"}
    refused(json.dumps({**good, "signed": short}).encode(), "not a link of the legacy kind")
    one = good["signatures"][0]
    for signatures in (
        [],
        [one] * 65,
        [{}],
        [{**one, "sig": ""}],
        [{**one, "sig": "AB"}],
        [{**one, "sig": "abc"}],
        None,
    ):
        refused(json.dumps({**good, "signatures": signatures}).encode(), "not an in-toto link")


@given(st.binary(max_size=100))
def test_anything_is_read_or_refused(data: bytes) -> None:
    for head in (b"", b"\x28\xb5\x2f\xfd"):
        with pytest.raises(InvalidInput, match=r"^here: "):
            read_link(head + data, "here")
