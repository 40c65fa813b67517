"""Codes and their decoding, against worlds in which it is known what depends on what."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from repro.hunt.codes import Setting, code, first_round, length
from repro.hunt.decode import CHANCE, explain
from repro.hunt.search import Experiment, Hunted, Outcome, hunt, one_by_one
from repro.model.errors import BuildFailed
from repro.model.hunt import CERTAIN, OPEN

FACTORS = tuple(f"factor-{number:02d}" for number in range(19))


@pytest.mark.parametrize("number", range(1, 36))
def test_every_factor_has_a_word_of_its_own_and_of_the_same_weight(number: int) -> None:
    factors = [f"f{n}" for n in range(number)]
    settings = code(factors)
    words = {factor: frozenset(n for n, setting in enumerate(settings) if factor in setting) for factor in factors}
    assert len(set(words.values())) == number
    assert {len(word) for word in words.values()} == {max(1, len(settings) // 2)}
    loads = [len(setting) for setting in settings]
    assert max(loads) - min(loads) <= 1 + len(settings) // 3
    assert number <= 1 or comb(len(settings) - 1, (len(settings) - 1) // 2) < number or length(number) == 2


def test_sixteen_factors_take_eight_builds() -> None:
    assert len(first_round([f"f{n}" for n in range(16)])) == 8
    assert len(first_round(FACTORS)) == 8


def outcomes(settings: Sequence[Setting], causes: Setting) -> list[str]:
    """A file into which each of `causes` goes."""
    return [",".join(sorted(setting & causes)) for setting in settings]


@pytest.mark.parametrize("factor", FACTORS)
def test_one_factor_is_certain(factor: str) -> None:
    settings = first_round(FACTORS)
    found = explain(outcomes(settings, frozenset({factor})), settings)
    assert found and found.confidence == CERTAIN
    assert [each.factors for each in found.best] == [{factor}]
    assert not found.best[0].loose


def test_two_factors_are_found_in_the_first_round() -> None:
    settings = first_round(FACTORS)
    for pair in itertools.combinations(FACTORS, 2):
        found = explain(outcomes(settings, frozenset(pair)), settings)
        assert found and [each.factors for each in found.best] == [set(pair)]


def test_what_differs_by_itself_is_chance() -> None:
    settings = first_round(FACTORS)
    found = explain([str(number) for number in range(len(settings))], settings)
    assert found and found.best == (CHANCE,) and found.confidence == CERTAIN


@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_that_lets_chance_in(factor: str) -> None:
    settings = first_round(FACTORS)
    found = explain([str(n) if factor in each else "same" for n, each in enumerate(settings)], settings)
    assert found and [(each.factors, each.loose) for each in found.best] == [({factor}, True)]


def test_what_is_the_same_needs_no_explanation() -> None:
    assert explain(["x"] * 8, first_round(FACTORS)) is None


@given(st.lists(st.sampled_from("abcd"), min_size=8, max_size=8))
def test_no_explanation_contradicts_the_builds(values: list[str]) -> None:
    """Brute force: a firm explanation is a function of its factors, a loose one is quiet without them."""
    settings = first_round(FACTORS)
    found = explain(values, settings)
    for hypothesis in found.best if found else ():
        if hypothesis == CHANCE:
            assert values[0] != values[-1]
        for (one, left), (other, right) in itertools.combinations(zip(values, settings, strict=True), 2):
            if not hypothesis.loose and left & hypothesis.factors == right & hypothesis.factors:
                assert one == other
            if hypothesis.loose and hypothesis.factors and not (left | right) & hypothesis.factors:
                assert one == other
    if found and not found.best:
        for factor in FACTORS:
            assert any(a != b and (factor in x) == (factor in y) for (a, x), (b, y) in pairs(values, settings))


def pairs(values: Sequence[str], settings: Sequence[Setting]) -> list[tuple[tuple[str, Setting], tuple[str, Setting]]]:
    return list(itertools.combinations(zip(values, settings, strict=True), 2))


class World:
    """A build whose files are functions of factors; `broken` makes it fail."""

    def __init__(self, files: dict[str, frozenset[str]], broken: frozenset[str] = frozenset()) -> None:
        self.files, self.broken = files, broken
        self.made: list[Setting] = []

    def run(self, experiments: Sequence[Experiment]) -> list[Outcome | BuildFailed]:
        return [self._one(experiment) for experiment in experiments]

    def _one(self, experiment: Experiment) -> Outcome | BuildFailed:
        self.made.append(experiment.setting)
        if self.broken & experiment.setting:
            return BuildFailed("does not build")
        return {
            ((name,), "content"): ",".join(sorted(experiment.setting & causes)) or "plain"
            for name, causes in self.files.items()
        }


def found(hunted: Hunted) -> dict[str, tuple[set[str], ...]]:
    return {key[0][0]: tuple(set(each.factors) for each in what.best) for key, _, what in hunted.explained()}


@limits(max_examples=max(20, limits().max_examples // 3))  # each is a hunt
@given(st.lists(st.frozensets(st.sampled_from(FACTORS), max_size=3), max_size=12))
def test_a_hunt_names_the_factors_of_every_file(planted: list[frozenset[str]]) -> None:
    """Up to three factors a file. One or two are always found; of three the answer holds the truth or says it is
    open."""
    world = World({f"file-{number}": causes for number, causes in enumerate(planted)})
    hunted = hunt(FACTORS, world.run, extra=6, jobs=2)
    assert len(world.made) <= 8 + 6
    answer = found(hunted)
    assert answer.keys() == {f"file-{number}" for number, causes in enumerate(planted) if causes}
    for number, causes in enumerate(planted):
        if 1 <= len(causes) <= 2:
            assert answer[f"file-{number}"] == (causes,)
    for key, _, what in hunted.explained():
        causes = planted[int(key[0][0].removeprefix("file-"))]
        if what.confidence == CERTAIN:
            assert what.best[0].factors == causes
        else:
            assert what.confidence == OPEN or causes in [each.factors for each in what.best] or len(causes) == 3


@given(st.lists(st.sampled_from(FACTORS), max_size=8))
def test_one_by_one_says_the_same_of_single_factors(planted: list[str]) -> None:
    files = {f"file-{number}": frozenset({factor}) for number, factor in enumerate(planted)}
    slow, fast = World(files), World(files)
    assert found(one_by_one(FACTORS, slow.run)) == found(hunt(FACTORS, fast.run, extra=0))
    assert (len(slow.made), len(fast.made)) == (len(FACTORS) + 2, 8)


@given(st.frozensets(st.sampled_from(FACTORS), max_size=2))
def test_factors_under_which_nothing_can_be_built_are_left_out_and_no_others(broken: frozenset[str]) -> None:
    kept = [factor for factor in FACTORS if factor not in broken][:2]
    world = World({factor: frozenset({factor}) for factor in kept}, broken=broken)
    hunted = hunt(FACTORS, world.run, extra=4)
    assert hunted.refused.keys() == broken
    assert found(hunted) == {factor: ({factor},) for factor in kept}


def test_one_factor_under_which_nothing_can_be_built_costs_few_builds() -> None:
    world = World({"a": frozenset({"factor-03"}), "b": frozenset({"factor-07"})}, broken=frozenset({"factor-05"}))
    hunted = hunt(FACTORS, world.run, extra=4)
    assert set(hunted.refused) == {"factor-05"}
    assert found(hunted) == {"a": ({"factor-03"},), "b": ({"factor-07"},)}
    assert len(world.made) <= 8 + 3


def test_a_baseline_that_cannot_be_built_is_an_error() -> None:
    def run(experiments: Sequence[Experiment]) -> list[Outcome | BuildFailed]:
        return [BuildFailed("does not build") for _ in experiments]

    with pytest.raises(BuildFailed, match="does not build"):
        hunt(FACTORS, run, extra=4)
