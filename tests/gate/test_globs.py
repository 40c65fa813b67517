"""Patterns of locations, held against the meaning of each wildcard spelt out by brute force."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.compare.globs import Pattern


@cache
def meant(pattern: str, text: str) -> bool:
    """What the words in docs/gate.md mean, tried out one after the other."""
    if not pattern:
        return not text
    if pattern.startswith("**"):
        return any(meant(pattern[2:], text[n:]) for n in range(len(text) + 1))
    if pattern.startswith("*"):
        return any(meant(pattern[1:], text[n:]) for n in range(len(text) + 1) if "/" not in text[:n])
    one = text[:1] not in ("", "/") if pattern[0] == "?" else text[:1] == pattern[0]
    return one and meant(pattern[1:], text[1:])


PATTERNS = st.lists(st.sampled_from(["*", "**", "?", "a", "b", "/", "[", ".", "\udcff"]), max_size=7).map("".join)
TEXTS = st.text("ab/[.\udcff*", max_size=8)


@given(st.lists(st.tuples(PATTERNS, TEXTS), min_size=1, max_size=3))
def test_as_by_brute_force(parts: list[tuple[str, str]]) -> None:
    patterns, texts = zip(*parts, strict=True)
    assert Pattern(patterns).matches(texts) == all(meant(pattern, text) for pattern, text in parts)


@given(TEXTS, st.data())
def test_as_by_brute_force_where_it_matches(text: str, data: st.DataObject) -> None:
    """Random patterns match nearly nothing: here characters of a text are replaced by what stands for them."""
    pieces = []
    for char in text:
        pieces.append(data.draw(st.sampled_from([char, "?" if char != "/" else char, "*" if char != "/" else "**"])))
    pattern = "".join(pieces)
    assert Pattern([pattern]).matches([text]) == meant(pattern, text)
    assert "*" in text or meant(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("usr/lib/modules/*/modules.dep", "usr/lib/modules/6.1.0-37-amd64/modules.dep", True),
        ("usr/*/modules.dep", "usr/lib/modules/modules.dep", False),
        ("usr/**/modules.dep", "usr/lib/modules/6/modules.dep", True),
        ("x?", "x\udcff", True),
        ("x[ab]", "xa", False),
        ("x[ab]", "x[ab]", True),
        ("X", "x", False),
    ],
)
def test_examples(pattern: str, text: str, matches: bool) -> None:
    assert Pattern([pattern]).matches([text]) is matches


def test_components_are_not_crossed() -> None:
    assert not Pattern(["**"]).matches(["a", "b"]) and not Pattern(["**", "b"]).matches(["b"])


def test_no_pattern_takes_long() -> None:
    began = time.monotonic()
    assert not Pattern(["*a" * 500 + "b"]).matches(["a" * 5000 + "ab" + "c" + "b"[:0]])
    assert not Pattern(["**a*?" * 500 + "b"]).matches(["a" * 5000 + "cb"[::-1]])
    assert time.monotonic() - began < 5
