"""`repro/comparison/v1`: what two artifacts have in common and where they diverge (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from repro.model import reading
from repro.model.errors import InvalidInput
from repro.model.reading import count, one_of, optional, rows, sha256, some, text, word
from repro.model.text import readable_json

SCHEMA = "repro/comparison/v1"

IDENTICAL = "identical"
DIFFERENT = "different"
INCONCLUSIVE = "inconclusive"

ASPECTS = ("content", "mode", "owner", "mtime", "order", "xattr", "presence", "structure", "link", "device", "type")

Facts = Mapping[str, Any]


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
    """

    location: tuple[str, ...]
    aspects: tuple[str, ...]
    left: Facts | None
    right: Facts | None
    ranges: tuple[Range, ...] = ()
    cause: str | None = None
    package: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Unexamined:
    """Something that was not looked into, and why; its presence keeps a verdict from reading better."""

    location: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Summary:
    """`entries` compared and `divergent`; bytes of the larger artifact that differ, and that have a name."""

    entries: int
    divergent: int
    bytes_differing: int
    bytes_explained: int


@dataclass(frozen=True)
class Comparison:
    """The result of one comparison; lists are sorted, so the same inputs give the same bytes."""

    left: Side
    right: Side
    verdict: str
    summary: Summary
    divergences: tuple[Divergence, ...] = ()
    unexamined: tuple[Unexamined, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)


def encode(comparison: Comparison) -> bytes:
    """`comparison` as deterministic JSON."""
    return readable_json({"schema": SCHEMA, **asdict(comparison)})


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
        )
    except reading.WRONG as error:
        raise InvalidInput(f"not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error


def _side(raw: dict[str, Any]) -> Side:
    return Side(text(raw["name"]), optional(raw["size"], count), sha256(raw["sha256"]))


def _divergence(raw: dict[str, Any]) -> Divergence:
    return Divergence(
        location=rows(raw["location"], text),
        aspects=some(raw["aspects"], lambda aspect: one_of(aspect, ASPECTS)),
        left=optional(raw["left"], _facts),
        right=optional(raw["right"], _facts),
        ranges=rows(raw["ranges"], _range),
        **{name: optional(raw[name], text) for name in ("cause", "package", "detail")},
    )


def _facts(raw: Any) -> Facts:
    if not isinstance(raw, dict):
        raise TypeError(f"{raw!r} is not an object")
    return raw


def _range(raw: dict[str, Any]) -> Range:
    side = one_of(raw["side"], ("left", "right", "both"))
    return Range(side, count(raw["start"]), count(raw["end"]), word(raw["structure"]))
