"""`repro/comparison/v1`: what two artifacts have in common and where they diverge (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any

from repro.model import gate as gates
from repro.model import reading
from repro.model.aspects import ASPECTS
from repro.model.cause import Cause
from repro.model.cause import cause as read_cause
from repro.model.errors import InvalidInput
from repro.model.gate import Gate, Standing
from repro.model.reading import count, flag, one_of, optional, positive, rows, sha256, some, table, text, word
from repro.model.text import listed_json

SCHEMA = "repro/comparison/v1"

IDENTICAL = "identical"
DIFFERENT = "different"
INCONCLUSIVE = "inconclusive"

Facts = Mapping[str, Any]

_JUDGED = ("standing", "gate", "causes")  # written only where there are any: other documents stay as they were


@dataclass(frozen=True)
class Side:
    """One of the two artifacts: its file name without folder, size in bytes, SHA-256 of its raw bytes.

    `size` is None where nothing but the digest is known.
    """

    name: str
    size: int | None
    sha256: str


@dataclass(frozen=True)
class Range:
    """Bytes that differ, by offset in the raw bytes of the innermost container that `location` names.

    `start` and `end` are byte offsets (end exclusive) on the given side (`left`, `right`, or `both` where they
    are the same), `structure` names what lies there.
    """

    side: str
    start: int
    end: int
    structure: str


@dataclass(frozen=True)
class Divergence:
    """One member of one container that is not the same on both sides.

    `location` goes from the artifact inwards, one component a container: `("live/filesystem.squashfs",
    "etc/hostname")`. Names are `os.fsdecode` strings. `aspects` is sorted and non-empty, from `ASPECTS`.
    `left` and `right` hold the facts that differ (plus `size` and `sha256` for content), None where absent.
    `standing` is there where a baseline was asked. `causes` has the most telling first, and `cause` is its label.
    """

    location: tuple[str, ...]
    aspects: tuple[str, ...]
    left: Facts | None
    right: Facts | None
    ranges: tuple[Range, ...] = ()
    cause: str | None = None
    package: str | None = None
    detail: str | None = None
    standing: Standing | None = None
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True)
class Unexamined:
    """Something that was not looked into, and why; its presence keeps a verdict from reading better."""

    location: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Row:
    """The bytes of one kind of structure in a pair of containers, matched by name and then position by position.

    `equal` and `differing` count positions that both sides have; `left_only` and `right_only` what one side has
    more. `explained`: whether differing and one-sided bytes are accounted for (docs/comparing.md).
    """

    structure: str
    equal: int
    differing: int
    left_only: int
    right_only: int
    explained: bool


@dataclass(frozen=True)
class Shift:
    """A run that moved by one distance: it begins at offset `left` on the left, `right` on the right, and `size` bytes
    of it are the same; what lies between them (padding, a file that changed) is not counted."""

    left: int
    right: int
    size: int


@dataclass(frozen=True)
class Account:
    """Where all bytes of one pair of containers belong: `rows` is sorted by structure and adds up to both sizes.

    `moved` sums the bytes that are the same at another offset; `shifts` are the largest runs of them, by offset.
    """

    location: tuple[str, ...]
    format: str
    rows: tuple[Row, ...]
    moved: int = 0
    shifts: tuple[Shift, ...] = ()


@dataclass(frozen=True)
class Cells:
    """A run of `count` equal cells of a picture: most of their bytes lie in `structures[structure]`, and
    `differing` bytes of each differ or are on this side alone."""

    count: int
    structure: int
    differing: int


@dataclass(frozen=True)
class Picture:
    """Both artifacts from their first byte to their last in cells of `cell` bytes, run-length coded, for a map.

    `structures` are names; inside a nested container, its location and ` → ` precede the name.
    """

    cell: int
    structures: tuple[str, ...]
    left: tuple[Cells, ...]
    right: tuple[Cells, ...]


@dataclass(frozen=True)
class Summary:
    """`entries` compared and `divergent`; bytes that differ or that one side alone has, and those explained.

    Both are sums over the outermost container's account: what only moved does not differ.
    """

    entries: int
    divergent: int
    bytes_differing: int
    bytes_explained: int


@dataclass(frozen=True)
class Comparison:
    """The result of one comparison; lists are sorted, so the same inputs give the same bytes.

    `interrupted`: somebody stopped it, and what was found up to then is here. The verdict stands nevertheless.
    `gate` is there where a baseline was asked; it never changes the verdict.
    """

    left: Side
    right: Side
    verdict: str
    summary: Summary
    divergences: tuple[Divergence, ...] = ()
    unexamined: tuple[Unexamined, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()
    picture: Picture | None = None
    interrupted: bool = False
    gate: Gate | None = None


def encode(comparison: Comparison) -> bytes:
    """`comparison` as deterministic JSON, a divergence a line."""
    return listed_json({"schema": SCHEMA, **_plain(comparison)})


def _plain(value: Any) -> Any:
    """What JSON can hold, of frozen dataclasses in tuples; facts are so already."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        named = ((name, getattr(value, name)) for name in value.__dataclass_fields__)
        return {name: _plain(item) for name, item in named if item not in (None, ()) or name not in _JUDGED}
    return value


def decode(data: bytes) -> Comparison:
    """The inverse of `encode`.

    Raises InvalidInput where `data` is not such a document.
    """
    try:
        raw = reading.document(data, SCHEMA)
        return Comparison(
            left=_side(raw["left"]),
            right=_side(raw["right"]),
            verdict=one_of(raw["verdict"], (IDENTICAL, DIFFERENT, INCONCLUSIVE)),
            summary=Summary(**{name: count(value) for name, value in raw["summary"].items()}),
            divergences=rows(raw["divergences"], _divergence),
            unexamined=rows(raw["unexamined"], lambda u: Unexamined(rows(u["location"], text), word(u["reason"]))),
            tools={name: text(version) for name, version in raw["tools"].items()},
            accounts=rows(raw.get("accounts", []), _account),
            picture=optional(raw.get("picture"), _picture),
            interrupted=flag(raw.get("interrupted", False)),
            gate=optional(raw.get("gate"), gates.gate),
        )
    except reading.WRONG as error:
        raise InvalidInput(f"not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error


def _side(raw: dict[str, Any]) -> Side:
    return Side(text(raw["name"]), optional(raw["size"], count), sha256(raw["sha256"]))


def _divergence(raw: dict[str, Any]) -> Divergence:
    return Divergence(
        location=rows(raw["location"], text),
        aspects=some(raw["aspects"], lambda aspect: one_of(aspect, ASPECTS)),
        left=optional(raw["left"], table),
        right=optional(raw["right"], table),
        ranges=rows(raw["ranges"], _range),
        **{name: optional(raw[name], text) for name in ("cause", "package", "detail")},
        standing=optional(raw.get("standing"), gates.standing),
        causes=rows(raw.get("causes", []), read_cause),
    )


def _account(raw: dict[str, Any]) -> Account:
    return Account(
        location=rows(raw["location"], text),
        format=word(raw["format"]),
        rows=rows(raw["rows"], _row),
        moved=count(raw["moved"]),
        shifts=rows(raw["shifts"], lambda s: Shift(count(s["left"]), count(s["right"]), count(s["size"]))),
    )


def _row(raw: dict[str, Any]) -> Row:
    equal, differing, left, right = (count(raw[name]) for name in ("equal", "differing", "left_only", "right_only"))
    return Row(word(raw["structure"]), equal, differing, left, right, flag(raw["explained"]))


def _picture(raw: dict[str, Any]) -> Picture:
    names = rows(raw["structures"], word)
    return Picture(positive(raw["cell"]), names, rows(raw["left"], _cells), rows(raw["right"], _cells))


def _cells(raw: dict[str, Any]) -> Cells:
    return Cells(positive(raw["count"]), count(raw["structure"]), count(raw["differing"]))


def _range(raw: dict[str, Any]) -> Range:
    side = one_of(raw["side"], ("left", "right", "both"))
    return Range(side, count(raw["start"]), count(raw["end"]), word(raw["structure"]))
