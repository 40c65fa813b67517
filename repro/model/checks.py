"""`repro/checks/v1`: what to ask a system that was booted, and what it should answer. TOML, written by people."""

from __future__ import annotations

import re
from dataclasses import dataclass

from repro.model import reading
from repro.model.errors import InvalidInput
from repro.model.fields import LINE, Fields

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
    read = Fields(reading.toml(text, SCHEMA, where), where)
    read.only(_KEYS)
    questions = read.tables("question")
    if not questions:
        raise InvalidInput(f"{where}: nothing is asked", hint='write [[question]] with name = "…" and run = "…"')
    return Checks(
        user=read.text("user", LINE, "user"),
        password=read.text("password", LINE, "live"),
        questions=tuple(map(_question, questions)),
        entry=read.number("entry", 0, least=0),
        append=read.text("append", LINE, ""),
        memory=read.number("memory", 0, least=0),
    )


def _question(read: Fields) -> Question:
    read.only(_ASKED)
    return Question(
        name=read.text("name", LINE),
        run=read.text("run", LINE),
        status=read.number("status", 0, least=0),
        says=_expression(read, "says"),
        silent=_expression(read, "silent"),
        timeout=read.number("timeout", 120),
    )


def _expression(read: Fields, key: str) -> str:
    text = read.text(key, LINE, "")
    try:
        re.compile(text, re.MULTILINE)
    except re.error as error:
        raise read.wrong(key, text, f"a regular expression: {error}") from error
    return text
