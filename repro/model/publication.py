"""`repro/statements/v1`: the index of a folder of statements that anybody may serve.

What it says of a statement is a copy of what that says of itself, for pages and for people: nothing in it is proven,
and whoever counts voices reads the statements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from repro.model import reading
from repro.model.errors import InvalidInput
from repro.model.quorum import AGREEING, DISSENTING, UNKNOWN
from repro.model.reading import count, one_of, optional, rows, sha256, table, text, word
from repro.model.statement import VERDICTS, moment, stamp
from repro.model.text import listed_json, printable, still_printable

SCHEMA = "repro/statements/v1"
INDEX = "index.json"
PAGES = (INDEX, "index.html", "feed.xml")
GENERATOR = "repro attest publish"  # every page says so at its beginning
TITLE = "Rebuild statements"
STATEMENT, LINK = "statement", "link"
SUFFIXES: Mapping[str, str] = {STATEMENT: ".intoto.json", LINK: ".link"}
MEMBERS = 5  # divergent members that are named; the statement has more
LONGEST = 255  # characters of a name or a key id, as it is listed
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*/")


@dataclass(frozen=True)
class Named:
    """An artifact by name and SHA-256; the name may be a path, and is escaped."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Got(Named):
    """An artifact that a rebuilder got; `standing` is what the statement says for this digest: `agreeing`,
    `dissenting` (its own rebuilds differ) or `unknown`."""

    standing: str


@dataclass(frozen=True)
class Entry:
    """A listed file. `kind` is `statement` or `link`; `examined` are artifacts of others that the rebuilder compared
    his own with, and did not get; `keyids` are those that the signatures claim; `variations` is a number, `divergent`
    how many members differ in all its comparisons, `members` the first of them. A link has no recipe, lock, verdict,
    times or claim. All names are escaped, and cut after LONGEST characters."""

    sha256: str
    size: int
    kind: str
    artifacts: tuple[Got, ...]
    examined: tuple[Named, ...] = ()
    keyids: tuple[str, ...] = ()
    recipe: str | None = None
    lock_sha256: str | None = None
    verdict: str | None = None
    signed: datetime | None = None
    expires: datetime | None = None
    claim_sha256: str | None = None
    variations: int = 0
    divergent: int = 0
    members: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Where it lies in the folder. Nothing but hash and kind decides that, so no name can lead elsewhere."""
        return f"statements/{self.sha256}{SUFFIXES[self.kind]}"


@dataclass(frozen=True)
class Publication:
    """`base_url` is the address under which the folder is served, with a slash at its end, where it is known."""

    entries: tuple[Entry, ...]
    title: str = TITLE
    base_url: str | None = None


def shown(name: str) -> str:
    """`name` as an entry lists it."""
    return printable(name)[:LONGEST]


def encode(publication: Publication) -> bytes:
    """`publication` as JSON with a line a statement, sorted by hash; `decode` gives it back."""
    entries = sorted(publication.entries, key=lambda entry: (entry.sha256, entry.kind))
    head = {"schema": SCHEMA, "title": publication.title, "base_url": publication.base_url}
    return listed_json({**head, "statements": [_listed(entry) for entry in entries]})


def decode(data: bytes, where: str) -> Publication:
    """The index in `data`; `where` names it in messages. Raises InvalidInput, also where a file is listed twice or by
    another path than its own."""
    try:
        raw = reading.document(data, SCHEMA)
        entries = rows(raw["statements"], _entry)
        if len({entry.file for entry in entries}) != len(entries):
            raise ValueError("a file is listed twice")
        return Publication(entries, title(raw["title"]), optional(raw["base_url"], address))
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}") from error
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error


def title(value: Any) -> str:
    """`value`, the title of a folder. Raises TypeError or ValueError."""
    if not word(value).strip() or len(value) > LONGEST or not value.isprintable():
        raise ValueError(f"{value!r} is not a title: a line of at most {LONGEST} characters")
    return word(value)


def address(value: Any) -> str:
    """`value`, a web address that ends in a slash, without query or fragment. Raises TypeError or ValueError."""
    if not _ADDRESS.fullmatch(text(value)):
        raise ValueError(f"{value!r} is not a http or https address that ends in a slash")
    return text(value)


def _listed(entry: Entry) -> dict[str, Any]:
    fields: dict[str, Any] = {"file": entry.file, **vars(entry)}  # not asdict: there may be thousands
    for name in ("artifacts", "examined"):
        fields[name] = [vars(each) for each in fields[name]]
    for name in ("signed", "expires"):
        fields[name] = fields[name] and stamp(fields[name])
    return fields


def _entry(raw: Any) -> Entry:
    entry = Entry(
        sha256=sha256(raw["sha256"]),
        size=count(raw["size"]),
        kind=one_of(raw["kind"], tuple(SUFFIXES)),
        artifacts=rows(raw["artifacts"], _got),
        examined=rows(raw["examined"], lambda each: Named(_label(each["name"]), sha256(each["sha256"]))),
        keyids=rows(raw["keyids"], _label),
        recipe=optional(raw["recipe"], _label),
        lock_sha256=optional(raw["lock_sha256"], sha256),
        verdict=optional(raw["verdict"], lambda value: one_of(value, VERDICTS)),
        signed=optional(raw["signed"], moment),
        expires=optional(raw["expires"], moment),
        claim_sha256=optional(raw["claim_sha256"], sha256),
        variations=count(raw["variations"]),
        divergent=count(raw["divergent"]),
        members=rows(raw["members"], _label),
    )
    if raw["file"] != entry.file:
        raise ValueError(f"{text(raw['file'])!r} is not {entry.file}, where such a file lies")
    return entry


def _got(raw: Any) -> Got:
    standing = one_of(table(raw)["standing"], (AGREEING, DISSENTING, UNKNOWN))
    return Got(_label(raw["name"]), sha256(raw["sha256"]), standing)


def _label(value: Any) -> str:
    if still_printable(word(value)) != value:
        raise ValueError(f"{value!r} has characters that ought to be escaped")
    return word(value)
