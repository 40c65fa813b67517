"""From a recipe and its pins to a lock, and whether a lock still is one of that recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from repro.lock.apt import Repository, Room, solve
from repro.lock.index import locked, stanzas
from repro.model.lock import Lock, LockedIndex, LockedPackage
from repro.model.pin import Pin, PinSet
from repro.model.recipe import Recipe
from repro.model.text import canonical_json


def inputs_digest(recipe: Recipe, pins: PinSet, toolchain: Sequence[str]) -> str:
    """SHA-256 over everything the closure follows from: packages asked for, architectures, pins, tools."""
    material: dict[str, Any] = {
        "packages": sorted(recipe.packages),
        "architecture": recipe.architecture,
        "toolchain": sorted(toolchain),
        "pins": [(pin.name, pin.timestamp, pin.sha256, sorted(pin.components)) for pin in pins.pins],
    }
    if recipe.foreign_architectures:
        material["foreign_architectures"] = list(recipe.foreign_architectures)
    odd = {pin.name: used for pin in pins.pins if (used := used_architectures(recipe, pin)) != (recipe.architecture,)}
    if odd:
        material["indexes"] = odd
    return hashlib.sha256(canonical_json(material)).hexdigest()


def used_architectures(recipe: Recipe, pin: Pin) -> tuple[str, ...]:
    """Those of whose indexes of `pin` the closure of `recipe` is made, in the order of the pin."""
    return tuple(each for each in pin.architectures if each in ("all", *recipe.architectures))


def resolve(
    recipe: Recipe,
    pins: PinSet,
    toolchain: Sequence[str],
    indexes: Mapping[LockedIndex, Repository],
    source_date_epoch: int,
    room: Room,
) -> Lock:
    """The lock of `recipe`: the closures of image and `toolchain` over the pins' Packages `indexes`.

    The toolchain is of the recipe's own architecture.

    Raises InvalidInput where apt finds no solution.
    """

    def closure(wanted: Sequence[str], architectures: Sequence[str]) -> tuple[LockedPackage, ...]:
        known = {index: each for index, each in indexes.items() if _architecture(index) in ("all", *architectures)}
        hashes = solve(room, list(known.values()), architectures, sorted(wanted))
        found: dict[str, LockedPackage] = {}
        for index, repository in known.items():
            for digest, stanza in stanzas(repository.packages, set(hashes) - set(found)).items():
                found[digest] = locked(stanza, index.pin)
        return tuple(sorted(found.values(), key=lambda package: (package.name, package.arch)))

    return Lock(
        recipe=recipe.name,
        inputs=inputs_digest(recipe, pins, toolchain),
        source_date_epoch=source_date_epoch,
        indexes=tuple(indexes),
        image=closure(recipe.packages, recipe.architectures),
        toolchain=closure(toolchain, (recipe.architecture,)),
    )


def _architecture(index: LockedIndex) -> str:
    return index.path.split("/")[-2].removeprefix("binary-")


def stale(lock: Lock, recipe: Recipe, pins: PinSet, toolchain: Sequence[str]) -> str:
    """In one line, why `lock` is not the lock of `recipe` any more; empty where it is."""
    if lock.recipe != recipe.name:
        return f"the lock is of recipe {lock.recipe}, not of {recipe.name}"
    known = {pin.name for pin in pins.pins}
    if gone := sorted({package.pin for package in lock.packages} - known):
        return f"pin {gone[0]} is not in pin set {pins.name} any more"
    have = {name for package in lock.image for name in (package.name, f"{package.name}:{package.arch}")}
    if absent := sorted(set(recipe.asked) - have):
        return f"package {absent[0]} is in the recipe and not in the lock"
    if lock.inputs != inputs_digest(recipe, pins, toolchain):
        return "packages, pins or tools changed since the lock was written"
    return ""
