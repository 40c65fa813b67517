"""Keeping a baseline: what people wrote stays as it was."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.compare import Terms, updated
from repro.compare.baseline_update import Update
from repro.model.baseline import decode
from repro.model.comparison import IDENTICAL, Comparison, Divergence, Range
from repro.model.errors import InvalidInput
from tests.gate.test_judge import TODAY, comparison, divergence
from tests.model.strategies import FILE_NAMES

TERMS = Terms("new people", "because", date(2026, 9, 1))
TEXT = """\
# what is known of the image
schema   =   "repro/baseline/v1"   # by hand

# ---- the installer ----

# about x
# and more about x
[[known]]  # first
reason = '''
several
lines'''
location = [ "x" ]
aspects  = [ "content" ]  # only that
owner = "kim"
expires = 2027-01-31

# about y
[[known]]
location = ["y"]
aspects = [
  "mode",  # umask
]
structures = ["MTIME"]
reason = "r"
owner = "lee"
expires = 2027-01-31
# still about y

# ---- modules ----

# about modules
[[known]]
glob = ["m/*"]
members = 1  # of them
aspects = ["content"]
reason = "r"
owner = "sam"
expires = 2027-01-31
# the end
"""
X, Y, M = divergence("x"), divergence("y", aspects=("mode",)), divergence("m/1")


def update(*divergences: Divergence, text: str = TEXT) -> tuple[str, Update]:
    found = updated(text.encode(), "known.toml", [comparison(*divergences)], TERMS, TODAY)
    return found.data.decode(), found


def test_nothing_to_do_changes_no_byte() -> None:
    assert update(X, Y, M)[0] == TEXT


def test_dropping_takes_what_is_said_of_the_entry_and_nothing_else() -> None:
    text, found = update(X, M)
    start, end = TEXT.index("# about y"), TEXT.index("# ---- modules")
    assert text == TEXT[:start] + TEXT[end:] and found.dropped == 1
    text, _ = update(Y, M)
    assert text == TEXT[: TEXT.index("# about x")] + TEXT[TEXT.index("# about y") :]
    text, _ = update(X, Y)
    assert text == TEXT[: TEXT.index("# about modules")].rstrip("\n") + "\n"
    same = comparison(verdict=IDENTICAL)
    last = updated(TEXT.encode(), "known.toml", [same], TERMS, TODAY)
    assert last.data.decode() == TEXT[: TEXT.index("# about x")] + "# ---- modules ----\n" and last.dropped == 3


def test_widening_keeps_layout_and_comments() -> None:
    more = divergence("y", aspects=("content", "mode"), ranges=(Range("both", 0, 1, "data"),))
    text, found = update(X, more, M)
    assert text == TEXT.replace('  "mode",  # umask\n]', '  "mode",  # umask\n  "content",\n]').replace(
        '["MTIME"]', '["MTIME", "data"]'
    )
    assert (found.added, found.widened, found.dropped) == (0, 1, 0)
    untold = divergence("y", aspects=("content", "mode"))
    assert "structures" not in update(X, untold, M)[0]
    text, _ = update(X, Y, M, divergence("m/2"), divergence("m/3"))
    assert text == TEXT.replace("members = 1  # of them", "members = 3  # of them")


def test_adding_comes_last_in_one_form() -> None:
    new = Divergence(
        ("a", "etc/\udcff'\"\n"), ("content", "mtime"), {}, {}, (Range("both", 0, 1, "gzip header MTIME"),)
    )
    text, found = update(X, Y, M, new, divergence("b\\c"))
    assert text == TEXT + (
        '\n[[known]]\nlocation = ["a", "etc/\\\\xff\'\\"\\\\n"]\naspects = ["content", "mtime"]\n'
        'structures = ["gzip header MTIME"]\nreason = "because"\nowner = "new people"\nexpires = 2026-09-01\n'
        "\n[[known]]\nlocation = ['b\\\\c']\naspects = [\"content\"]\n"
        'reason = "because"\nowner = "new people"\nexpires = 2026-09-01\n'
    )
    assert found.added == 2 and found.baseline.entries[-2].place == new.location


def test_crlf_and_a_missing_last_line_end() -> None:
    text, _ = update(X, M, divergence("n"), text=TEXT.replace("\n", "\r\n").rstrip())
    assert decode(text.encode(), "known.toml").entries[-1].place == ("n",)
    assert "# about x\r\n" in text and "about y" not in text


@pytest.mark.parametrize(
    "text",
    [
        'schema = "repro/baseline/v1"\nknown = [{location = ["x"], aspects = ["mode"], reason = "r", owner = "o", '
        "expires = 2027-01-31}]\n",
        TEXT.replace("several", "[[known]]"),
    ],
)
def test_entries_that_cannot_be_told_apart_are_left_alone(text: str) -> None:
    decode(text.encode(), "known.toml")
    with pytest.raises(InvalidInput, match="cannot tell its entries apart"):
        update(divergence("z"), text=text)


@given(st.lists(st.lists(FILE_NAMES | st.text(min_size=1), max_size=2).map(tuple), max_size=4, unique=True), st.text())
def test_any_name_and_any_reason_can_be_written(places: list[tuple[str, ...]], reason: str) -> None:
    found = [comparison(*(divergence(*place) for place in places))] if places else list[Comparison]()
    terms = Terms("us", f"because {reason}".replace("\ud800", ""), TODAY)
    if found:
        baseline = updated(None, "known.toml", found, terms, TODAY).baseline
        assert [entry.place for entry in baseline.entries] == places
        assert {entry.reason for entry in baseline.entries} == {terms.reason}


def test_what_several_comparisons_need_is_one_entry() -> None:
    one = divergence("n", ranges=(Range("both", 0, 1, "MTIME"),))
    other = divergence("n", aspects=("content", "mode"), ranges=(Range("both", 0, 1, "OS"),))
    found = updated(None, "known.toml", [comparison(one), comparison(other)], TERMS, TODAY)
    (entry,) = found.baseline.entries
    assert entry.aspects == ("content", "mode") and entry.structures == ("MTIME", "OS")
