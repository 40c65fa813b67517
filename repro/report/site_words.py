"""How a published folder words things, for its pages and its feed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE
from repro.model.publication import Entry
from repro.model.quorum import AGREEING, DISSENTING, UNKNOWN
from repro.model.statement import BUILT

STANDINGS = {AGREEING: "agrees", DISSENTING: "differs", UNKNOWN: "undecided"}
_SHORT = 16  # characters of a digest or a key id
_NEVER = datetime.min.replace(tzinfo=UTC)
_VERDICTS = {
    IDENTICAL: "rebuilt, and the bits are the same",
    DIFFERENT: "rebuilt, and something differs",
    INCONCLUSIVE: "rebuilt, and something could not be examined",
    BUILT: "built once, and compared with nothing",
    None: "rebuilt, says a legacy in-toto link",
}


def verdict(entry: Entry) -> str:
    """What the statement says of its whole, as half a sentence."""
    return _VERDICTS[entry.verdict]


def short(name: str) -> str:
    """The beginning of a digest or key id, enough to tell it from others that are not made up to look alike."""
    return name if len(name) <= _SHORT + 1 else f"{name[:_SHORT]}…"


def page_of(digest: str) -> str:
    """Where the page of an artifact lies in the folder."""
    return f"artifact/{digest}.html"


def latest_first(entries: Iterable[Entry]) -> list[Entry]:
    """`entries` by the time of signing; those that do not say come last."""
    return sorted(entries, key=lambda entry: (-(entry.signed or _NEVER).timestamp(), entry.file))


def day(moment: datetime) -> str:
    """`2026-11-23 09:00 UTC`."""
    return f"{moment.replace(tzinfo=None).isoformat(' ', 'minutes')} UTC"


def counted(number: int, one: str, several: str = "") -> str:
    """`1 statement`, `2,000 statements`."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
