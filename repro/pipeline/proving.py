"""That a lock is what the archives signed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from repro.lock.proof import Proven, Unproven, prove_packages
from repro.model.errors import IntegrityFailure
from repro.model.lock import Lock, LockedPackage
from repro.pipeline.loading import Loaded, Workplace, read_indexes
from repro.snapshot.pins import PinProof
from repro.system.pool import parallel


@dataclass(frozen=True)
class LockProof:
    """What was proven of a lock, by pin, with the `proofs` of the pins; what was not; and of the .debs that the store
    holds: how many have the SHA-256 that was signed (`hashed`), and what is wrong with the others (`damaged`)."""

    proofs: Mapping[str, PinProof]
    proven: tuple[Proven, ...]
    unproven: tuple[Unproven, ...]
    hashed: int
    damaged: tuple[tuple[LockedPackage, str], ...]

    @property
    def packages(self) -> int:
        return sum(len(each.packages) for each in self.proven)


def prove_lock(loaded: Loaded, lock: Lock, place: Workplace) -> LockProof:
    """Hold `lock` against the signed indexes of its pins, and what the store has of its .debs against the lock.

    Raises InvalidInput where the lock names an index that the pins do not, and what fetching an index raises.
    """
    proven, unproven = prove_packages(lock, read_indexes(loaded, lock, place))
    wrong = {each.package.sha256 for each in unproven}
    stored = [each for each in lock.packages if each.sha256 not in wrong and place.store.has(each.sha256)]
    with place.observer.task("hashing the packages", sum(each.size for each in stored), unit="bytes") as task:

        def problem(package: LockedPackage) -> str:
            try:
                with place.store.open_verified(package.sha256, package.size):
                    return ""
            except IntegrityFailure as error:
                return error.message
            finally:
                task.advance(package.size)

        said = parallel(problem, stored, os.cpu_count() or 1)
    damaged = tuple((package, why) for package, why in zip(stored, said, strict=True) if why)
    return LockProof(loaded.proofs, tuple(proven), tuple(unproven), len(stored) - len(damaged), damaged)
