"""What a baseline of known divergences says of a comparison: where each divergence stands, and whether the gate holds.

Part of `repro/comparison/v1`: `standing` of a divergence, and `gate` of the comparison (docs/gate.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repro.model.aspects import ASPECTS
from repro.model.reading import count, day, flag, one_of, optional, positive, rows, sha256, some, text, word

KNOWN = "known"
NEW = "new"
WORSE = "worse"
EXPIRED = "expired"
STATES = (NEW, WORSE, EXPIRED, KNOWN)  # those that fail come first

HOLDS, FAILS, UNDECIDED = "HOLDS", "FAILS", "UNDECIDED"


@dataclass(frozen=True)
class Standing:
    """Where a divergence stands: `state` is one of `STATES`, `why` says what is worse or expired.

    `entry` is the number of the baseline's entry that decided, from 1, with its `reason`, `owner` and `expires` (a
    day as `2027-01-31`); all of them are None where the divergence is new.
    """

    state: str
    why: str | None = None
    entry: int | None = None
    reason: str | None = None
    owner: str | None = None
    expires: str | None = None


@dataclass(frozen=True)
class Listed:
    """An entry of the baseline: its `number` in the file, from 1, and how many divergences it decided (`matched`).

    `place` is a location, or where `glob` a pattern of one; both unescaped, as in a divergence.
    """

    number: int
    place: tuple[str, ...]
    glob: bool
    aspects: tuple[str, ...]
    matched: int
    reason: str
    owner: str
    expires: str


@dataclass(frozen=True)
class Unexplained:
    """Bytes that differ in `structures` of the container at `location`, which no explanation and no divergence covers.

    `size` counts them on both sides: `differing + left_only + right_only` of the account.
    """

    location: tuple[str, ...]
    structures: tuple[str, ...]
    size: int
    standing: Standing


@dataclass(frozen=True)
class Gate:
    """What came of judging a comparison by the baseline whose bytes have the SHA-256 `baseline`, as of `today`.

    The counts are of divergences and of `unexplained` together. `entries` are those that decided something, `gone`
    those that nothing matched any more. `holds`: nothing is new, worse or expired, and everything was examined.
    """

    baseline: str
    today: str
    holds: bool
    known: int
    new: int
    worse: int
    expired: int
    entries: tuple[Listed, ...] = ()
    gone: tuple[Listed, ...] = ()
    unexplained: tuple[Unexplained, ...] = ()

    @property
    def failing(self) -> int:
        """How many divergences make it fail."""
        return self.new + self.worse + self.expired

    @property
    def word(self) -> str:
        """`HOLDS`, `FAILS`, or `UNDECIDED` where nothing fails but not everything was examined."""
        return HOLDS if self.holds else FAILS if self.failing else UNDECIDED


def standing(raw: dict[str, Any]) -> Standing:
    """A standing out of JSON. Raises one of `reading.WRONG`."""
    return Standing(
        one_of(raw["state"], STATES),
        why=optional(raw["why"], word),
        entry=optional(raw["entry"], positive),
        reason=optional(raw["reason"], word),
        owner=optional(raw["owner"], word),
        expires=optional(raw["expires"], day),
    )


def gate(raw: dict[str, Any]) -> Gate:
    """A gate out of JSON. Raises one of `reading.WRONG`."""
    return Gate(
        sha256(raw["baseline"]),
        day(raw["today"]),
        flag(raw["holds"]),
        **{state: count(raw[state]) for state in STATES},
        entries=rows(raw["entries"], _listed),
        gone=rows(raw["gone"], _listed),
        unexplained=rows(raw["unexplained"], _unexplained),
    )


def _listed(raw: dict[str, Any]) -> Listed:
    return Listed(
        positive(raw["number"]),
        rows(raw["place"], text),
        flag(raw["glob"]),
        some(raw["aspects"], lambda aspect: one_of(aspect, ASPECTS)),
        count(raw["matched"]),
        word(raw["reason"]),
        word(raw["owner"]),
        day(raw["expires"]),
    )


def _unexplained(raw: dict[str, Any]) -> Unexplained:
    structures = some(raw["structures"], word)
    return Unexplained(rows(raw["location"], text), structures, count(raw["size"]), standing(raw["standing"]))
