"""What a build or a verification left in its folder, read back and held against itself before anybody signs it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from repro.model import record as records
from repro.model import statement, verification
from repro.model.artifact import Artifact
from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.record import FILE as BUILD
from repro.model.record import BuildRecord
from repro.model.statement import BUILT, Signing, Statement, Subject
from repro.model.verification import AGAINST, Found
from repro.model.verification import FILE as VERIFICATION
from repro.system.hashing import digests_of

HASHES = ("sha512", "sha256")  # those that rebuilderd puts into a link


@dataclass(frozen=True)
class Results:
    """`records` by the name of the rebuild, in order; `found` is None after a mere build. `build` is the name and
    digest of the build record itself. `hashes` are those of HASHES of each artifact of the first build, by name, as its
    file has them now."""

    folder: Path
    records: Mapping[str, BuildRecord]
    found: Found | None
    build: Artifact
    hashes: Mapping[str, Mapping[str, str]]

    @property
    def first(self) -> BuildRecord:
        """The build in the normalized environment, or the only one: whose claim and artifacts these are."""
        return next(iter(self.records.values()))


def read_results(folder: Path) -> Results:
    """The results in `folder`, with every artifact of the first build hashed anew.

    Raises InvalidInput where there are none, or they do not belong together; IntegrityFailure where an artifact is not
    what its record says.
    """
    path = folder / BUILD
    data = _read(path, f"run `repro build RECIPE` or `repro verify RECIPE` first; {BUILD} is what it writes")
    built = records.decode_all(data, str(path))
    digest = hashlib.sha256(data).hexdigest()
    found = None
    if (other := folder / VERIFICATION).exists():
        found = verification.decode(_read(other), str(other))
        if found.build_sha256 != digest:
            raise InvalidInput(f"{other} belongs to another build than {path}", hint="run `repro verify` again")
    first = next(iter(built.values()))
    hashes = {artifact.name: _checked(folder / artifact.name, artifact) for artifact in first.claim.artifacts}
    return Results(folder, built, found, Artifact(BUILD, "build", len(data), digest), hashes)


def statement_of(results: Results, signed: datetime, expires: datetime | None) -> Statement:
    """What there is to say about `results`, positive or not. `signed` and `expires` are aware, UTC, to the second."""
    first, found = results.first, results.found
    compared = found.comparisons if found else ()
    subjects = [Subject(artifact.name, artifact.sha256) for artifact in first.claim.artifacts]
    subjects += [Subject(each.artifact, each.right_sha256) for each in compared if each.right == AGAINST]
    run = Signing(
        ids=tuple(record.run.id for record in results.records.values()),
        backends=tuple(record.run.backend for record in results.records.values()),
        version=first.run.version,
        program=first.run.program,
        signed=signed,
        expires=expires,
    )
    return Statement(
        subjects=tuple(dict.fromkeys(subjects)),
        claim=first.claim,
        verdict=statement.worst(found.verdict if found else BUILT, compared),
        variations=found.variations if found else (),
        skipped=found.skipped if found else {},
        comparisons=compared,
        run=run,
    )


def _checked(path: Path, artifact: Artifact) -> dict[str, str]:
    """The hashes of `path`, once it has proven to be `artifact`."""
    try:
        hashes = digests_of(path, HASHES)
    except OSError as error:
        hint = "a statement is made where the build left its artifacts"
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    if hashes["sha256"] != artifact.sha256:
        raise IntegrityFailure(
            f"{path} is not what {BUILD} says: {hashes['sha256']} instead of {artifact.sha256}",
            hint="it was changed after the build; nothing was signed",
        )
    return hashes


def _read(path: Path, hint: str = "") -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", hint=hint) from error
