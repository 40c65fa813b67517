"""`policy.toml`, `repro/policy/v1`: which rebuilders a person trusts, how many of them must agree, and on what."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from repro.model import reading
from repro.model.artifact import file_name
from repro.model.comparison import IDENTICAL
from repro.model.errors import InvalidInput
from repro.model.reading import flag, one_of, positive, rows, sha256, table, word
from repro.model.statement import BUILT

SCHEMA = "repro/policy/v1"
SHOW, VETO = "show", "veto"
_NAME = re.compile(r"[\w.@+-][\w .@+-]{0,99}", re.ASCII)


@dataclass(frozen=True)
class PolicyKey:
    """A key of a rebuilder. `source` is a file beside the policy, or the public key itself as text. It counts for what
    was signed from the day `valid_from` to the end of the day `valid_until` (UTC), and for nothing where `revoked`
    says why it was revoked, whenever that was: who holds a lost key can sign with an old date."""

    source: str
    valid_from: date | None = None
    valid_until: date | None = None
    revoked: str = ""


@dataclass(frozen=True)
class Rebuilder:
    """Somebody who has one voice, by whichever of `keys`."""

    name: str
    keys: tuple[PolicyKey, ...]


@dataclass(frozen=True)
class Target:
    """What has to be agreed on, as far as the policy says; the command line may say the rest."""

    name: str = ""
    recipe: str = ""
    lock_sha256: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Policy:
    """`threshold` of `rebuilders` must agree. `dissent` is `show`, or `veto` where a single one spoils it; `max_age` is
    in days; `links`: whether legacy in-toto links count; `accept` the results that count, `identical` alone or `built`
    too; `statements` where statements are to be had, if nothing is given on the command line."""

    threshold: int
    rebuilders: tuple[Rebuilder, ...]
    target: Target = Target()
    dissent: str = SHOW
    max_age: int | None = None
    links: bool = True
    accept: tuple[str, ...] = (IDENTICAL, BUILT)
    statements: tuple[str, ...] = ()


def decode(data: str, where: str) -> Policy:
    """The policy written as TOML in `data`; `where` names the file in messages.

    Raises InvalidInput with the line or the key that is wrong, also where more voices are asked for than there are.
    """
    raw = reading.toml(data, SCHEMA, where, hint="docs/attesting.md shows one")
    try:
        found = Policy(
            threshold=_take(raw, "threshold", positive),
            rebuilders=_take(raw, "rebuilder", lambda value: rows(value, _rebuilder)),
            target=_take(raw, "artifact", _target, Target()),
            dissent=_take(raw, "dissent", lambda value: one_of(value, (SHOW, VETO)), SHOW),
            max_age=_take(raw, "max_age", positive, None),
            links=_take(raw, "links", flag, True),
            accept=_take(raw, "accept", _accept, (IDENTICAL, BUILT)),
            statements=_take(raw, "statements", lambda value: rows(value, word), ()),
        )
        _nothing_left(raw)
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: {_said(error)}", hint="docs/attesting.md shows a policy") from error
    names = [rebuilder.name for rebuilder in found.rebuilders]
    if len(set(names)) != len(names):
        raise InvalidInput(f"{where}: two rebuilders of the same name", hint="one [[rebuilder]] may have several keys")
    if found.threshold > len(names):
        raise InvalidInput(
            f"{where}: threshold = {found.threshold}, and there are {len(names)} rebuilders: it can never be met",
            hint="name more rebuilders, or ask for fewer",
        )
    return found


def _rebuilder(value: Any) -> Rebuilder:
    raw = dict(table(value))
    found = Rebuilder(_take(raw, "name", _name), _take(raw, "keys", _keys))
    _nothing_left(raw)
    return found


def _keys(value: Any) -> tuple[PolicyKey, ...]:
    found = rows(value, _key)
    if not found:
        raise ValueError("a rebuilder without a key")
    return found


def _key(value: Any) -> PolicyKey:
    if isinstance(value, str):
        return PolicyKey(word(value))
    raw = dict(table(value))
    found = PolicyKey(
        _take(raw, "key", word),
        _take(raw, "valid_from", _day, None),
        _take(raw, "valid_until", _day, None),
        _take(raw, "revoked", word, ""),
    )
    _nothing_left(raw)
    if found.valid_from and found.valid_until and found.valid_from > found.valid_until:
        raise ValueError(f"valid_from {found.valid_from} is after valid_until {found.valid_until}")
    return found


def _target(value: Any) -> Target:
    raw = dict(table(value))
    found = Target(
        _take(raw, "name", file_name, ""),
        _take(raw, "recipe", word, ""),
        _take(raw, "lock_sha256", sha256, ""),
        _take(raw, "sha256", sha256, ""),
    )
    _nothing_left(raw)
    return found


def _accept(value: Any) -> tuple[str, ...]:
    found = reading.some(value, lambda each: one_of(each, (IDENTICAL, BUILT)))
    if IDENTICAL not in found:
        raise ValueError(f"{IDENTICAL!r} must be among what is accepted")
    return found


def _name(value: Any) -> str:
    if not _NAME.fullmatch(word(value)):
        raise ValueError(f"{value!r} is not a name of letters, digits, blanks and .@+-_")
    return word(value)


def _day(value: Any) -> date:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise TypeError(f"{value!r} is not a date such as 2027-01-31, without quotes")
    return value


def _take(raw: dict[str, Any], key: str, read: Callable[[Any], Any], *default: Any) -> Any:
    """The value of `key`, taken out of `raw` and read; complaints name the key."""
    if key not in raw:
        if default:
            return default[0]
        raise ValueError(f"key {key} is missing")
    try:
        return read(raw.pop(key))
    except reading.WRONG as error:
        raise ValueError(f"key {key}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return f"key {error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _nothing_left(raw: dict[str, Any]) -> None:
    if raw:
        raise ValueError(f"unknown key {sorted(raw)[0]}")
