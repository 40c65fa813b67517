"""Rewriting the text of a baseline such that all that people wrote stays as it is: comments, order, layout.

tomlkit changes the values of one entry and leaves the rest of it alone. Which lines belong to which entry is settled
here, because for tomlkit a comment belongs to the table before it, and people write it above the one that is meant.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any, NamedTuple

import tomlkit
from tomlkit.items import AoT, Table

from repro.model.baseline import Entry
from repro.model.errors import InvalidInput
from repro.model.text import printable

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_HEADER = re.compile(r"[ \t]*\[\[[ \t]*known[ \t]*\]\][ \t]*(#.*)?\s*")
_HINT = "let each entry begin with a line [[known]], and have no such line within a text"


class _Chunk(NamedTuple):
    """The lines of one entry: the comment right above it, its own, and what stands below it."""

    above: list[str]
    own: list[str]
    below: list[str]


def rewritten(
    data: bytes, where: str, before: Sequence[Entry], kept: Sequence[Entry | None], added: Sequence[Entry]
) -> bytes:
    """`data`, which says `before`, such that it says `kept` (None: no longer there), then `added`.

    Raises InvalidInput where the entries in it cannot be told apart by their lines.
    """
    head, chunks = _cut(data.decode(), where)
    lines = list(head)
    for old, new, chunk in zip(before, kept, chunks, strict=True):
        if new is None:
            lines += _detached(chunk.below)
        else:
            lines += [*chunk.above, *(chunk.own if new == old else _changed(chunk.own, old, new)), *chunk.below]
    text = "".join(lines)
    if text and ((kept and kept[-1] is None) or not text.endswith("\n")):
        text = text.rstrip("\n") + "\n"
    return (text + "".join(map(_added, added))).encode()


def _cut(text: str, where: str) -> tuple[list[str], list[_Chunk]]:
    """The lines before the first entry, and those of each."""
    lines = _LINE.findall(text)
    headers = [number for number, line in enumerate(lines) if _HEADER.fullmatch(line)]
    starts = [_above(lines, header) for header in headers]
    chunks = []
    for header, start, end in zip(headers, starts, [*starts, len(lines)][1:], strict=True):
        last = max(number for number in range(header, end) if not _empty(lines[number]))
        chunks.append(_Chunk(lines[start:header], lines[header : last + 1], lines[last + 1 : end]))
    whole = tomllib.loads(text).get("known", [])
    if [_parsed(chunk.own) for chunk in chunks] != [[table] for table in whole]:
        raise InvalidInput(f"{where}: cannot tell its entries apart, so it was not changed", hint=_HINT)
    return lines[: starts[0]] if starts else lines, chunks


def _above(lines: Sequence[str], header: int) -> int:
    """Where the comment begins that stands right above a header."""
    start = header
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return start


def _empty(line: str) -> bool:
    """Whether there is nothing but a comment."""
    return not line.strip() or line.lstrip().startswith("#")


def _parsed(own: Sequence[str]) -> Any:
    try:
        return tomllib.loads("".join(own)).get("known")
    except tomllib.TOMLDecodeError:
        return None


def _detached(below: list[str]) -> list[str]:
    """What stands below an entry and yet is not about it: comments that an empty line parts from it."""
    gap = next((number for number, line in enumerate(below) if not line.strip()), len(below))
    rest = below[gap:]
    while rest and not rest[0].strip():
        rest = rest[1:]
    return rest


def _changed(own: Sequence[str], old: Entry, new: Entry) -> list[str]:
    """The lines of an entry with other values, and everything else as it was."""
    document = tomlkit.parse("".join(own))
    tables = document["known"]
    assert isinstance(tables, AoT)
    table = tables[0]
    _extend(table, "aspects", new.aspects)
    if new.structures is not None:
        _extend(table, "structures", new.structures)
    elif old.structures is not None:
        del table["structures"]
    if new.members != old.members:
        table["members"] = new.members
    return _LINE.findall(document.as_string())


def _extend(table: Table, key: str, words: Sequence[str]) -> None:
    """Add to the list at `key` what it has not yet."""
    there: Any = table[key]
    for item in words:
        if item not in there:
            there.append(item)


def _added(entry: Entry) -> str:
    rows = [("location", _list(printable(part) for part in entry.place)), ("aspects", _list(entry.aspects))]
    if entry.structures:
        rows.append(("structures", _list(entry.structures)))
    rows += [("reason", _text(entry.reason)), ("owner", _text(entry.owner)), ("expires", entry.expires.isoformat())]
    return "\n[[known]]\n" + "".join(f"{key} = {value}\n" for key, value in rows)


def _list(words: Any) -> str:
    return f"[{', '.join(map(_text, words))}]"


def _text(text: str) -> str:
    """As TOML: without escapes where the text has backslashes itself, as names with odd bytes do."""
    literal = "\\" in text and "'" not in text and text.isprintable()
    return tomlkit.string(text, literal=literal).as_string()
