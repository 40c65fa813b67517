"""`repro/comparison/v1`: what two artifacts have in common and where they diverge (DESIGN section 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from repro.model.errors import InvalidInput
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
        raw = json.loads(data)
        if raw.pop("schema") != SCHEMA:
            raise InvalidInput(f"not a {SCHEMA} document")
        return Comparison(
            left=Side(**raw["left"]),
            right=Side(**raw["right"]),
            verdict=raw["verdict"],
            summary=Summary(**raw["summary"]),
            divergences=tuple(_divergence(d) for d in raw["divergences"]),
            unexamined=tuple(Unexamined(tuple(u["location"]), u["reason"]) for u in raw["unexamined"]),
            tools=raw["tools"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"not a valid {SCHEMA} document: {error}") from error


def _divergence(raw: dict[str, Any]) -> Divergence:
    raw["location"] = tuple(raw["location"])
    raw["aspects"] = tuple(raw["aspects"])
    raw["ranges"] = tuple(Range(**r) for r in raw["ranges"])
    return Divergence(**raw)
