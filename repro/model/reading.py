"""Values out of a JSON or TOML document that somebody else may have written: of the right type, or refused."""

from __future__ import annotations

import json
import math
import tomllib
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from repro.model.errors import InvalidInput

Value = TypeVar("Value")

# What reading a wrong document may raise: no JSON, too deep, a key or a type that is wrong.
WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError)

DEEPEST = 100  # levels of lists and objects in a JSON document


def strict_json(data: bytes) -> Any:
    """The value that the JSON text `data` has for every reader alike.

    Raises ValueError where it is no JSON in UTF-8, where an object has a key twice (one reader takes the first, the
    next the last), where a number is none or beyond a double, and where it is nested deeper than DEEPEST.
    """
    try:
        value = json.loads(
            data.decode(), object_pairs_hook=_each_key_once, parse_constant=_no_number, parse_float=_finite
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level: list[Any] = [[value]]
    for _ in range(DEEPEST + 1):
        inner = (item for outer in level for item in (outer.values() if isinstance(outer, dict) else outer))
        level = [item for item in inner if isinstance(item, (dict, list))]
        if not level:
            return value
    raise ValueError(f"nested deeper than {DEEPEST} levels")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:40]!r} stands twice in one object")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is beyond what a number can hold")
    return value


def document(data: bytes, schema: str) -> dict[str, Any]:
    """The object in `data`, without its `schema` key. Raises InvalidInput where that is another one, or WRONG."""
    raw = strict_json(data)
    if not isinstance(raw, dict) or raw.pop("schema", None) != schema:
        raise InvalidInput(f"not a {schema} document")
    return raw


def toml(data: str, schema: str, where: str, *, hint: str = "") -> dict[str, Any]:
    """The tables in `data`, without the `schema` key. Raises InvalidInput with the line or key that is wrong."""
    try:
        raw = tomllib.loads(data)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"{where}: {error}", hint=hint) from error
    if raw.pop("schema", None) != schema:
        raise InvalidInput(f"{where}: key schema must be {schema!r}", hint=hint)
    return raw


def text(value: Any) -> str:
    """`value`, a string. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def word(value: Any) -> str:
    """`value`, text that is not empty. Raises TypeError or ValueError."""
    if not text(value):
        raise ValueError("an empty text where a name is expected")
    return text(value)


def count(value: Any) -> int:
    """`value`, a whole number from 0 up. Raises TypeError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is not a count")
    return value


def duration(value: Any) -> float:
    """Seconds, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise TypeError(f"{value!r} is not a duration")
    return value


def positive(value: Any) -> int:
    """`value`, a whole number from 1 up. Raises TypeError or ValueError."""
    if not count(value):
        raise ValueError("0 where there must be something")
    return count(value)


def flag(value: Any) -> bool:
    """`value`, true or false. Raises TypeError."""
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def sha256(value: Any) -> str:
    """`value`, 64 hex digits. Raises TypeError or ValueError."""
    digest = text(value)
    if len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise ValueError(f"{digest!r} is not a sha256")
    return digest


def table(value: Any) -> dict[str, Any]:
    """`value`, an object. Raises TypeError."""
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not an object")
    return value


def day(value: Any) -> str:
    """`value`, a day as `2027-01-31`. Raises TypeError or ValueError."""
    if date.fromisoformat(text(value)).isoformat() != value:
        raise ValueError(f"{value!r} is not a day as 2027-01-31")
    return text(value)


def rows(value: Any, read: Callable[[Any], Value]) -> tuple[Value, ...]:
    """Each item of the list `value`, read. Raises TypeError."""
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return tuple(read(item) for item in value)


def some(value: Any, read: Callable[[Any], Value]) -> tuple[Value, ...]:
    """As `rows`, where there is at least one and no two are the same. Raises TypeError or ValueError."""
    found = rows(value, read)
    if not found or any(item in found[:number] for number, item in enumerate(found)):
        raise ValueError(f"{value!r} is empty, or names something twice")
    return found


def optional(value: Any, read: Callable[[Any], Value]) -> Value | None:
    """`value` read, or None where it is null."""
    return None if value is None else read(value)


def one_of(value: Any, known: tuple[str, ...]) -> str:
    """`value`, one of `known`. Raises ValueError."""
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return text(value)
