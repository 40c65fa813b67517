"""Judging by a baseline: properties over random comparisons, and that no byte slips by."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from repro.compare import Terms, judge, judge_all, updated
from repro.model.baseline import EMPTY, Baseline, Entry, decode
from repro.model.comparison import (
    DIFFERENT,
    Account,
    Comparison,
    Divergence,
    Range,
    Row,
    Side,
    Summary,
    Unexamined,
    encode,
)
from repro.model.comparison import (
    decode as decode_comparison,
)
from repro.model.gate import FAILS, HOLDS, UNDECIDED
from tests.model.strategies import COMPARISONS
from tests.schemas import check

TODAY = date(2026, 6, 1)
TERMS = Terms("us", "it is so", TODAY)
WHOLE = COMPARISONS.map(
    lambda found: replace(
        found,
        verdict=DIFFERENT,
        unexamined=(),
        interrupted=False,
        divergences=tuple({d.location: d for d in found.divergences}.values()),  # there is one a location
    )
)


def made(*found: Comparison, data: bytes | None = None) -> Baseline:
    return updated(data, "known.toml", found, TERMS, TODAY).baseline


def entry(*place: str, aspects: tuple[str, ...] = ("content",), **more: object) -> Entry:
    fields = {"structures": None, "members": 1, "glob": False, "expires": TODAY, **more}
    return Entry(place=place, aspects=aspects, reason="r", owner="o", **fields)  # type: ignore[arg-type]


def divergence(*location: str, aspects: tuple[str, ...] = ("content",), ranges: tuple[Range, ...] = ()) -> Divergence:
    return Divergence(location, aspects, {}, {}, ranges)


def comparison(*divergences: Divergence, **more: object) -> Comparison:
    sides = Side("a", 1, "a" * 64), Side("b", 1, "b" * 64)
    found = Comparison(*sides, DIFFERENT, Summary(1, len(divergences), 0, 0), divergences)
    return replace(found, **more)  # type: ignore[arg-type]


def states(found: Comparison) -> list[str]:
    return [d.standing.state for d in found.divergences if d.standing]


@given(st.lists(WHOLE, min_size=1, max_size=3))
def test_what_was_made_of_a_run_holds_for_it(found: list[Comparison]) -> None:
    baseline = made(*found)
    for judged in judge_all(found, baseline, TODAY):
        assert judged.gate and judged.gate.word == HOLDS and judged.gate.holds
        assert not judged.gate.gone and judged.gate.failing == 0
        assert judged.verdict == DIFFERENT
        assert decode_comparison(encode(judged)) == judged
        check(encode(judged))


@given(st.lists(WHOLE, min_size=1, max_size=3))
def test_making_it_again_changes_nothing(found: list[Comparison]) -> None:
    first = updated(None, "known.toml", found, TERMS, TODAY)
    again = updated(first.data, "known.toml", found, TERMS, TODAY)
    assert again.data == first.data and not (again.added or again.widened or again.dropped)


@given(WHOLE, st.data())
def test_one_more_makes_it_fail(found: Comparison, data: st.DataObject) -> None:
    assume(found.divergences)
    baseline = made(found)
    number = data.draw(st.integers(0, len(found.divergences) - 1))
    one = found.divergences[number]
    more = [
        replace(one, location=(*one.location, "another")),
        *([replace(one, aspects=tuple(sorted({*one.aspects, "device"})))] if "device" not in one.aspects else []),
    ]
    for other in more:
        others = [d for d in found.divergences if d.location != other.location]
        judged = judge(replace(found, divergences=(*others, other)), baseline, TODAY)
        assert judged.gate and judged.gate.word == FAILS


@given(WHOLE)
def test_the_day_after_all_have_expired_and_one_less_is_gone(found: Comparison) -> None:
    assume(found.divergences)
    baseline = made(found)
    late = judge(found, baseline, TODAY + timedelta(days=1))
    assert set(states(late)) == {"expired"} and late.gate and late.gate.word == FAILS
    less = judge(replace(found, divergences=found.divergences[1:]), baseline, TODAY)
    places = {a.location for a in found.accounts if any(not r.explained for r in a.rows)}
    if found.divergences[0].location not in places and len(found.divergences) > 1:
        assert less.gate and less.gate.holds
        assert [listed.place for listed in less.gate.gone] == [found.divergences[0].location]


@given(COMPARISONS)
def test_what_is_not_judged_is_written_as_it_was(found: Comparison) -> None:
    data = encode(found)
    assert b'"standing"' not in data and b'"gate"' not in data
    assert b'"gate"' in encode(judge(found, EMPTY, TODAY))


def test_unexplained_bytes_of_a_container_of_which_nothing_is_told_are_new() -> None:
    rows = (Row("unmapped", 9, 3, 1, 0, False), Row("file contents", 9, 3, 0, 0, True))
    found = comparison(divergence("x"), accounts=(Account((), "tar", rows),))
    judged = judge(found, Baseline((entry("x"),), "0" * 64), TODAY)
    assert judged.gate and judged.gate.new == 1 and judged.gate.word == FAILS
    (left,) = judged.gate.unexplained
    assert (left.location, left.structures, left.size, left.standing.state) == ((), ("unmapped",), 4, "new")
    both = judge(found, Baseline((entry("x"), entry(aspects=("structure",))), "0" * 64), TODAY)
    assert both.gate and both.gate.holds and both.gate.known == 2


def test_unexplained_bytes_join_the_divergence_of_their_container() -> None:
    rows = (Row("CRC, wrong", 0, 4, 0, 0, False),)
    found = comparison(
        divergence("x", aspects=("structure",), ranges=(Range("both", 0, 4, "label"),)),
        accounts=(Account(("x",), "tar", rows),),
    )
    for allowed, word in ((("label",), FAILS), (("CRC, wrong", "label"), HOLDS), (None, HOLDS)):
        baseline = Baseline((entry("x", aspects=("structure",), structures=allowed),), "0" * 64)
        judged = judge(found, baseline, TODAY)
        assert judged.gate and judged.gate.word == word
    other_aspect = comparison(divergence("x", aspects=("mode",)), accounts=found.accounts)
    judged = judge(other_aspect, Baseline((entry("x", aspects=("mode",)),), "0" * 64), TODAY)
    assert states(judged) == ["worse"]


def test_a_nested_container_answers_for_its_bytes_itself() -> None:
    outer = Account((), "iso9660", (Row("nested containers, unexplained", 0, 4, 0, 0, False),))
    inner = Account(("x",), "fat", (Row("unmapped", 0, 4, 0, 0, False),))
    found = comparison(divergence("x", aspects=("structure",)), accounts=(outer, inner))
    baseline = Baseline((entry("x", aspects=("structure",)),), "0" * 64)
    judged = judge(found, baseline, TODAY)
    assert judged.gate and judged.gate.holds
    alone = judge(replace(found, accounts=(outer,)), baseline, TODAY)
    assert alone.gate and alone.gate.word == FAILS, "where it has none, the outer one does"


def test_different_and_nothing_told_is_new() -> None:
    judged = judge(comparison(), EMPTY, TODAY)
    assert judged.gate and judged.gate.word == FAILS and judged.gate.unexplained


@pytest.mark.parametrize("count", [31, 32])
def test_a_list_of_ranges_that_may_be_cut_is_not_trusted(count: int) -> None:
    ranges = tuple(Range("both", n, n + 1, "MTIME") for n in range(count))
    baseline = Baseline((entry("x", structures=("MTIME",)),), "0" * 64)
    judged = judge(comparison(divergence("x", ranges=ranges)), baseline, TODAY)
    assert states(judged) == ["known" if count < 32 else "worse"]


def test_content_without_ranges_is_not_within_structures() -> None:
    baseline = Baseline((entry("x", structures=("MTIME",)),), "0" * 64)
    assert states(judge(comparison(divergence("x")), baseline, TODAY)) == ["worse"]


def test_what_was_not_examined_keeps_it_from_holding_and_entries_from_being_gone() -> None:
    baseline = Baseline((entry("x"), entry("y")), "0" * 64)
    for change in ({"unexamined": (Unexamined((), "too large"),)}, {"interrupted": True}):
        judged = judge(comparison(divergence("x"), **change), baseline, TODAY)
        assert judged.gate and judged.gate.word == UNDECIDED and not judged.gate.gone and not judged.gate.holds
    for reason in ("no text diff: too large", "text diff cut at 7 characters", "3 of 4 files have no text diff: time"):
        judged = judge(comparison(divergence("x"), unexamined=(Unexamined((), reason),)), baseline, TODAY)
        assert judged.gate and judged.gate.holds and len(judged.gate.gone) == 1


def test_exact_entries_come_first_and_the_best_ruling_wins() -> None:
    wide = entry("**", glob=True, members=2, aspects=("content", "mode"))
    old = entry("x", expires=TODAY - timedelta(days=1))
    narrow = entry("x", aspects=("mtime",))
    for entries, state, number in (
        ((wide, entry("x")), "known", 2),
        ((narrow, wide), "known", 2),
        ((narrow, old), "expired", 2),
        ((old, wide), "known", 2),
        ((narrow, entry("x", aspects=("mode",))), "worse", 1),
    ):
        (found,) = judge(comparison(divergence("x")), Baseline(entries, "0" * 64), TODAY).divergences
        assert found.standing and (found.standing.state, found.standing.entry) == (state, number)


def test_members_are_those_that_a_pattern_has_to_answer_for() -> None:
    members = [divergence(name) for name in ("a", "b", "c")]
    glob = entry("*", glob=True, members=2)
    assert states(judge(comparison(*members), Baseline((glob,), "0" * 64), TODAY)) == ["worse"] * 3
    assert states(judge(comparison(*members), Baseline((glob, entry("b")), "0" * 64), TODAY)) == ["known"] * 3
    other = [*members[:2], divergence("c", aspects=("mode",))]
    assert states(judge(comparison(*other), Baseline((glob,), "0" * 64), TODAY)) == ["known", "known", "worse"]


def test_gone_only_where_it_matches_in_none_of_several() -> None:
    baseline = Baseline((entry("x"), entry("y"), entry("z")), "0" * 64)
    judged = judge_all([comparison(divergence("x")), comparison(divergence("y"))], baseline, TODAY)
    assert [[listed.number for listed in one.gate.gone] for one in judged if one.gate] == [[3], [3]]


def test_a_baseline_reads_as_it_was_meant() -> None:
    data = rb"""schema = "repro/baseline/v1"
[[known]]
location = ['etc/\xff\\x', "etc/\\u202e"]
aspects = ["mode", "content"]
reason = "r"
owner = "o"
expires = 2026-06-01
"""
    (found,) = decode(data, "known.toml").entries
    assert found == entry("etc/\udcff\\x", "etc/\u202e", aspects=("content", "mode"))
