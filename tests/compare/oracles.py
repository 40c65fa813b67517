"""What must hold of every comparison, whatever was compared; and the walk without its short-cut for equal bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jsonschema

from repro import formats
from repro.compare import Limits, compare_artifacts
from repro.compare.budget import Budget
from repro.compare.content import Equality, same_bytes
from repro.compare.findings import Findings
from repro.compare.picture import Painter
from repro.compare.walk import Walker
from repro.formats.base import Malformed
from repro.model.comparison import DIFFERENT, IDENTICAL, Account, Comparison, Range, Shift, decode, encode

SCHEMA = Path(__file__).parents[2] / "reports/schema/comparison.v1.schema.json"
UNCUT = Limits(ranges=1 << 30)  # which ranges are left out where there are too many depends on the side
_SWAPPED = {"left": "right", "right": "left", "both": "both"}
_NUMBERED = re.compile(r"(.*) \((\d+)\)", re.DOTALL)


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_bytes()))


def compared(left: bytes, right: bytes, folder: Path, limits: Limits | None = UNCUT) -> Comparison:
    """The comparison of two byte strings, after all of `sound` was asserted of it."""
    paths = folder / "left.bin", folder / "right.bin"
    for path, data in zip(paths, (left, right), strict=True):
        path.write_bytes(data)
    found = compare_artifacts(*paths, deep=False, limits=limits)
    sound(found, (left, right))
    return found


def sound(found: Comparison, artifacts: tuple[bytes, bytes]) -> None:
    """Assert what must hold of every comparison of `artifacts`: verdict, order, bounds, sums, schema."""
    same = artifacts[0] == artifacts[1]
    assert found.verdict == (IDENTICAL if same else DIFFERENT)
    assert (found.left.sha256 == found.right.sha256) == same
    assert bool(found.divergences) != same
    assert found.summary.divergent == len(found.divergences)
    locations = [d.location for d in found.divergences]
    assert locations == sorted(set(locations))
    assert list(found.unexamined) == sorted(set(found.unexamined), key=lambda u: (u.location, u.reason))
    for divergence in found.divergences:
        assert divergence.aspects and list(divergence.aspects) == sorted(set(divergence.aspects))
        if divergence.ranges:
            _within_bounds(divergence.ranges, *(sizes(side, divergence.location) for side in artifacts))
    for account in found.accounts:
        _adds_up(account, artifacts)
    _summed(found, artifacts)
    encoded = encode(found)
    assert decode(encoded) == found
    _validator().validate(json.loads(encoded))


def _within_bounds(ranges: tuple[Range, ...], left: set[int], right: set[int]) -> None:
    for r in ranges:
        assert 0 <= r.start < r.end, r
        sides = {"left": [left], "right": [right], "both": [left, right]}[r.side]
        assert not all(sides) or r.end <= max(max(bounds) for bounds in sides), r  # empty: it could not be found


def _adds_up(account: Account, artifacts: tuple[bytes, bytes]) -> None:
    names = [row.structure for row in account.rows]
    assert names == sorted(set(names)), account.location
    assert all(min(r.equal, r.differing, r.left_only, r.right_only) >= 0 for r in account.rows)
    totals = (
        sum(r.equal + r.differing + r.left_only for r in account.rows),
        sum(r.equal + r.differing + r.right_only for r in account.rows),
    )
    for total, artifact in zip(totals, artifacts, strict=True):
        there = sizes(artifact, account.location)
        assert not there or total in there, (account.location, account.format, total, there)
    for shift in account.shifts:
        assert shift.size > 0 and shift.left != shift.right
        assert shift.left + shift.size <= totals[0] and shift.right + shift.size <= totals[1]
    assert sum(shift.size for shift in account.shifts) <= account.moved


def _summed(found: Comparison, artifacts: tuple[bytes, bytes]) -> None:
    summary = found.summary
    assert 0 <= summary.bytes_explained <= summary.bytes_differing <= sum(map(len, artifacts))
    outermost = [account for account in found.accounts if account.location == ()]
    if not outermost:
        return
    rows = outermost[0].rows
    assert sum(r.equal + r.differing + r.left_only for r in rows) == found.left.size
    assert sum(r.equal + r.differing + r.right_only for r in rows) == found.right.size
    amounts = [(r.differing + r.left_only + r.right_only, r.explained) for r in rows]
    assert summary.bytes_differing == sum(amount for amount, _ in amounts)
    assert summary.bytes_explained == sum(amount for amount, explained in amounts if explained)


def sizes(artifact: bytes, location: tuple[str, ...]) -> set[int]:
    """The sizes of what lies at `location`: a compressed stream and what is in it share one; empty if unreadable."""
    found = set() if location else {len(artifact)}
    try:
        for view in _views(memoryview(artifact), location):
            found.add(len(view))
    except (Malformed, KeyError):
        pass
    return found


def _views(view: memoryview, location: tuple[str, ...]) -> Iterator[memoryview]:
    container = formats.opened(view)
    if container is None and location:
        raise KeyError(location)
    if not location:
        yield view
    if container is not None and container.format == "stream":
        inner = next(iter(container.members())).content
        if inner is not None:
            yield from _views(_decoded(inner), location)
    elif container is not None and location:
        seen: dict[str, int] = {}
        for member in container.members():
            number = seen[member.name] = seen.get(member.name, 0) + 1
            if location[0] == (member.name if number == 1 else f"{member.name} ({number})") and member.content:
                yield from _views(_decoded(member.content), location[1:])
                return


def _decoded(content: formats.base.Content) -> memoryview:
    return memoryview(b"".join(bytes(piece.read()) for piece in content.pieces()))


def mirrored(found: Comparison) -> Comparison:
    """`found` as the comparison of the same artifacts the other way round must be."""
    divergences = (replace(d, left=d.right, right=d.left, ranges=_mirrored_ranges(d.ranges)) for d in found.divergences)
    unexamined = (replace(u, reason=_mirrored_reason(u.reason)) for u in found.unexamined)
    accounts = (
        replace(
            account,
            rows=tuple(replace(r, left_only=r.right_only, right_only=r.left_only) for r in account.rows),
            shifts=tuple(sorted((replace(s, left=s.right, right=s.left) for s in account.shifts), key=_place)),
        )
        for account in found.accounts
    )
    picture = found.picture and replace(found.picture, left=found.picture.right, right=found.picture.left)
    return replace(
        found,
        left=found.right,
        right=found.left,
        divergences=tuple(divergences),
        unexamined=tuple(sorted(unexamined, key=lambda u: (u.location, u.reason))),
        accounts=tuple(accounts),
        picture=picture,
    )


def _place(shift: Shift) -> tuple[int, int, int]:
    return shift.left, shift.right, shift.size


def _mirrored_ranges(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    swapped = (replace(r, side=_SWAPPED[r.side]) for r in ranges)
    return tuple(sorted(swapped, key=lambda r: (r.start, r.end, r.side, r.structure)))


def _mirrored_reason(reason: str) -> str:
    side, colon, rest = reason.partition(":")
    return _SWAPPED[side] + colon + rest if colon and side in ("left", "right") else reason


class _Thorough(Walker):
    """Takes nothing for equal that was not walked to its leaves; there bytes decide."""

    def _leaf(self, location: Any, left: memoryview, right: memoryview, *rest: Any, **options: Any) -> None:
        if not same_bytes(left, right):
            super()._leaf(location, left, right, *rest, **options)


def thorough(left: bytes, right: bytes, scratch: Path) -> tuple[Findings, list[Account]]:
    """What the walk finds where equal bytes are no reason not to look: neither a whole artifact's nor a member's."""
    findings = Findings()
    never = {name: lambda *_: False for name in ("equal", "as_stored")}
    with patch.multiple(Equality, **never):
        walker = _Thorough(
            findings, Budget(Limits()), scratch, [lambda *_: None], painter=Painter((len(left), len(right)))
        )
        walker.artifacts(memoryview(left), memoryview(right))
    return findings, walker.accounts
