"""What a rebuilder says and signs: an in-toto Statement v1 whose predicate is `repro/rebuild/v1`.

Also for a negative or an inconclusive result. The predicate's `claim` is free of time, host and path, so that
rebuilders who agree say it byte for byte; what belongs to one run is under `run`.

Statement v1: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from repro.model import reading, record, verification
from repro.model.artifact import file_name
from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE
from repro.model.errors import InvalidInput
from repro.model.reading import one_of, optional, rows, sha256, some, table, text, word
from repro.model.record import Claim
from repro.model.text import canonical_json
from repro.model.verification import Compared

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:repro:rebuild:v1"
SCHEMA = "repro/rebuild/v1"
BUILT = "built"  # once, and compared with nothing
VERDICTS = (IDENTICAL, DIFFERENT, INCONCLUSIVE, BUILT)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Subject:
    """An artifact that a statement is about: file name, and SHA-256 of the raw bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Signing:
    """What belongs to one run: `ids` are those of the builds, in order, `backends` likewise; `version` and `program`
    are those of the build record; `signed` is when the statement was made, `expires` when it ends, if ever (both
    UTC, to the second)."""

    ids: tuple[str, ...]
    backends: tuple[str, ...]
    version: str
    program: str
    signed: datetime
    expires: datetime | None = None


@dataclass(frozen=True)
class Statement:
    """`claim` is that of the build in the normalized environment; `verdict` is one of `VERDICTS`. `variations` are
    the factors under which it was rebuilt as well, `skipped` those that could not be varied and why; `comparisons`
    say what was compared with what."""

    subjects: tuple[Subject, ...]
    claim: Claim
    verdict: str
    variations: tuple[str, ...]
    skipped: Mapping[str, str]
    comparisons: tuple[Compared, ...]
    run: Signing


def encode(statement: Statement) -> bytes:
    """The payload to sign: canonical JSON, the inverse of `decode`."""
    fields = asdict(statement)
    del fields["subjects"]
    run = fields["run"]
    run["signed"] = stamp(statement.run.signed)
    run["expires"] = stamp(statement.run.expires) if statement.run.expires else None
    about = [{"name": subject.name, "digest": {"sha256": subject.sha256}} for subject in statement.subjects]
    return wrap(about, PREDICATE_TYPE, {"schema": SCHEMA, **fields})


def wrap(subjects: Sequence[Mapping[str, Any]], predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """An in-toto Statement v1 of any predicate about `subjects` (ResourceDescriptors), as canonical JSON."""
    document = {"_type": TYPE, "subject": subjects, "predicateType": predicate_type, "predicate": predicate}
    return canonical_json(document)


def decode(payload: bytes, where: str) -> Statement:
    """The statement in `payload`; `where` names it in messages.

    Raises InvalidInput where it is no in-toto Statement v1, of another predicate, or not what the schema says.
    """
    try:
        raw = table(reading.strict_json(payload))
        if raw["_type"] != TYPE or raw["predicateType"] != PREDICATE_TYPE:
            raise InvalidInput(f"an in-toto statement of {PREDICATE_TYPE} is expected, not {raw['predicateType']!r}")
        predicate = table(raw["predicate"])
        if predicate["schema"] != SCHEMA:
            raise InvalidInput(f"not a {SCHEMA} document")
        return _statement(some(raw["subject"], _subject), predicate)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}") from error
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} statement: {type(error).__name__}: {error}") from error


def claim_sha256(statement: Statement) -> str:
    """SHA-256 of the claim's canonical JSON: the same for all who agree."""
    return record.claim_digest(statement.claim)


def _statement(subjects: tuple[Subject, ...], raw: dict[str, Any]) -> Statement:
    found = Statement(
        subjects=subjects,
        claim=record.claim(raw["claim"]),
        verdict=one_of(raw["verdict"], VERDICTS),
        variations=rows(raw["variations"], word),
        skipped={word(name): text(why) for name, why in table(raw["skipped"]).items()},
        comparisons=rows(raw["comparisons"], verification.comparison),
        run=_signing(table(raw["run"])),
    )
    if found.verdict != worst(found.verdict, found.comparisons):
        raise ValueError(f"verdict {found.verdict!r} is better than what its comparisons say")
    return found


def worst(verdict: str, comparisons: Sequence[Compared]) -> str:
    """`verdict`, or a worse one that `comparisons` say; `built` where there are none to say that it is identical."""
    said = {verdict, *(each.verdict for each in comparisons)}
    for bad in (DIFFERENT, INCONCLUSIVE):
        if bad in said:
            return bad
    return IDENTICAL if comparisons else BUILT


def _subject(raw: Any) -> Subject:
    return Subject(file_name(raw["name"]), sha256(table(raw["digest"])["sha256"]))


def _signing(raw: dict[str, Any]) -> Signing:
    return Signing(
        ids=some(raw["ids"], word),
        backends=rows(raw["backends"], word),
        version=word(raw["version"]),
        program=sha256(raw["program"]),
        signed=moment(raw["signed"]),
        expires=optional(raw["expires"], moment),
    )


def moment(value: Any) -> datetime:
    """An aware UTC datetime from `YYYY-MM-DDTHH:MM:SSZ`. Raises TypeError or ValueError."""
    found = datetime.strptime(text(value), _TIME).replace(tzinfo=UTC)
    if stamp(found) != value:  # strptime takes `2027-1-1T0:0:0Z` too, and one statement would have several spellings
        raise ValueError(f"{value!r} is not a time such as 2027-01-31T09:00:00Z")
    return found


def stamp(moment: datetime) -> str:
    """`moment` (UTC) as RFC 3339 to the second: `YYYY-MM-DDTHH:MM:SSZ`."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"  # strftime shortens years below 1000
