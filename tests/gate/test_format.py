"""`repro/baseline/v1`: what is refused, by file, entry and key; and names of any bytes there and back."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.model.baseline import decode
from repro.model.errors import InvalidInput
from repro.model.text import printable, unescaped
from tests.model.strategies import FILE_NAMES

GOOD = """schema = "repro/baseline/v1"
[[known]]
location = ["a", "etc/x"]
aspects = ["content"]
structures = ["MTIME"]
reason = "r"
owner = "o"
expires = 2026-06-01
"""


def test_the_good_one_is_good() -> None:
    assert len(decode(GOOD.encode(), "known.toml").entries) == 1
    assert decode(b'schema = "repro/baseline/v1"', "known.toml").entries == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("repro/baseline/v1", "repro/baseline/v2", "key schema"),
        ("[[known]]", "[[known]", "line 2"),
        ("[[known]]", "known = 3\n[[other]]", "unknown key other"),
        ("[[known]]", "[known]", "known is not a list of tables"),
        ('owner = "o"', "", "entry 1: key owner is missing"),
        ('owner = "o"', 'owner = " "', "entry 1: key owner: an empty text"),
        ('reason = "r"', "reason = 3", "entry 1: key reason: 3 is not text"),
        ('reason = "r"', 'reason = "r"\nwhy = "x"', "entry 1: unknown key why"),
        ('location = ["a", "etc/x"]', "", "either location or glob"),
        ('location = ["a", "etc/x"]', 'location = []\nglob = ["a"]\nmembers = 1', "either location or glob"),
        ('location = ["a", "etc/x"]', 'location = "a"', "key location: 'a' is not a list"),
        ('location = ["a", "etc/x"]', 'location = [""]', "key location: an empty text"),
        ('location = ["a", "etc/x"]', r"location = ['\xfg']", "key location: no name is shown as"),
        ('location = ["a", "etc/x"]', r'location = ["a\nb"]', "key location: no name is shown as"),
        ('location = ["a", "etc/x"]', 'location = ["a"]\nmembers = 2', "key members belongs to a glob"),
        ('location = ["a", "etc/x"]', 'glob = ["a"]', "key members is missing"),
        ('location = ["a", "etc/x"]', 'glob = ["a"]\nmembers = 0', "key members: 0 where"),
        ('location = ["a", "etc/x"]', 'glob = ["a"]\nmembers = true', "key members: True is not a count"),
        ('location = ["a", "etc/x"]', "glob = []\nmembers = 1", "key glob: an empty pattern"),
        ('["content"]', "[]", "key aspects: [] is empty"),
        ('["content"]', '["content", "content"]', "names something twice"),
        ('["content"]', '["contents"]', "'contents' is none of content, mode"),
        ('["MTIME"]', "[]", "key structures: [] is empty"),
        ("2026-06-01", '"2026-06-01"', "key expires: '2026-06-01' is not a date"),
        ("2026-06-01", "2026-06-01T00:00:00Z", "is not a date"),
        ("2026-06-01", "2026-02-30", "known.toml: "),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidInput) as error:
        decode(GOOD.replace(old, new, 1).encode(), "known.toml")
    assert error.value.message.startswith("known.toml: ") and said in error.value.message


def test_two_that_say_the_same() -> None:
    twice = GOOD + GOOD.partition("\n")[2].replace('"r"', '"another reason"')
    with pytest.raises(InvalidInput, match="entry 2 says the same as entry 1"):
        decode(twice.encode(), "known.toml")


@pytest.mark.parametrize("data", [b"\xff", GOOD.encode().replace(b"etc/x", b"etc/\xff")])
def test_what_is_not_utf_8(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"known.toml: byte \d+ is not UTF-8"):
        decode(data, "known.toml")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_baseline_or_refused(data: bytes) -> None:
    for whole in (data, GOOD.encode() + data):
        try:
            decode(whole, "known.toml")
        except InvalidInput as error:
            assert error.message.startswith("known.toml: ")


@given(FILE_NAMES | st.text())
def test_names_are_read_as_they_are_shown(name: str) -> None:
    assert unescaped(printable(name)) == name


@given(st.text(r"\xu0f4nU8d9e"))
def test_only_what_is_shown_is_read(text: str) -> None:
    try:
        name = unescaped(text)
    except ValueError:
        return
    assert printable(name) == text


def test_the_example_in_the_documentation() -> None:
    from tests.gate.test_gate_table import DOC  # noqa: PLC0415

    start = DOC.index('    schema = "repro/baseline/v1"')
    lines = DOC[start : DOC.index("\n| key |")].splitlines()
    text = "\n".join(line.removeprefix("    ") for line in lines)
    assert len(tomllib.loads(text)["known"]) == len(decode(text.encode(), "docs").entries) == 2
