"""Make pins and move them: what a mirror or a snapshot archive serves becomes a pin once its signature holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from pysequoia import Cert

from repro.model.errors import IntegrityFailure, InvalidInput, ReproError, Unavailable
from repro.model.pin import TIMESTAMP, Pin
from repro.snapshot.index import packages_path
from repro.snapshot.pins import RELEASE_LIMIT, Evidence, PinProof, prove
from repro.snapshot.sources import SnapshotArchive, Source, get_patiently
from repro.system.http import Http, HttpProblem

MOVED, SAME, LEFT = "moved", "same", "left"


@dataclass(frozen=True)
class Suite:
    """What is to be pinned of which archive; `name` is the suite's."""

    archive: str
    name: str
    components: tuple[str, ...]
    architectures: tuple[str, ...]


@dataclass(frozen=True)
class Accepted:
    """Whose word counts: `signers` (upper-case fingerprints) of `certificates`, all of these where it is empty."""

    certificates: tuple[Cert, ...]
    signers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A pin that may be kept: with its evidence, the proof, and the certificates of all who vouched."""

    pin: Pin
    evidence: Evidence
    proof: PinProof
    certificates: tuple[Cert, ...]


@dataclass(frozen=True)
class Moved:
    """What a refresh found for `old`: `outcome` is MOVED (then `candidate` is the pin to keep: the same signers stay
    accepted), SAME, or LEFT where what a mirror serves is older."""

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
        if not source.mirror or not source.serves(suite.archive):
            continue
        try:
            evidence, url = _evidence(suite, "", http, source)
            return _candidate(suite, None, evidence, accepted, url)
        except IntegrityFailure as error:
            wrong.append(error.message)
        except Unavailable as error:
            said.append(error.message)
    if wrong:
        raise IntegrityFailure("; ".join((*wrong, *said)))
    raise Unavailable(
        f"no mirror serves {suite.archive} {suite.name}: {'; '.join(said) or 'none is configured'}",
        hint="add one to sources.toml, or pin a time with --at",
    )


def pin_at(suite: Suite, timestamp: str, accepted: Accepted, http: Http, snapshot: SnapshotArchive) -> Candidate:
    """A pin on the state of `suite` at `timestamp`, whose canonical import time it gets. Raises as above."""
    canonical = snapshot.import_at(suite.archive, timestamp)
    evidence, url = _evidence(suite, canonical, http, snapshot)
    return _candidate(suite, canonical, evidence, accepted, url)


def move_to_mirror(old: PinProof, certificates: Sequence[Cert], http: Http, sources: Sequence[Source]) -> Moved:
    """What the mirrors serve now for the suite of the pin that `old` proves; the same signers are accepted.

    Raises as `pin_from_mirror` does.
    """
    return _moved(old, pin_from_mirror(_suite(old.pin), _accepted(old.pin, certificates), http, sources))


def move_to(
    timestamp: str, old: PinProof, certificates: Sequence[Cert], http: Http, snapshot: SnapshotArchive
) -> Moved:
    """The state at `timestamp`, as `pin_at` finds it, of the suite of the pin that `old` proves; an older one too."""
    found = pin_at(_suite(old.pin), timestamp, _accepted(old.pin, certificates), http, snapshot)
    moved = _moved(old, found)
    return replace(moved, outcome=MOVED) if moved.outcome == LEFT else moved


def _suite(pin: Pin) -> Suite:
    return Suite(pin.archive, pin.suite, pin.components, pin.architectures)


def _accepted(pin: Pin, certificates: Sequence[Cert]) -> Accepted:
    return Accepted(tuple(certificates), pin.signers)


def _moved(old: PinProof, found: Candidate) -> Moved:
    if found.pin.sha256 == old.pin.sha256:
        return Moved(old.pin, SAME, found)
    outcome = LEFT if found.proof.release.date <= old.release.date else MOVED
    pin = replace(found.pin, signers=old.pin.signers)
    return Moved(old.pin, outcome, replace(found, pin=pin, proof=replace(found.proof, pin=pin)))


def _evidence(suite: Suite, timestamp: str, http: Http, source: Source) -> tuple[Evidence, str]:
    """The InRelease that `source` has of `suite`, or else Release and Release.gpg; and where it was.

    Raises HttpProblem, of the InRelease where there is neither.
    """

    def get(document: str) -> tuple[bytes, str]:
        url = source.url(suite.archive, f"dists/{suite.name}/{document}", timestamp)
        return get_patiently(http, source, url, RELEASE_LIMIT), url

    try:
        document, url = get("InRelease")
        return Evidence(document), url
    except HttpProblem as error:
        if error.status not in (404, 410):
            raise
        try:
            document, url = get("Release")
            return Evidence(document, get("Release.gpg")[0]), url
        except HttpProblem:
            raise error from None


def _candidate(suite: Suite, timestamp: str | None, evidence: Evidence, accepted: Accepted, where: str) -> Candidate:
    known = {cert.fingerprint.upper(): cert for cert in accepted.certificates}
    if strangers := [signer for signer in accepted.signers if signer not in known]:
        raise InvalidInput(f"the keyring has no certificate {', '.join(strangers)}")
    try:
        vouched = evidence.vouched(accepted.certificates, accepted.signers or list(known))
    except ReproError as error:
        raise type(error)(f"{where}: {error.message}", hint=error.hint) from error
    for each in product(suite.components, suite.architectures):
        if (path := packages_path(*each)) not in vouched.release.entries:
            raise InvalidInput(f"{where}: the suite has no {path}", hint="check --component and --arch")
    signers = tuple(signer.fingerprint for signer in vouched.signers)
    pin = Pin(
        archive=suite.archive,
        suite=suite.name,
        components=suite.components,
        architectures=suite.architectures,
        timestamp=timestamp or vouched.release.date.strftime(TIMESTAMP),
        sha256=evidence.sha256,
        signers=signers,
        detached=evidence.signatures is not None,
    )
    proof = prove(pin, evidence, accepted.certificates, where)
    return Candidate(pin, evidence, proof, tuple(known[signer] for signer in signers))
