"""The first round of builds: which factors are varied together in which of them.

Group testing with a constant-weight code: of `t` builds each factor is varied in exactly `t // 2`, in no two factors
in the same ones. So one factor diverges a file in `t // 2` builds, two in more, and what diverges by itself differs in
the repeated baseline already. `t` is the smallest number with enough such words: C(6, 3) = 20 factors need 6 builds
and 2 baselines. (Kautz and Singleton, "Nonrandom Binary Superimposed Codes", 1964.)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

Setting = frozenset[str]  # the factors that are varied in one build


def first_round(factors: Sequence[str]) -> tuple[Setting, ...]:
    """The settings of the first builds: the baseline, the tests of the code, and the baseline again.

    That one comes last: were both built side by side, what they do in the same second would look the same.
    """
    return (frozenset(), *code(factors), frozenset())


def code(factors: Sequence[str]) -> tuple[Setting, ...]:
    """For each test the factors that are varied in it; every factor has another set of tests."""
    count = length(len(factors))
    words = _spread(count, len(factors))
    return tuple(
        frozenset(factor for factor, word in zip(factors, words, strict=True) if test in word) for test in range(count)
    )


def length(factors: int) -> int:
    """How many tests tell `factors` apart: one for a single one, else the least `t` with C(t, t // 2) of them."""
    if factors < 2:
        return factors
    count = 2
    while comb(count, count // 2) < factors:
        count += 1
    return count


def _spread(count: int, number: int) -> list[tuple[int, ...]]:
    """`number` words of weight `count // 2` (at least 1), chosen so that no test has many more factors than another."""
    left = list(combinations(range(count), max(1, count // 2)))
    load = [0] * count
    chosen: list[tuple[int, ...]] = []
    for _ in range(number):
        word = min(left, key=lambda candidate: (sum(load[test] ** 2 for test in candidate), candidate))
        left.remove(word)
        chosen.append(word)
        for test in word:
            load[test] += 1
    return chosen
