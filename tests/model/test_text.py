"""Names as a person may see them, and JSON that is the same bytes for the same value."""

from __future__ import annotations

import ast
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.model.text import canonical_json, human_size, printable, readable_json, still_printable
from tests.model.strategies import FILE_NAMES

ANY = st.text(st.characters(exclude_categories=())) | FILE_NAMES


@given(ANY)
def test_nothing_that_steers_a_terminal_is_left(name: str) -> None:
    shown = printable(name)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]
    assert "\x1b" not in shown
    shown.encode("utf-8")


@given(ANY)
def test_nothing_is_escaped_twice(name: str) -> None:
    shown = printable(name)
    assert still_printable(shown) == shown
    careless = still_printable(name)
    assert still_printable(careless) == careless
    assert careless.count("\\") >= name.count("\\")
    assert not [c for c in careless if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]


@given(ANY, ANY)
def test_different_names_look_different(one: str, two: str) -> None:
    assert (printable(one) == printable(two)) == (one == two)


def test_no_two_characters_look_alike() -> None:
    """Neither U+0085 and the byte 85, nor any other pair of the basic plane."""
    shown: dict[str, int] = {}
    for code in range(0x10000):
        assert shown.setdefault(printable(chr(code)), code) == code


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\\")))
def test_what_is_harmless_stays(name: str) -> None:
    assert printable(name) == name


@given(st.text(st.characters(max_codepoint=0xD7FF)))
def test_what_was_escaped_can_be_read_back(name: str) -> None:
    shown = printable(name).replace("'", "\\'")
    assert ast.literal_eval(f"'{shown}'") == name


def test_examples() -> None:
    assert printable("etc/café") == "etc/café"
    assert printable("a\nb\tc\\") == "a\\nb\\tc\\\\"
    assert printable("\x1b[31mred") == "\\x1b[31mred"
    assert printable(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\xe9"
    assert printable("gpj.\u202eexe") == "gpj.\\u202eexe"  # the override that shows it as exe.jpg
    assert printable("\U000e0041") == "\\U000e0041"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | FILE_NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=15,
)


@given(VALUES)
def test_json_keeps_values(value: object) -> None:
    for encode in (canonical_json, readable_json):
        assert json.loads(encode(value)) == value
        assert encode(value).isascii()


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_json_forgets_the_order(value: dict[str, int]) -> None:
    other = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(other)
    assert readable_json(value) == readable_json(other)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_that_others_could_not_read_is_not_written(number: float) -> None:
    for encode in (canonical_json, readable_json):
        with pytest.raises(ValueError, match="not JSON compliant"):
            encode({"n": number})


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1500, "1.5 kB"),
        (999_949, "999.9 kB"),
        (163_000_000, "163.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (999_999_999, "1.0 GB"),
        (10**13, "10.0 TB"),
        (10**22, "10000.0 EB"),
    ],
)
def test_human_sizes(size: int, shown: str) -> None:
    assert human_size(size) == shown


@given(st.integers(0, 10**20))
def test_human_sizes_are_short_and_close(size: int) -> None:
    number, unit = human_size(size).split()
    factor = 1000 ** ("B", "kB", "MB", "GB", "TB", "PB", "EB").index(unit)
    assert abs(float(number) * factor - size) <= 0.05001 * factor + 1
    assert float(number) < 1000
