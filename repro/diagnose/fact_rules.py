"""What the facts of two members show: times, modes, owners, orders, links, attributes, and fields of containers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from repro.diagnose import stamps, text_rules
from repro.diagnose.registry import RULES
from repro.diagnose.rule import sides
from repro.diagnose.words import changes
from repro.model.cause import HIGH, LOW, MEDIUM, Cause
from repro.model.comparison import Divergence, Facts

_SYSTEM_IDS = range(100, 1000)  # Debian policy 9.2.2: given out by packages as they come
_LOCAL_TIMES = re.compile(r"\.(?:img|fat|vfat|zip|iso)$")  # formats whose times have no zone
_TIME = re.compile(r"time|date|mtime|MTIME")
_SERIAL = re.compile(r"serial|GUID|UUID|uuid|signature|identifier|hash seed")
_FOLLOWS = re.compile(r"CRC|checksum")
_COMPRESSOR = re.compile(r"compress|level|XFL|header OS|block size|window|filters")
_PADDING = re.compile(r"padding|slack|reserved|unused|unmapped")


def fact_causes(divergence: Divergence) -> Iterator[Cause]:
    """The causes of all aspects of `divergence` but content and presence, as its facts and ranges show them."""
    left, right = divergence.left or {}, divergence.right or {}
    for aspect in divergence.aspects:
        if rule := _BY_ASPECT.get(aspect):
            yield from rule(left, right, divergence)


def _mtime(left: Facts, right: Facts, divergence: Divergence) -> Iterator[Cause]:
    apart = [name for name in left if name in right and left[name] != right[name] and _TIME.search(name)]
    for name in apart:
        ours, theirs = left[name], right[name]
        label = "timestamps_of_members"
        moments = [_seconds(value) for value in (ours, theirs)]
        local = any(_LOCAL_TIMES.search(part) for part in divergence.location)
        if local and moments[0] and moments[1] and stamps.quarters_apart(moments[0], moments[1]):
            label = "timezone"
        yield RULES[label].found(HIGH, f"{name}: {sides(stamps.shown(ours), stamps.shown(theirs))}")


def _seconds(value: Any) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    found = stamps.stamps(str(value))
    return found[0].moment.timestamp() if found and found[0].moment else None


def _mode(left: Facts, right: Facts, divergence: Divergence) -> Iterator[Cause]:
    try:
        ours, theirs = int(left["mode"], 8), int(right["mode"], 8)
    except (KeyError, TypeError, ValueError):
        return
    if not (ours ^ theirs) & ~0o077 and ours & theirs in (ours, theirs):
        yield RULES["different_due_to_umask"].found(HIGH, sides(left["mode"], right["mode"]))


def _owner(left: Facts, right: Facts, divergence: Divergence) -> Iterator[Cause]:
    apart = [(name, left[name], right[name]) for name in ("uid", "gid") if left.get(name) != right.get(name)]
    said = [f"{name}: {sides(ours, theirs)}" for name, ours, theirs in apart]
    drift = all(value in _SYSTEM_IDS for _, *values in apart for value in values)
    yield RULES["uid_gid_drift" if drift else "captures_owner"].found(HIGH if apart else LOW, *said)


def _order(left: Facts, right: Facts, divergence: Divergence) -> Iterator[Cause]:
    said = (f"{name}: {sides(left[name], right.get(name))}" for name in left)
    yield RULES["member_order"].found(HIGH, *said)


def _link(left: Facts, right: Facts, divergence: Divergence) -> Iterator[Cause]:
    if left.get("links") != right.get("links"):
        yield RULES["hard_link_order"].found(HIGH, sides(left.get("links"), right.get("links")))
    ours, theirs = left.get("target"), right.get("target")
    if isinstance(ours, str) and isinstance(theirs, str) and ours != theirs:
        for change in changes([ours], [theirs]):
            if found := text_rules.told(change, "".join(divergence.location[-1:])):
                yield RULES[found[0]].found(found[1], found[2])


def _xattr(left: Facts, right: Facts, divergence: Divergence) -> Iterator[Cause]:
    ours, theirs = (side.get("xattrs") for side in (left, right))
    names: Iterable[str] = {
        *(ours if isinstance(ours, Mapping) else ()),
        *(theirs if isinstance(theirs, Mapping) else ()),
    }
    yield RULES["host_xattrs"].found(HIGH, ", ".join(sorted(names)))


def _structure(left: Facts, right: Facts, divergence: Divergence) -> Iterator[Cause]:
    """Fields of containers and leaves by what their names say; those that follow from others say nothing."""
    names = sorted({*left, *right, *(r.structure for r in divergence.ranges)} - {"size", "sha256"})
    times = [name for name in names if _TIME.search(name) and left.get(name) != right.get(name)]
    moments = [(_seconds(left.get(name)), _seconds(right.get(name))) for name in times]
    zone = bool(times) and all(a and b and stamps.quarters_apart(a, b) for a, b in moments)
    for label, shape, confidence in (
        ("timezone" if zone else "timestamps_in_containers", _TIME, HIGH),
        ("random_uuid", _SERIAL, HIGH),
        ("compressor", _COMPRESSOR, MEDIUM),
        ("uninitialized_memory", _PADDING, MEDIUM),
    ):
        found = [name for name in names if shape.search(name) and not _FOLLOWS.search(name)]
        found = [name for name in found if name not in left or left[name] != right.get(name)] or found
        if found:
            said = (f"{name}: {sides(left.get(name, '?'), right.get(name, '?'))}" for name in found)
            yield RULES[label].found(confidence, *said)


def leaf_causes(divergence: Divergence) -> Iterator[Cause]:
    """What the named ranges of a leaf that differs in content show: an ELF file whose build-id alone differs."""
    names = {r.structure for r in divergence.ranges}
    own = {name for name in names if not re.search(r"build-id|debug link", name)}
    if names and not own:
        both = [
            next((str(v) for k, v in (side or {}).items() if "build-id" in k), "")
            for side in (divergence.left, divergence.right)
        ]
        said = sides(*both) if all(both) else ""
        yield RULES["build_id_differences_only"].found(HIGH, ", ".join(sorted(names)), said)
    elif names and all(_PADDING.search(name) for name in own) and "unmapped" not in own:
        yield RULES["uninitialized_memory"].found(MEDIUM, ", ".join(sorted(names)))


_BY_ASPECT = {
    "mtime": _mtime,
    "mode": _mode,
    "owner": _owner,
    "order": _order,
    "link": _link,
    "xattr": _xattr,
    "structure": _structure,
}
