"""Make pins and move them: what a mirror or a snapshot archive serves becomes a pin once its signature holds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pysequoia import Cert

from repro.model.errors import IntegrityFailure, InvalidInput, ReproError, Unavailable
from repro.model.pin import TIMESTAMP, Pin
from repro.snapshot.index import packages_path
from repro.snapshot.pins import INRELEASE_LIMIT, PinProof, prove
from repro.snapshot.sources import SnapshotArchive, Source, get_patiently
from repro.snapshot.trust import verify_inrelease
from repro.system.http import Http

NEWER, SAME, OLDER = "newer", "same", "older"


@dataclass(frozen=True)
class Suite:
    """What is to be pinned of which archive; `name` is the suite's."""

    archive: str
    name: str
    components: tuple[str, ...]
    architectures: tuple[str, ...]

    @property
    def inrelease(self) -> str:
        return f"dists/{self.name}/InRelease"


@dataclass(frozen=True)
class Accepted:
    """Whose word counts: `signers` (upper-case fingerprints) of `certificates`, all of these where it is empty."""

    certificates: tuple[Cert, ...]
    signers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A pin that may be kept: with the InRelease bytes, the proof, and the certificates of all who vouched."""

    pin: Pin
    inrelease: bytes
    proof: PinProof
    certificates: tuple[Cert, ...]


@dataclass(frozen=True)
class Moved:
    """What a refresh found for `old`: `outcome` is NEWER (then `candidate` is the pin to keep), SAME or OLDER."""

    old: Pin
    outcome: str
    candidate: Candidate


def pin_from_mirror(suite: Suite, accepted: Accepted, http: Http, sources: Sequence[Source]) -> Candidate:
    """A pin on what the mirrors serve now for `suite`; its timestamp is the Release's Date.

    The pin keeps those signers who vouched. A mirror whose InRelease is not properly signed is passed over.
    Raises IntegrityFailure where each that answered was so, Unavailable where none answered.
    """
    wrong: list[str] = []
    said: list[str] = []
    for source in sources:
        if source.polite or not source.serves(suite.archive):
            continue
        for url in source.urls(suite.archive, suite.inrelease, ""):
            try:
                data = get_patiently(http, source, url, INRELEASE_LIMIT)
                return _candidate(suite, None, data, accepted, url)
            except IntegrityFailure as error:
                wrong.append(error.message)
            except Unavailable as error:
                said.append(error.message)
    if wrong:
        raise IntegrityFailure("; ".join((*wrong, *said)))
    raise Unavailable(
        f"no mirror serves {suite.archive} {suite.name}: {'; '.join(said) or 'none is configured'}",
        hint="add one to mirrors.toml, or pin a time with --at",
    )


def pin_at(suite: Suite, timestamp: str, accepted: Accepted, http: Http, snapshot: SnapshotArchive) -> Candidate:
    """A pin on the state of `suite` at `timestamp`, whose canonical import time it gets. Raises as above."""
    canonical = snapshot.import_at(suite.archive, timestamp)
    url = snapshot.url(suite.archive, suite.inrelease, canonical)
    data = get_patiently(http, snapshot, url, INRELEASE_LIMIT)
    return _candidate(suite, canonical, data, accepted, url)


def refresh(pin: Pin, certificates: Sequence[Cert], old: PinProof, http: Http, sources: Sequence[Source]) -> Moved:
    """What the mirrors serve now for the suite of `pin`, whose proof is `old`; the same signers are accepted.

    Raises as `pin_from_mirror` does.
    """
    suite = Suite(pin.archive, pin.suite, pin.components, pin.architectures)
    found = pin_from_mirror(suite, Accepted(tuple(certificates), pin.signers), http, sources)
    if found.pin.inrelease_sha256 == pin.inrelease_sha256:
        return Moved(pin, SAME, found)
    if found.proof.release.date <= old.release.date:
        return Moved(pin, OLDER, found)
    kept = replace(found, pin=replace(found.pin, signers=pin.signers))
    return Moved(pin, NEWER, kept)


def _candidate(suite: Suite, timestamp: str | None, data: bytes, accepted: Accepted, where: str) -> Candidate:
    known = {cert.fingerprint.upper(): cert for cert in accepted.certificates}
    if strangers := [signer for signer in accepted.signers if signer not in known]:
        raise InvalidInput(f"the keyring has no certificate {', '.join(strangers)}")
    try:
        vouched = verify_inrelease(data, accepted.certificates, accepted.signers or list(known))
    except ReproError as error:
        raise type(error)(f"{where}: {error.message}", hint=error.hint) from error
    digest = hashlib.sha256(data).hexdigest()
    signers = tuple(signer.fingerprint for signer in vouched.signers)
    time = timestamp or vouched.release.date.strftime(TIMESTAMP)
    pin = Pin(suite.archive, suite.name, suite.components, suite.architectures, time, digest, signers)
    proof = prove(pin, data, accepted.certificates, where)
    for component in suite.components:
        for architecture in suite.architectures:
            path = packages_path(component, architecture)
            if path not in vouched.release.entries:
                raise InvalidInput(f"{where}: the suite has no {path}", hint="check --component and --arch")
    return Candidate(pin, data, proof, tuple(known[signer] for signer in signers))
