"""`repro/build/v1`, the build record: what went in, under which environment, what came out.

Its `claim` is free of wall-clock time, host and path: two rebuilders who agree write the same bytes. What belongs
to one run alone is under `run`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro.model import reading
from repro.model.artifact import Artifact, artifact
from repro.model.errors import InvalidInput
from repro.model.reading import count, flag, sha256, some, table, text, word
from repro.model.text import canonical_json, readable_json

SCHEMA = "repro/build/v1"
FILE = "build.json"  # in the output folder


@dataclass(frozen=True)
class Claim:
    """`recipe_sha256` and `lock_sha256` are of the recipe's files and of the lock; `toolchain_sha256` is of the
    toolchain's part of the lock; `pins` maps a pin's name to its timestamp; `environment` are the facts of
    `Environment`, with `without` where normalizers were switched off: their names; `normalizers` maps each that changed
    something to how many paths it changed."""

    recipe: str
    recipe_sha256: str
    lock_sha256: str
    toolchain_sha256: str
    pins: Mapping[str, str]
    environment: Mapping[str, Any]
    normalizers: Mapping[str, int]
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True)
class StageRun:
    """One stage of one run: its `id`, whether it came from the cache, wall `seconds`."""

    name: str
    id: str
    cached: bool
    seconds: float


@dataclass(frozen=True)
class Run:
    """What belongs to one run: `id` is 32 random hex digits, so that a copy of its record shows as one; `started` is
    RFC 3339 UTC, `peak_bytes` the most memory the machine lost meanwhile, `program` the digest of our code that
    reaches the bits, whose release is `version`."""

    id: str
    started: str
    seconds: float
    peak_bytes: int
    backend: str
    version: str
    program: str
    stages: tuple[StageRun, ...]


@dataclass(frozen=True)
class BuildRecord:
    """The two halves of a build record."""

    claim: Claim
    run: Run


def encode(record: BuildRecord) -> bytes:
    """`record` as deterministic JSON."""
    return readable_json({"schema": SCHEMA, **asdict(record)})


def encode_all(records: Mapping[str, BuildRecord]) -> bytes:
    """Several records of one verification, by the name of the rebuild, in one document."""
    builds = {name: asdict(record) for name, record in records.items()}
    return readable_json({"schema": SCHEMA, "builds": builds})


def decode_all(data: bytes, where: str) -> dict[str, BuildRecord]:
    """The records in `data` by the name of the rebuild; that of a single build is called `build`.

    `where` names the document in messages. Raises InvalidInput.
    """
    try:
        raw = reading.document(data, SCHEMA)
        found = raw.get("builds", {"build": raw})
        return {word(name): BuildRecord(claim(each["claim"]), _run(each["run"])) for name, each in table(found).items()}
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}") from error
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error


def claim(raw: Any) -> Claim:
    """The claim in the JSON value `raw`. Raises one of `reading.WRONG`."""
    fields = dict(table(raw))
    read = Claim(
        recipe=word(fields.pop("recipe")),
        **{name: sha256(fields.pop(name)) for name in ("recipe_sha256", "lock_sha256", "toolchain_sha256")},
        pins={word(name): word(time) for name, time in table(fields.pop("pins")).items()},
        environment=table(fields.pop("environment")),
        normalizers={word(name): count(number) for name, number in table(fields.pop("normalizers")).items()},
        artifacts=some(fields.pop("artifacts"), artifact),
    )
    if fields:
        raise ValueError(f"unknown key {sorted(fields)[0]!r} in a claim")
    return read


def claim_bytes(value: Claim) -> bytes:
    """`value` as canonical JSON: what two rebuilders who agree have byte for byte."""
    return canonical_json(asdict(value))


def claim_digest(value: Claim) -> str:
    """SHA-256 of `claim_bytes`."""
    return hashlib.sha256(claim_bytes(value)).hexdigest()


def _run(raw: Any) -> Run:
    return Run(
        **{name: word(raw[name]) for name in ("id", "started", "backend", "version")},
        seconds=reading.duration(raw["seconds"]),
        peak_bytes=count(raw["peak_bytes"]),
        program=sha256(raw["program"]),
        stages=reading.rows(raw["stages"], _stage),
    )


def _stage(raw: Any) -> StageRun:
    return StageRun(text(raw["name"]), sha256(raw["id"]), flag(raw["cached"]), reading.duration(raw["seconds"]))
