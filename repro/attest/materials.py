"""What went into a build, as statements name it: every .deb of a lock once, with its package URL and its address."""

from __future__ import annotations

from dataclasses import dataclass

from packageurl import PackageURL

from repro.model import lock as locks
from repro.model.errors import InvalidInput
from repro.model.lock import Lock, LockedPackage
from repro.model.pin import Pin, PinSet
from repro.model.record import Claim
from repro.snapshot.hosts import snapshot_url

IMAGE, TOOLCHAIN, BOTH = "image", "toolchain", "both"


@dataclass(frozen=True)
class Material:
    """A .deb of the lock, the pin whose index names it, and its `role`: IMAGE, TOOLCHAIN or BOTH."""

    package: LockedPackage
    pin: Pin
    role: str

    @property
    def purl(self) -> PackageURL:
        """`pkg:deb/debian/NAME@VERSION?arch=ARCH&distro=SUITE`."""
        qualifiers = {"arch": self.package.arch, "distro": self.pin.suite}
        return PackageURL("deb", "debian", self.package.name, self.package.version, qualifiers)

    @property
    def url(self) -> str:
        """Where the snapshot archive serves the .deb as of the pin."""
        return snapshot_url(self.pin.archive, self.pin.timestamp, self.package.path)


def materials(claim: Claim, lock: Lock, pins: PinSet) -> tuple[Material, ...]:
    """Every .deb of `lock` once, sorted by name, version and architecture.

    Raises InvalidInput where `claim` is about another lock or other pins, `lock` names a pin that is not in `pins`,
    or gives one hash to two packages: what is stated of a build must be what it was made from.
    """
    _check(claim, lock, pins)
    image, toolchain = ({package.sha256 for package in part} for part in (lock.image, lock.toolchain))
    found = []
    for sha256, package in _distinct(lock).items():
        role = BOTH if sha256 in image and sha256 in toolchain else IMAGE if sha256 in image else TOOLCHAIN
        found.append(Material(package, pins.pin(package.pin), role))
    return tuple(sorted(found, key=lambda material: (*_identity(material.package), material.package.sha256)))


def _check(claim: Claim, lock: Lock, pins: PinSet) -> None:
    digest = locks.digest(lock)
    if (claim.recipe, claim.lock_sha256) != (lock.recipe, digest):
        raise InvalidInput(
            f"the build of {claim.recipe} was made from the lock {claim.lock_sha256[:12]}…, "
            f"not from this one of {lock.recipe}, {digest[:12]}…",
            hint="give the lock that lay beside the recipe when it was built",
        )
    if dict(claim.pins) != {pin.name: pin.timestamp for pin in pins.pins}:
        raise InvalidInput(
            f"the build of {claim.recipe} was made with other pins than those of {pins.name}",
            hint="give the pins that the recipe named when it was built",
        )


def _distinct(lock: Lock) -> dict[str, LockedPackage]:
    """Each .deb of `lock` by its hash; of one in both parts, that of the image. Raises InvalidInput."""
    known: dict[str, LockedPackage] = {}
    for package in (*lock.image, *lock.toolchain):
        other = known.setdefault(package.sha256, package)
        if _identity(other) != _identity(package):
            raise InvalidInput(
                f"the lock of {lock.recipe} gives one hash to {other.name} and {package.name}: {package.sha256}",
                hint="write it again with `repro lock`",
            )
    return known


def _identity(package: LockedPackage) -> tuple[str, str, str]:
    return package.name, package.version, package.arch
