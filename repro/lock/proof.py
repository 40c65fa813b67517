"""That each .deb of a lock is what the archive signed at the pin, by the signed indexes alone.

The lock is taken for a claim: whatever mirror, cache or person it came from, every name, version, path, size and
SHA-256 in it has to be in a Packages index whose own SHA-256 the signed Release names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repro.lock.index import locked, stanzas
from repro.model.lock import Lock, LockedPackage


@dataclass(frozen=True)
class Proven:
    """Of the pin `pin`: the packages of the lock that its signed indexes name exactly as the lock does."""

    pin: str
    packages: tuple[LockedPackage, ...]

    @property
    def size(self) -> int:
        """Bytes of the .debs together."""
        return sum(package.size for package in self.packages)


@dataclass(frozen=True)
class Unproven:
    """A package of a lock that is not what the archive signed, and how it differs."""

    package: LockedPackage
    why: str


def prove_packages(lock: Lock, indexes: Mapping[str, bytes]) -> tuple[list[Proven], list[Unproven]]:
    """Hold every package of `lock` against the signed `indexes` (Packages, uncompressed, joined by pin).

    Raises IntegrityFailure where a stanza lacks a field that every archive has.
    """
    proven, unproven = [], []
    for pin in sorted({package.pin for package in lock.packages}):
        packages = [package for package in lock.packages if package.pin == pin]
        index = indexes.get(pin, b"")
        found = stanzas(index, (package.sha256 for package in packages))
        good = []
        for package in packages:
            if why := _objection(package, found.get(package.sha256), index):
                unproven.append(Unproven(package, why))
            else:
                good.append(package)
        proven.append(Proven(pin, tuple(good)))
    return proven, unproven


def _objection(package: LockedPackage, stanza: bytes | None, index: bytes) -> str:
    if stanza is None:
        others = _others(package, index)
        return f"no .deb with the SHA-256 {package.sha256} was signed; {_described(others)}"
    signed = locked(stanza, package.pin)
    for key, value in vars(signed).items():
        if getattr(package, key) != value:
            return f"the lock says {key} {getattr(package, key)}, what was signed says {value}"
    return ""


def _others(package: LockedPackage, index: bytes) -> list[LockedPackage]:
    """What `index` has under the name of `package`."""
    start = f"Package: {package.name}\n".encode()
    named = [stanza for stanza in index.split(b"\n\n") if stanza.lstrip(b"\n").startswith(start)]
    return [locked(stanza.strip(b"\n"), package.pin) for stanza in named]


def _described(others: Sequence[LockedPackage]) -> str:
    if not others:
        return "nor any package of that name"
    listed = ", ".join(f"{other.version} {other.arch} with {other.sha256[:16]}…" for other in others[:3])
    return f"of that name there is {listed}"
