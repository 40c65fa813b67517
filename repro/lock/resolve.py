"""From a recipe and its pins to a lock, and whether a lock still is one of that recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from repro.lock.apt import Room, solve
from repro.lock.index import locked, stanzas
from repro.model.lock import Lock, LockedIndex, LockedPackage
from repro.model.pin import PinSet
from repro.model.recipe import Recipe
from repro.model.text import canonical_json


def inputs_digest(recipe: Recipe, pins: PinSet, toolchain: Sequence[str]) -> str:
    """SHA-256 over everything the closure follows from: packages asked for, architecture, pins, tools."""
    material = {
        "packages": sorted(recipe.packages),
        "architecture": recipe.architecture,
        "toolchain": sorted(toolchain),
        "pins": [(pin.name, pin.timestamp, pin.sha256, sorted(pin.components)) for pin in pins.pins],
    }
    return hashlib.sha256(canonical_json(material)).hexdigest()


def resolve(
    recipe: Recipe,
    pins: PinSet,
    toolchain: Sequence[str],
    indexes: Mapping[LockedIndex, bytes],
    source_date_epoch: int,
    room: Room,
) -> Lock:
    """The lock of `recipe`: the closures of image and `toolchain` over the pins' Packages `indexes`.

    Raises InvalidInput where apt finds no solution.
    """

    def closure(wanted: Sequence[str]) -> tuple[LockedPackage, ...]:
        hashes = solve(room, list(indexes.values()), recipe.architecture, sorted(wanted))
        found: dict[str, LockedPackage] = {}
        for index, data in indexes.items():
            for digest, stanza in stanzas(data, set(hashes) - set(found)).items():
                found[digest] = locked(stanza, index.pin)
        return tuple(sorted(found.values(), key=lambda package: (package.name, package.arch)))

    return Lock(
        recipe=recipe.name,
        inputs=inputs_digest(recipe, pins, toolchain),
        source_date_epoch=source_date_epoch,
        indexes=tuple(indexes),
        image=closure(recipe.packages),
        toolchain=closure(toolchain),
    )


def stale(lock: Lock, recipe: Recipe, pins: PinSet, toolchain: Sequence[str]) -> str:
    """In one line, why `lock` is not the lock of `recipe` any more; empty where it is."""
    if lock.recipe != recipe.name:
        return f"the lock is of recipe {lock.recipe}, not of {recipe.name}"
    known = {pin.name for pin in pins.pins}
    if gone := sorted({package.pin for package in lock.packages} - known):
        return f"pin {gone[0]} is not in pin set {pins.name} any more"
    have = {package.name for package in lock.image}
    if absent := sorted(set(recipe.packages) - have):
        return f"package {absent[0]} is in the recipe and not in the lock"
    if lock.inputs != inputs_digest(recipe, pins, toolchain):
        return "packages, pins or tools changed since the lock was written"
    return ""


def changes(old: Lock | None, new: Lock) -> list[str]:
    """What `new` adds, drops and moves against `old`, a line each, sorted."""
    lines = []
    for part in ("image", "toolchain"):
        before = {p.name: p.version for p in getattr(old, part)} if old else {}
        after = {p.name: p.version for p in getattr(new, part)}
        lines += [f"{part}: + {name} {after[name]}" for name in sorted(set(after) - set(before))]
        lines += [f"{part}: - {name} {before[name]}" for name in sorted(set(before) - set(after))]
        both = sorted(set(before) & set(after))
        lines += [f"{part}: {name} {before[name]} → {after[name]}" for name in both if before[name] != after[name]]
    return lines
