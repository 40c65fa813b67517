"""Explicit patterns of locations: `*` and `?` within one path segment, `**` across segments, all else literal.

A pattern has as many parts as the location has components, and each part has to match its component whole. `*` and
`**` may match nothing; `?` is one character, or one byte that is not UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_STARS = re.compile(r"\*+")
_WILD = re.compile(r"[*?]")


class Pattern:
    """`parts`, ready to match many locations, each in time that grows with its length alone, whatever the pattern."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = [_Part(part) for part in parts]

    def matches(self, location: Sequence[str]) -> bool:
        """Whether `location` is one of those that are meant."""
        if len(location) != len(self._parts):
            return False
        return all(part.matches(component) for part, component in zip(self._parts, location, strict=True))


class _Part:
    """One part, as an automaton: bit n of a state says that what was read so far matches the first n tokens."""

    def __init__(self, text: str) -> None:
        self._prefix = _WILD.split(text)[0]
        self._suffix = _WILD.split(text)[-1]
        self._stars = self._crossing = self._any = 0  # tokens that take many; those that take `/`; those that take one
        self._literal: dict[str, int] = {}
        tokens = _STARS.sub(lambda found: "*" if len(found[0]) == 1 else "**", text)
        bit, rest = 1, tokens
        while rest:
            token = "**" if rest.startswith("**") else rest[0]
            rest = rest[len(token) :]
            if token in ("*", "**"):
                self._stars |= bit
                self._crossing |= bit if token == "**" else 0
            elif token == "?":
                self._any |= bit
            else:
                self._literal[token] = self._literal.get(token, 0) | bit
            bit <<= 1
        self._end = bit

    def matches(self, text: str) -> bool:
        if not (text.startswith(self._prefix) and text.endswith(self._suffix)):
            return False  # as nearly all that is asked
        state = 1 | (self._stars & 1) << 1
        for char in text:
            stay = self._stars if char != "/" else self._crossing
            take = self._literal.get(char, 0) | (self._any if char != "/" else 0)
            state = state & stay | (state & take) << 1
            state |= (state & self._stars) << 1  # a star may also match nothing: no two of them are neighbours
            if not state:
                return False
        return bool(state & self._end)
