"""Pin sets on disk, with the evidence that lets anyone check them offline.

NAME.toml                         the pins (repro.model.pin)
NAME/ARCHIVE_SUITE.InRelease      the very bytes; slashes of the suite become underscores
NAME/ARCHIVE_SUITE.Release        the same of an archive without InRelease,
NAME/ARCHIVE_SUITE.Release.gpg    with the signatures on it
NAME/keys.asc                     the OpenPGP certificates of the accepted signers
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pysequoia import Cert

from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.pin import Pin, PinSet, decode, encode
from repro.snapshot.index import packages_path
from repro.snapshot.release import Entry, Release
from repro.snapshot.trust import (
    Signer,
    Vouched,
    read_certificates,
    verify_detached,
    verify_inrelease,
    write_certificates,
)

RELEASE_LIMIT = 8 << 20  # bytes; sid's InRelease is 0.2 MB
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Evidence:
    """The bytes of the file that is signed, and of Release.gpg where its signatures are not in it."""

    document: bytes
    signatures: bytes | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.document).hexdigest()

    @property
    def files(self) -> dict[str, bytes]:
        """What lies below `dists/SUITE/` of an archive, by name."""
        if self.signatures is None:
            return {"InRelease": self.document}
        return {"Release": self.document, "Release.gpg": self.signatures}

    def vouched(self, certificates: Sequence[Cert], accepted: Collection[str]) -> Vouched:
        """Who of `accepted` vouches for it. Raises IntegrityFailure where nobody does."""
        if self.signatures is None:
            return verify_inrelease(self.document, certificates, accepted)
        return verify_detached(self.document, self.signatures, certificates, accepted)


@dataclass(frozen=True)
class PinProof:
    """A pin whose evidence holds: the Release that it names, who vouched, why other signatures do not count, and what
    the Release names of the pinned components and architectures: the indexes, uncompressed."""

    pin: Pin
    release: Release
    signers: tuple[Signer, ...]
    refused: tuple[str, ...]
    indexes: tuple[Entry, ...]


def pin_set_names(folder: Path) -> list[str]:
    """The names of the pin sets in `folder`, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_pin_set(folder: Path, name: str) -> PinSet:
    """The pin set in `folder`/`name`.toml, not verified.

    Raises InvalidInput where there is none (naming those that exist), or where it is not valid.
    """
    path = pin_set_path(folder, name)
    try:
        return decode(name, path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        known = ", ".join(pin_set_names(folder)) or "none"
        raise InvalidInput(f"no pin set {name} in {folder}", hint=f"there: {known}; see `repro pin add`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from error


def pin_set_path(folder: Path, name: str) -> Path:
    """Where the pin set `name` lies. Raises InvalidInput where `name` is not a file name of ours."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} cannot name a pin set", hint="use small letters, digits and hyphens")
    return folder / f"{name}.toml"


def evidence_path(folder: Path, name: str, pin: Pin) -> Path:
    """Where the file lies that `pin` names: its InRelease or Release. Signatures of the latter lie in PATH.gpg."""
    return folder / name / f"{pin.archive}_{pin.suite.replace('/', '_')}.{pin.document}"


def keys_path(folder: Path, name: str) -> Path:
    """Where the certificates of the set's signers lie."""
    return folder / name / "keys.asc"


def load_keys(folder: Path, name: str) -> tuple[Cert, ...]:
    """The certificates of the pin set `name`. Raises InvalidInput where they are missing or not readable."""
    path = keys_path(folder, name)
    return read_certificates(_evidence(path), str(path))


def verify_pin(folder: Path, name: str, pin: Pin) -> PinProof:
    """Prove `pin` from the evidence beside it, offline.

    Raises IntegrityFailure where the evidence does not bear it out, InvalidInput where there is no evidence.
    """
    path = evidence_path(folder, name, pin)
    return prove(pin, load_evidence(folder, name, pin), load_keys(folder, name), str(path))


def load_evidence(folder: Path, name: str, pin: Pin) -> Evidence:
    """What lies beside `pin`, unproven. Raises InvalidInput where there is nothing."""
    path = evidence_path(folder, name, pin)
    return Evidence(_evidence(path), _evidence(_signatures_of(path)) if pin.detached else None)


def verify_pin_set(folder: Path, pins: PinSet) -> list[PinProof]:
    """`verify_pin` of each, in their order."""
    return [verify_pin(folder, pins.name, pin) for pin in pins.pins]


def prove(pin: Pin, evidence: Evidence, certificates: Sequence[Cert], where: str) -> PinProof:
    """That `evidence` is what `pin` names, that an accepted signer vouched for it as of its Date, that the pin's time
    is neither before that Date nor after its Valid-Until, and that it names the pinned indexes.

    Raises IntegrityFailure, with `where` naming the InRelease or Release.
    """
    if evidence.sha256 != pin.sha256:
        raise IntegrityFailure(f"{where}: SHA-256 {evidence.sha256}, but the pin {pin.name} names {pin.sha256}")
    try:
        vouched = evidence.vouched(certificates, pin.signers)
    except IntegrityFailure as error:
        raise IntegrityFailure(f"{where}: {error.message}", hint=error.hint) from error
    release = vouched.release
    if release.date > pin.time:
        raise IntegrityFailure(f"{where}: its Date {release.date} is after the pin's time {pin.timestamp}")
    if release.valid_until and pin.time > release.valid_until:
        raise IntegrityFailure(f"{where}: was valid until {release.valid_until}, before the pin's time {pin.timestamp}")
    if pin.suite.removesuffix("/updates") not in {name.removesuffix("/updates") for name in release.names}:
        raise IntegrityFailure(f"{where}: is of {' or '.join(release.names) or 'no suite'}, not of {pin.suite}")
    paths = [packages_path(*each) for each in product(pin.components, pin.architectures)]
    if lost := [path for path in paths if path not in release.entries]:
        hint = "check components and architectures of the pin"
        raise IntegrityFailure(f"{where}: names no {', '.join(lost)}, which the pin {pin.name} asks for", hint=hint)
    return PinProof(pin, release, vouched.signers, vouched.refused, tuple(release.entries[path] for path in paths))


def save_pin_set(folder: Path, pins: PinSet, evidence: Mapping[str, Evidence], certificates: Sequence[Cert]) -> None:
    """Write `pins` with `evidence` (by pin name; of those not given it stays as it is).

    The TOML file comes last. Raises InvalidInput where the folder cannot be written.
    """
    try:
        (folder / pins.name).mkdir(parents=True, exist_ok=True)
        _replace(keys_path(folder, pins.name), write_certificates(certificates).encode())
        for name, given in evidence.items():
            path = evidence_path(folder, pins.name, pins.pin(name))
            _replace(path, given.document)
            if given.signatures is not None:
                _replace(_signatures_of(path), given.signatures)
        _replace(pin_set_path(folder, pins.name), encode(pins).encode())
    except OSError as error:
        raise InvalidInput(f"{error.filename}: {error.strerror}", hint="choose a folder with --snapshots") from error


def _signatures_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.gpg")


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _evidence(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(RELEASE_LIMIT)
    except OSError as error:
        raise InvalidInput(f"evidence of the pin is missing: {path}: {error.strerror}") from error
