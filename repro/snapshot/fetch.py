"""Everything that a lock names, as files to fetch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from debian.deb822 import Sources

from repro.model.errors import IntegrityFailure, InvalidInput, Unavailable
from repro.model.lock import Lock, LockedIndex, LockedPackage
from repro.model.pin import Pin, PinSet
from repro.snapshot.fetcher import BlobStore, Fetched, Fetcher, Plan
from repro.snapshot.index import fetch_indexes, index_entry, wanted_index
from repro.snapshot.pins import PinProof
from repro.snapshot.sources import Wanted
from repro.system.pool import parallel
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
    """Have every .deb and every index of `lock` in the store, whole. `proofs` are those of the pins, by their name.

    What the store holds already is hashed now: damage is told, set aside and fetched anew.
    Raises InvalidInput where the lock names a pin that is not in `pins`, or an index other than the one that the
    signed Release names, IntegrityFailure where something damaged cannot be had again, and what `Fetcher.ensure`
    raises.
    """
    agreeing = [(_agreeing(index, proofs), index) for index in lock.indexes]
    indexes = [(proof.pin, proof.release, index.path) for proof, index in agreeing]
    packages = wanted_packages(lock, pins)
    labels = {index.sha256: f"{index.pin} {index.path}" for index in lock.indexes}
    labels |= {item.sha256: item.label for item in (*packages, *(wanted_index(*index) for index in indexes))}
    damaged = _set_damaged_aside(labels, fetcher.store, observer)
    try:
        return fetch_indexes(indexes, fetcher, observer, packages)[1]
    except Unavailable as error:
        if lost := [label for sha256, label in damaged.items() if not fetcher.store.has(sha256)]:
            message = f"damaged in the store, and not to be had again: {', '.join(lost)}; {error.message}"
            raise IntegrityFailure(message, hint=error.hint) from error
        raise


def fetch_lock_indexes(lock: Lock, proofs: Mapping[str, PinProof], fetcher: Fetcher, observer: Observer) -> None:
    """Have every index of `lock` in the store. Raises as `fetch_lock` does."""
    agreeing = [(_agreeing(index, proofs), index) for index in lock.indexes]
    fetch_indexes([(proof.pin, proof.release, index.path) for proof, index in agreeing], fetcher, observer)


def _set_damaged_aside(labels: Mapping[str, str], store: BlobStore, observer: Observer) -> dict[str, str]:
    """Hash what `store` holds of the blobs in `labels`: those that were damaged, and are in its quarantine now."""

    def problem(sha256: str) -> str:
        try:
            with store.open_verified(sha256):
                return ""
        except IntegrityFailure as error:
            return error.message

    present = [sha256 for sha256 in labels if store.has(sha256)]
    damaged = {}
    for sha256, why in zip(present, parallel(problem, present, os.cpu_count() or 1), strict=True):
        if why:
            damaged[sha256] = labels[sha256]
            observer.note(f"{labels[sha256]}: damaged: {why}")
    return damaged


def wanted_packages(lock: Lock, pins: PinSet) -> list[Wanted]:
    """Every .deb of `lock`, once. Raises InvalidInput where it names a pin that is not in `pins`."""
    return [wanted_package(package, pins.pin(package.pin)) for package in lock.packages]


def wanted_package(package: LockedPackage, pin: Pin) -> Wanted:
    """The .deb of `package`, from the archive of `pin`."""
    label, known = f"{package.name} {package.version} {package.arch}", (package.name, package.version)
    return Wanted(package.sha256, package.size, pin.archive, package.path, pin.timestamp, label, package=known)


def wanted_source(stanza: Sources, pin: Pin) -> list[Wanted]:
    """The files of the source package that `stanza` of Sources describes, from the archive of `pin`."""
    return [
        Wanted(file["sha256"], int(file["size"]), pin.archive, path, pin.timestamp, file["name"])
        for file in stanza.get("Checksums-Sha256", ())
        if (path := f"{stanza['Directory']}/{file['name']}")
    ]


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
