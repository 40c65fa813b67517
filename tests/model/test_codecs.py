"""Every file codec: what was written is read again, bit by bit; what is wrong is refused by line or key."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.model import (
    comparison,
    kit,
    lock,
    pin,
    publication,
    published,
    quorum,
    recipe,
    record,
    statement,
    verification,
)
from repro.model.artifact import Artifact
from repro.model.errors import InvalidInput
from repro.model.pin import parse_timestamp
from repro.model.reading import DEEPEST, strict_json
from tests.model.strategies import (
    COMPARISONS,
    ENTRIES,
    LOCKS,
    PACKAGES,
    PIN_SETS,
    PUBLICATIONS,
    PUBLISHED,
    QUORUMS,
    STATEMENTS,
    VERIFICATIONS,
)
from tests.schemas import check
from tests.users import ROOT


def ordered(value: lock.Lock) -> lock.Lock:
    """As the file sorts it."""
    return replace(
        value,
        indexes=tuple(sorted(value.indexes, key=lambda i: (i.pin, i.path))),
        image=tuple(sorted(value.image, key=lambda p: (p.name, p.arch))),
        toolchain=tuple(sorted(value.toolchain, key=lambda p: (p.name, p.arch))),
    )


@given(LOCKS)
def test_locks(value: lock.Lock) -> None:
    text = lock.encode(value)
    assert lock.decode(text, "here") == ordered(value)
    assert lock.encode(lock.decode(text, "here")) == text


@given(LOCKS, PACKAGES)
def test_a_package_more_is_a_line_more(value: lock.Lock, package: lock.LockedPackage) -> None:
    before = lock.encode(value).splitlines()
    after = lock.encode(replace(value, image=(*value.image, package))).splitlines()
    assert len(after) == len(before) + 1
    extra = list(after)
    for line in before:
        extra.remove(line)
    assert tomllib.loads("p = [" + extra[0] + "]")["p"][0]["sha256"] == package.sha256


@given(LOCKS)
def test_packages_are_each_named_once(value: lock.Lock) -> None:
    hashes = [package.sha256 for package in value.packages]
    assert len(hashes) == len(set(hashes))
    assert set(hashes) == {package.sha256 for package in (*value.image, *value.toolchain)}


@given(PIN_SETS)
def test_pins(value: pin.PinSet) -> None:
    text = pin.encode(value)
    assert pin.decode(value.name, text, "here") == value
    for each in value.pins:
        assert value.pin(each.name) == each
        assert each.time.strftime(pin.TIMESTAMP).zfill(16) == each.timestamp
    with pytest.raises(InvalidInput, match="has no pin nope/nope"):
        value.pin("nope/nope")


@given(PUBLISHED)
def test_published(value: published.Published) -> None:
    data = published.encode(value)
    assert published.decode(data, "here") == value
    check(data)


@given(COMPARISONS)
def test_comparisons(value: comparison.Comparison) -> None:
    data = comparison.encode(value)
    assert comparison.decode(data) == value
    assert comparison.encode(comparison.decode(data)) == data
    assert data.isascii()
    check(data)


@given(VERIFICATIONS)
def test_verifications(value: verification.Found) -> None:
    data = verification.encode(value)
    assert verification.decode(data, "here") == value
    check(data)


def predicate(payload: bytes) -> str:
    """The predicate alone, which is what the schema is about."""
    return json.dumps(json.loads(payload)["predicate"])


@given(STATEMENTS)
def test_statements(value: statement.Statement) -> None:
    payload = statement.encode(value)
    found = statement.decode(payload, "here")
    assert statement.encode(found) == payload
    assert (found.subjects, found.comparisons, found.run) == (value.subjects, value.comparisons, value.run)
    assert found.claim == value.claim
    assert statement.claim_sha256(found) == record.claim_digest(value.claim)
    check(predicate(payload))


@given(QUORUMS)
def test_quorums(value: quorum.Quorum) -> None:
    document = check(quorum.encode(value))
    assert document["met"] == value.met
    assert document["counts"]["agreeing"] <= sum(voice["standing"] == "agreeing" for voice in document["voices"])


@given(PUBLICATIONS, st.randoms(use_true_random=False))
def test_publications(value: publication.Publication, random: Any) -> None:
    data = publication.encode(value)
    found = publication.decode(data, "here")
    assert {entry.file: entry for entry in found.entries} == {entry.file: entry for entry in value.entries}
    assert (found.title, found.base_url) == (value.title, value.base_url)
    shuffled = random.sample(value.entries, len(value.entries))
    assert publication.encode(replace(value, entries=tuple(shuffled))) == data
    check(data)


@given(ENTRIES, ENTRIES)
def test_a_publication_lists_a_file_once(one: publication.Entry, other: publication.Entry) -> None:
    same = replace(other, sha256=one.sha256, kind=one.kind)
    with pytest.raises(InvalidInput, match="listed twice"):
        publication.decode(publication.encode(publication.Publication((one, same))), "here")


@pytest.mark.parametrize(
    "file",
    [
        "../statements/{0}.intoto.json",
        "statements/../{0}.intoto.json",
        "/statements/{0}.intoto.json",
        "statements//{0}.intoto.json",
        "statements/{0}.link",
        "statements/{0}.intoto.json/",
        "statements/{0}.intoto.json\0",
        "statements/%2e%2e/{0}.intoto.json",
        "http://example.org/statements/{0}.intoto.json",
        "{0}.intoto.json",
        "",
        None,
        ["statements/{0}.intoto.json"],
    ],
)
def test_a_publication_lists_nothing_outside_of_its_folder(file: Any) -> None:
    entry = publication.Entry("ab" * 32, 1, "statement", ())
    document = json.loads(publication.encode(publication.Publication((entry,))))
    assert document["statements"][0]["file"] == f"statements/{'ab' * 32}.intoto.json"
    document["statements"][0]["file"] = file.format("ab" * 32) if isinstance(file, str) else file
    with pytest.raises(InvalidInput, match=r"^here: "):
        publication.decode(json.dumps(document).encode(), "here")


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org",
        "ftp://example.org/",
        "https:///",
        "https://example.org/?a=/",
        "https://example.org/#/",
        "https://me:secret@example.org/",
        'https://example.org/"/',
        "https://example.org/ /",
        "https://example.org/\n/",
        "javascript:alert(1)//",
        "file:///tmp/",
        "",
        None,
    ],
)
def test_addresses_that_are_none(address: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        publication.address(address)


@pytest.mark.parametrize(
    "time", ["2027-1-31T09:00:00Z", "2027-01-31T9:00:00Z", "2027-01-31 09:00:00Z", "2027-02-30T09:00:00Z", "", None]
)
def test_times_of_statements_have_one_spelling(time: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        statement.moment(time)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be changed; facts are open to what a format finds."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if not (path[:1] == ("divergences",) and key in ("left", "right")) and path[-1:] != ("environment",):
            yield from leaves(inner, (*path, key))


@given(st.data())
def test_a_document_with_one_value_changed_is_refused_unless_its_schema_allows_it(data: st.DataObject) -> None:
    codecs = [
        (comparison.encode(data.draw(COMPARISONS)), comparison.decode, comparison.encode),
        (published.encode(data.draw(PUBLISHED)), lambda text: published.decode(text, "here"), published.encode),
        (verification.encode(data.draw(VERIFICATIONS)), lambda t: verification.decode(t, "here"), verification.encode),
        (publication.encode(data.draw(PUBLICATIONS)), lambda t: publication.decode(t, "here"), publication.encode),
        (
            statement.encode(data.draw(STATEMENTS)),
            lambda text: statement.decode(text, "here"),
            lambda found: predicate(statement.encode(found)),
        ),
    ]
    for encoded, decode, encode in codecs:
        document = json.loads(encoded)
        *above, last = data.draw(st.sampled_from(sorted(leaves(document), key=str)))
        place = document
        for key in above:
            place = place[key]
        place[last] = data.draw(JSON)
        try:
            found = decode(json.dumps(document).encode())
        except InvalidInput as error:
            assert error.message
        else:
            check(encode(found))


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_a_document_that_is_too_deep_is_refused(opened: str) -> None:
    deep = opened * 200_000
    with pytest.raises(InvalidInput):
        comparison.decode(deep.encode())
    with pytest.raises(InvalidInput):
        published.decode(deep.encode(), "here")
    for read in (lock.decode, lambda t, w: pin.decode("x", t, w), lambda t, w: recipe.decode("x", t, w)):
        with pytest.raises(InvalidInput):
            read("a = " + "[" * 200_000, "here")


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        comparison.decode(data)
    for read_document in (published.decode, verification.decode, statement.decode, publication.decode):
        with pytest.raises(InvalidInput, match=r"^here: "):
            read_document(data, "here")
    text = data.decode("utf-8", "replace")
    for read in (lock.decode, lambda t, w: pin.decode("x", t, w), lambda t, w: recipe.decode("x", t, w)):
        with pytest.raises(InvalidInput, match=r"^here: "):
            read(text, "here")


RECIPE = """schema = "repro/recipe/v1"
summary = "A test"
pins = "bookworm"
architecture = "amd64"
packages = ["systemd", "live-boot", "systemd"]
outputs = ["iso"]
"""


def test_a_recipe_and_its_defaults() -> None:
    found = recipe.decode("tiny", RECIPE, "here")
    assert (found.name, found.packages, found.outputs) == ("tiny", ("systemd", "live-boot"), ("iso",))
    assert (found.compression, found.compression_level, found.volume) == ("zstd", 0, "REPRO")
    assert (found.timeout, found.scratch) == (1800, 8 << 30)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('pins = "../etc"', "here: key pins: '../etc' is not valid"),
        ("pins = 3", "here: key pins: 3 is not valid"),
        ('architecture = "s390x"', "key architecture: 's390x' is not valid"),
        ("packages = []", "key packages: [] is not valid (expected a list that is not empty)"),
        ('packages = "systemd"', "key packages: 'systemd' is not valid"),
        ('packages = ["a b"]', "key packages: 'a b' is not valid"),
        ('packages = ["--option"]', "key packages: '--option' is not valid"),
        ('outputs = ["iso", "dvd"]', "key outputs: 'dvd' is not valid"),
        ('compression = "brotli"', "key compression: 'brotli' is not valid"),
        ("compression_level = 23", "key compression_level: 23 is not valid (expected a whole number from 0 to 22)"),
        ('compression_level = 1\ncompression = "xz"', "key compression_level: 1 is not valid"),
        ('volume = "lower case"', "key volume: 'lower case' is not valid"),
        (f'volume = "{"A" * 33}"', "key volume"),
        ('cmdline = "a\\nb"', "key cmdline"),
        ('summary = "a\\u001bb"', "key summary"),
        ("timeout = 0", "key timeout: 0 is not valid (expected a whole number above 0)"),
        ("timeout = true", "key timeout: True is not valid"),
        ("timeout = 1.5", "key timeout: 1.5 is not valid"),
        ("scratch = -1", "key scratch: -1 is not valid"),
        ("colour = 1", "here: unknown key colour"),
        ("pins = ", "here: Invalid value (at line"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(line: str, said: str) -> None:
    key = line.split(" ", 1)[0]
    kept = "".join(row for row in RECIPE.splitlines(keepends=True) if not row.startswith(f"{key} "))
    with pytest.raises(InvalidInput) as caught:
        recipe.decode("tiny", f"{kept}{line}\n", "here")
    assert said in caught.value.message


MENU = """
[[menu]]
title = "Text console only"
cmdline = "systemd.unit=multi-user.target"
"""


def test_more_entries_of_the_boot_menu() -> None:
    found = recipe.decode("tiny", RECIPE + MENU, "here")
    assert found.menu == (recipe.MenuEntry("Text console only", "systemd.unit=multi-user.target"),)
    assert "menu" in found.material() and "menu" not in recipe.decode("tiny", RECIPE, "here").material()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"Text console only"', '"a\\"b"', "key title"),
        ('cmdline = "', 'cmdline = "; reboot ', "here: menu 1: key cmdline"),
        ('cmdline = "', 'cmdline = "$(x) ', "key cmdline"),
        ("title", "name", "here: menu 1: unknown key name"),
        ("[[menu]]", "menu = 5\n[x]", "unknown key x"),
    ],
)
def test_what_is_wrong_in_a_menu_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        recipe.decode("tiny", RECIPE + MENU.replace(old, new, 1), "here")
    assert said in caught.value.message


def a_kit(**changes: Any) -> bytes:
    row = {"path": "live/x.squashfs", "size": 1, "sha256": "0" * 64}
    state = {"build": "1" * 64, "squashfs_sha256": "2" * 64}
    fields = {"schema": kit.SCHEMA, "name": "x", "old": state, "new": state, "layer": row["path"], "files": [row]}
    return json.dumps(fields | changes).encode()


def test_control_files_of_kits() -> None:
    found = kit.decode(a_kit(), "here")
    assert kit.decode(kit.encode(found), "here") == found
    check(kit.encode(found))


@pytest.mark.parametrize(
    "path", ["/etc/x", "../x", "live/../../x", "./x", "live/.", "a b", "", "x\n", "live//..", "\u202ex"]
)
def test_paths_that_would_leave_the_medium(path: str) -> None:
    row = {"path": path, "size": 1, "sha256": "0" * 64}
    with pytest.raises(InvalidInput, match=r"here: .*is not a path of a medium"):
        kit.decode(a_kit(files=[row]), "here")


@pytest.mark.parametrize("changes", [{"layer": "live/other"}, {"files": []}, {"old": {}}, {"files": 5}, {"name": 3}])
def test_control_files_that_are_none(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"here: "):
        kit.decode(a_kit(**changes), "here")


@pytest.mark.parametrize("key", ["summary", "pins", "architecture", "packages", "outputs"])
def test_what_is_missing_in_a_recipe_is_named(key: str) -> None:
    kept = "".join(row for row in RECIPE.splitlines(keepends=True) if not row.startswith(f"{key} "))
    with pytest.raises(InvalidInput, match=f"here: key {key} is missing"):
        recipe.decode("tiny", kept, "here")


@pytest.mark.parametrize(
    "text",
    [
        "20260711T101637",
        "20261301T000000Z",
        "20260230T000000Z",
        "20260711T250000Z",
        "2026-07-11",
        "",
        "20260711T101637Z\n",
    ],
)
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_timestamp(text)


def test_what_is_no_hash_is_refused() -> None:
    good = published.Published("minimal", "ab" * 32, 1, ())
    document = json.loads(published.encode(good))
    for wrong in ("ab", "AB" * 32, "ab" * 33, "", None, 7):
        document["artifacts"] = [{"name": "a", "kind": "iso", "size": 1, "sha256": wrong}]
        with pytest.raises(InvalidInput):
            published.decode(json.dumps(document).encode(), "here")


def test_the_files_of_this_project() -> None:
    for path in ROOT.glob("recipes/*/recipe.toml"):
        found = recipe.decode(path.parent.name, path.read_text(encoding="utf-8"), str(path))
        assert (ROOT / "snapshots" / f"{found.pins}.toml").exists()
    for path in ROOT.glob("recipes/*/recipe.lock"):
        text = path.read_text(encoding="utf-8")
        assert lock.encode(lock.decode(text, str(path))) == text
    for path in ROOT.glob("snapshots/*.toml"):
        text = path.read_text(encoding="utf-8")
        assert pin.encode(pin.decode(path.stem, text, str(path))) == text


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@given(JSON)
def test_strict_json_reads_what_others_write(value: Any) -> None:
    written = json.dumps(value, ensure_ascii=False)
    if any(word in written for word in ("NaN", "Infinity")) or "\\ud" in ascii(written):
        return
    assert strict_json(written.encode()) == json.loads(written)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a": 1, "b": {"c": 1, "d": 2, "c": 1}}', "the key 'c' stands twice"),
        (b'[{"a": 1, "\\u0061": 2}]', "the key 'a' stands twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "beyond what a number can hold"),
        (b"[" + b"9" * 5000 + b"]", "4300"),
        (nested(DEEPEST + 1), "nested deeper than 100 levels"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "nested deeper than 100 levels"),
        (nested(200_000), "nested too deeply"),
        (b"[1] 2", "Extra data"),
        (b"", "Expecting value"),
        (b"\xef\xbb\xbf[]", "BOM"),
        ("[]".encode("utf-16"), "utf-8"),
        (b'["\xff"]', "utf-8"),
    ],
)
def test_strict_json_refuses_what_readers_take_differently(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        strict_json(data)


def test_strict_json_is_linear_in_keys_and_takes_some_depth() -> None:
    assert strict_json(nested(DEEPEST))
    many = ",".join(f'"{number}":0' for number in range(200_000))
    with pytest.raises(ValueError, match="the key '199999' stands twice"):
        strict_json(f'{{{many},"199999":0}}'.encode())


def test_a_document_with_a_key_twice_is_refused() -> None:
    once = published.encode(published.Published("r", "0" * 64, 1, (Artifact("a", "iso", 1, "1" * 64),)))
    assert published.decode(once, "here")
    with pytest.raises(InvalidInput, match="the key 'recipe' stands twice"):
        published.decode(once.replace(b'"recipe"', b'"recipe": "q", "recipe"'), "here")
