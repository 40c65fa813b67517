"""Before anything is fetched: how many bytes would come from where, and how long that would take."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.snapshot.fetcher import Fetcher
from repro.snapshot.sources import Source, Wanted
from repro.system.pool import parallel

UNKNOWN = 1_000_000.0  # bytes a second of a source that nothing was fetched from yet
_RATES = "rates.json"
_WEIGHT = 0.5  # of the newest fetch, against all before


@dataclass(frozen=True)
class Share:
    """What one source would serve: files and bytes; `rate` in bytes a second, `measured` where it is from earlier
    fetches; `seconds` that it takes; `asked` where the source said that it has all of these files."""

    source: str
    files: int
    bytes: int
    rate: float
    measured: bool
    seconds: float
    asked: bool


def estimate(fetcher: Fetcher, wanted: Sequence[Wanted], rates: Mapping[str, float]) -> list[Share]:
    """Who would serve the `wanted` files, in the order in which sources are asked.

    Mirrors are asked by HEAD whether they have a file; a snapshot archive is not asked beforehand, it gets what is
    left. A mirror that does not say is taken to have it. An offline fetcher asks nobody.
    """
    chosen: dict[str, list[Wanted]] = {source.name: [] for source in fetcher.sources}
    kinds = {source.name: source for source in fetcher.sources}
    said: dict[str, bool] = dict.fromkeys(chosen, True)

    def serving(item: Wanted) -> tuple[Source, bool] | None:
        sources = fetcher.serving(item.archive)
        for source in sources:
            if not source.mirror:
                return source, False
            has: bool | None = False
            for path in (item.path, *item.fallbacks):
                answer = _has(fetcher, source, item, path)
                if answer:
                    return source, True
                has = None if answer is None else has
            if has is None:
                return source, False
        return None

    for item, answer in zip(wanted, parallel(serving, wanted, 8), strict=True):
        if answer:
            chosen[answer[0].name].append(item)
            said[answer[0].name] &= answer[1]
    return [_share(kinds[name], items, rates, said[name]) for name, items in chosen.items() if items]


def seconds(shares: Iterable[Share]) -> float:
    """How long all of it takes: sources serve side by side."""
    return max((share.seconds for share in shares), default=0.0)


def read_rates(store: Path) -> dict[str, float]:
    """Bytes a second of each source in earlier fetches into `store`."""
    try:
        raw = json.loads((store / _RATES).read_bytes())
        return {name: float(rate) for name, rate in raw.items() if float(rate) > 0}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def note_rates(store: Path, measured: Mapping[str, float]) -> None:
    """Remember the rates of a fetch; a store that cannot be written forgets them."""
    if not measured:
        return
    known = read_rates(store)
    for name, rate in measured.items():
        known[name] = rate if name not in known else _WEIGHT * rate + (1 - _WEIGHT) * known[name]
    temporary = store / f".{_RATES}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        temporary.write_text(json.dumps({name: round(rate) for name, rate in sorted(known.items())}))
        temporary.replace(store / _RATES)
    except OSError:
        temporary.unlink(missing_ok=True)


def _has(fetcher: Fetcher, source: Source, item: Wanted, path: str) -> bool | None:
    with source.budget.turn():
        return fetcher.http.has(source.url(item.archive, path, item.timestamp))


def _share(source: Source, items: Sequence[Wanted], rates: Mapping[str, float], asked: bool) -> Share:
    size = sum(item.size for item in items)
    rate = rates.get(source.name, UNKNOWN)
    needed = len(items) * source.budget.pause + size / rate
    return Share(source.name, len(items), size, rate, source.name in rates, needed, asked and source.mirror)
