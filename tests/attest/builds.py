"""Builds to say something of: of the committed locks, and random ones. Run as a program it prints what is said."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from repro.attest.bom import bill_of_materials
from repro.attest.provenance import PREDICATE_TYPE, provenance
from repro.attest.statements import statement
from repro.model import lock as locks
from repro.model.artifact import Artifact
from repro.model.lock import Lock, LockedPackage
from repro.model.pin import PinSet
from repro.model.record import BuildRecord
from repro.snapshot.pins import load_pin_set
from tests.cli.test_schemas import build_record
from tests.model.strategies import COUNTS, LOCKS, PACKAGES, PIN_SETS, SHA256
from tests.users import ROOT

RECIPES = ("minimal", "unstable")
BUILDER = "https://rebuilder.example.org"
BYPRODUCTS = (Artifact("build.json", "json", 4711, "1a" * 32), Artifact("build.log", "log", 815, "2b" * 32))
LATEST = 253402300799  # the last second of the year 9999


@dataclass(frozen=True)
class Build:
    """A record and what it is about."""

    record: BuildRecord
    lock: Lock
    pins: PinSet


def made(lock: Lock, pins: PinSet, artifacts: tuple[Artifact, ...] = ()) -> Build:
    """A build of `lock` with `pins`, whose record says so."""
    record = build_record()
    claim = replace(
        record.claim,
        recipe=lock.recipe,
        lock_sha256=hashlib.sha256(locks.encode(lock).encode()).hexdigest(),
        pins={pin.name: pin.timestamp for pin in pins.pins},
        artifacts=artifacts or record.claim.artifacts,
    )
    return Build(replace(record, claim=claim), lock, pins)


def committed(recipe: str) -> Build:
    """A build of the committed lock of `recipe`."""
    path = ROOT / "recipes" / recipe / "recipe.lock"
    lock = locks.decode(path.read_text(encoding="utf-8"), str(path))
    return made(lock, load_pin_set(ROOT / "snapshots", "bookworm"))


def provenance_of(build: Build) -> bytes:
    predicate = provenance(build.record, build.lock, build.pins, builder=BUILDER, byproducts=BYPRODUCTS)
    return statement(build.record.claim.artifacts, PREDICATE_TYPE, predicate)


def bill_of(build: Build) -> bytes:
    return bill_of_materials(build.record.claim, build.lock, build.pins)


def _distinct(packages: list[LockedPackage]) -> list[LockedPackage]:
    return [replace(p, sha256=hashlib.sha256(f"{p.sha256} {n}".encode()).hexdigest()) for n, p in enumerate(packages)]


@st.composite
def builds(draw: st.DrawFn) -> Build:
    """Any lock on pins that there are, some packages of which are in image and toolchain alike."""
    pins = draw(PIN_SETS)
    names = st.sampled_from([pin.name for pin in pins.pins])
    pool = _distinct(draw(st.lists(PACKAGES, max_size=8, unique_by=lambda p: (p.name, p.arch))))
    pool = [replace(package, pin=draw(names)) for package in pool]
    places = [draw(st.sampled_from(["image", "toolchain", "both"])) for _ in pool]
    lock = draw(LOCKS)
    lock = replace(
        lock,
        source_date_epoch=draw(st.integers(0, LATEST)),
        indexes=tuple(replace(index, pin=draw(names)) for index in lock.indexes),
        image=tuple(p for p, place in zip(pool, places, strict=True) if place != "toolchain"),
        toolchain=tuple(p for p, place in zip(pool, places, strict=True) if place != "image"),
    )
    texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)
    files = st.builds(Artifact, name=texts, kind=st.just("iso"), size=COUNTS, sha256=SHA256)
    return made(lock, pins, tuple(draw(st.lists(files, min_size=1, max_size=3, unique_by=lambda a: a.name))))


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        sys.stdout.buffer.write(provenance_of(committed(wanted)) + b"\n" + bill_of(committed(wanted)))
