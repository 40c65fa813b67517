"""Everything that a lock names, as files to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repro.model.errors import InvalidInput
from repro.model.lock import Lock, LockedIndex
from repro.model.pin import PinSet
from repro.snapshot.fetcher import Fetched, Fetcher, Plan
from repro.snapshot.index import fetch_indexes, index_entry, wanted_index
from repro.snapshot.pins import PinProof
from repro.snapshot.sources import Wanted
from repro.system.progress import Observer


@dataclass(frozen=True)
class LockPlan:
    """The inputs of a lock by what is known before anything is fetched."""

    plan: Plan
    packages: int
    indexes: int


def plan_lock(lock: Lock, pins: PinSet, proofs: Mapping[str, PinProof], fetcher: Fetcher) -> LockPlan:
    """Classify every input of `lock` without opening a socket. Raises as `fetch_lock` does before it fetches."""
    wanted = [*wanted_packages(lock, pins)]
    present = []
    for index in lock.indexes:
        proof = _agreeing(index, proofs)
        if fetcher.store.has(index.sha256, index.size):
            present.append(Wanted(index.sha256, index.size, proof.pin.archive, index.path, "", index.path))
        else:
            wanted.append(wanted_index(proof.pin, proof.release, index.path))
    plan = fetcher.plan(wanted)
    plan = Plan((*plan.present, *present), plan.obtainable, plan.unavailable)
    return LockPlan(plan, len(lock.packages), len(lock.indexes))


def fetch_lock(
    lock: Lock, pins: PinSet, proofs: Mapping[str, PinProof], fetcher: Fetcher, observer: Observer
) -> Fetched:
    """Have every .deb and every index of `lock` in the store. `proofs` are those of the pins, by their name.

    Raises InvalidInput where the lock names a pin that is not in `pins`, or an index other than the one that the
    signed Release names, and what `Fetcher.ensure` raises.
    """
    for index in lock.indexes:
        _agreeing(index, proofs)
    indexes = [(proofs[index.pin].pin, proofs[index.pin].release, index.path) for index in lock.indexes]
    return fetch_indexes(indexes, fetcher, observer, wanted_packages(lock, pins))[1]


def wanted_packages(lock: Lock, pins: PinSet) -> list[Wanted]:
    """Every .deb of `lock`, once. Raises InvalidInput where it names a pin that is not in `pins`."""
    wanted = []
    for package in lock.packages:
        pin = pins.pin(package.pin)
        label = f"{package.name} {package.version} {package.arch}"
        wanted.append(Wanted(package.sha256, package.size, pin.archive, package.path, pin.timestamp, label))
    return wanted


def _agreeing(index: LockedIndex, proofs: Mapping[str, PinProof]) -> PinProof:
    if index.pin not in proofs:
        raise InvalidInput(f"the lock names the pin {index.pin}, which is not in the pin set")
    proof = proofs[index.pin]
    entry = index_entry(proof.pin, proof.release, index.path)
    if (entry.sha256, entry.size) != (index.sha256, index.size):
        raise InvalidInput(
            f"the lock's index {index.pin} {index.path} is {index.sha256}, but the signed Release names {entry.sha256}",
            hint="the pin moved since the lock was written: run `repro lock RECIPE`",
        )
    return proof
