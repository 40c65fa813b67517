"""`repro/build/v1`, the build record: what went in, under which environment, what came out.

Its `claim` is free of wall-clock time, host and path: two rebuilders who agree write the same bytes. What belongs
to one run alone is under `run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro.model.artifact import Artifact
from repro.model.text import readable_json

SCHEMA = "repro/build/v1"


@dataclass(frozen=True)
class Claim:
    """`recipe_sha256` and `lock_sha256` are of the recipe's files and of the lock; `toolchain_sha256` is of the
    toolchain's part of the lock; `pins` maps a pin's name to its timestamp; `environment` are the facts of
    `Environment`; `normalizers` maps each that changed something to how many paths it changed."""

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
