"""Typed access to the tables of files that people write: which file and which key is wrong is part of every message."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from repro.model.errors import InvalidInput

LINE = re.compile(r"[^\x00-\x1f\x7f]*")


class Fields:
    """The table `raw`; `where` names it in messages. Its methods raise InvalidInput with the key that is wrong."""

    def __init__(self, raw: dict[str, Any], where: str) -> None:
        self._raw, self._where = raw, where

    def only(self, keys: Collection[str]) -> None:
        """Nothing but `keys` is there."""
        if unknown := sorted(set(self._raw) - set(keys)):
            hint = f"known keys: {', '.join(sorted(keys))}"
            raise InvalidInput(f"{self._where}: unknown key {unknown[0]}", hint=hint)

    def value(self, key: str, default: Any) -> Any:
        """What is there, whatever it is; None as `default` stands for none."""
        if key not in self._raw and default is None:
            raise InvalidInput(f"{self._where}: key {key} is missing")
        return self._raw.get(key, default)

    def wrong(self, key: str, value: object, expected: str) -> InvalidInput:
        """What to raise for a `value` that is not `expected`."""
        return InvalidInput(f"{self._where}: key {key}: {value!r} is not valid (expected {expected})")

    def tables(self, key: str) -> list[Fields]:
        """The tables [[key]], none where there are none."""
        value = self.value(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong(key, value, f"tables [[{key}]]")
        return [Fields(each, f"{self._where}: {key} {number}") for number, each in enumerate(value, 1)]

    def text(self, key: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        value = self.value(key, default)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.wrong(key, value, f"text like {pattern.pattern}")
        return value

    def words(self, key: str, pattern: re.Pattern[str], default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        if default is not None and key not in self._raw:
            return default
        value = self.value(key, None)
        if not isinstance(value, list) or not value:
            raise self.wrong(key, value, "a list that is not empty")
        for word in value:
            if not isinstance(word, str) or not pattern.fullmatch(word):
                raise self.wrong(key, word, f"words like {pattern.pattern}")
        return tuple(dict.fromkeys(value))

    def number(self, key: str, default: int, *, least: int = 1, most: int | None = None) -> int:
        value = self.value(key, default)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            expected = f"a whole number above {least - 1}" if most is None else f"a whole number from {least} to {most}"
            raise self.wrong(key, value, expected)
        return int(value)
