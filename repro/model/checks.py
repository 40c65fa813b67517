"""`repro/checks/v1`: what to ask a system that was booted, and what it should answer. TOML, written by people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from repro.model import reading
from repro.model.errors import InvalidInput

SCHEMA = "repro/checks/v1"
_KEYS = {"schema", "user", "password", "entry", "append", "memory", "question"}
_ASKED = {"name", "run", "status", "says", "silent", "timeout"}


@dataclass(frozen=True)
class Question:
    """`run` is a line of sh; the answer holds where it exits with `status`, its output has a match of `says` (a regular
    expression, `^` and `$` at lines; empty: anything) and none of `silent` (empty: nothing is forbidden)."""

    name: str
    run: str
    status: int = 0
    says: str = ""
    silent: str = ""
    timeout: int = 120


@dataclass(frozen=True)
class Checks:
    """Log in as `user` with `password` at the `entry`th entry of the boot menu (from 0), where `append` is told to the
    kernel besides, in a machine of `memory` MiB (0: what is usual); then ask."""

    user: str
    password: str
    questions: tuple[Question, ...] = ()
    entry: int = 0
    append: str = ""
    memory: int = 0


def decode(text: str, where: str) -> Checks:
    """The checks written as TOML in `text`; `where` names the file in messages. Raises InvalidInput."""
    raw = reading.toml(text, SCHEMA, where)
    _known(raw, _KEYS, where)
    questions = raw.get("question", [])
    if not isinstance(questions, list) or not questions:
        raise InvalidInput(f"{where}: nothing is asked", hint='write [[question]] with name = "…" and run = "…"')
    return Checks(
        user=_text(raw, "user", where, "user"),
        password=_text(raw, "password", where, "live"),
        questions=tuple(_question(each, f"{where}: question {number}") for number, each in enumerate(questions, 1)),
        entry=_number(raw, "entry", where, 0),
        append=_text(raw, "append", where, ""),
        memory=_number(raw, "memory", where, 0),
    )


def _question(raw: Any, where: str) -> Question:
    if not isinstance(raw, dict):
        raise InvalidInput(f"{where}: not a table")
    _known(raw, _ASKED, where)
    for key in ("says", "silent"):
        try:
            re.compile(_text(raw, key, where, ""), re.MULTILINE)
        except re.error as error:
            raise InvalidInput(f"{where}: key {key}: not a regular expression: {error}") from error
    return Question(
        name=_text(raw, "name", where),
        run=_text(raw, "run", where),
        status=_number(raw, "status", where, 0),
        says=_text(raw, "says", where, ""),
        silent=_text(raw, "silent", where, ""),
        timeout=_number(raw, "timeout", where, 120),
    )


def _known(raw: dict[str, Any], keys: set[str], where: str) -> None:
    if unknown := sorted(set(raw) - keys):
        raise InvalidInput(f"{where}: unknown key {unknown[0]}", hint=f"known keys: {', '.join(sorted(keys))}")


def _text(raw: dict[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = raw.get(key, default)
    if value is None:
        raise InvalidInput(f"{where}: key {key} is missing")
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidInput(f"{where}: key {key}: {value!r} is not a line of text")
    return value


def _number(raw: dict[str, Any], key: str, where: str, default: int) -> int:
    value = raw.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(f"{where}: key {key}: {value!r} is not a number")
    return value
