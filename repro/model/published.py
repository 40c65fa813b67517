"""`reports/NAME.json`, `repro/published/v1`: the result of a recipe that others check themselves against."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from repro.model.artifact import Artifact
from repro.model.errors import InvalidInput
from repro.model.text import readable_json

SCHEMA = "repro/published/v1"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Published:
    """`lock_sha256` is the digest of the lock that the `artifacts` were built from."""

    recipe: str
    lock_sha256: str
    source_date_epoch: int
    artifacts: tuple[Artifact, ...]


def encode(published: Published) -> bytes:
    """`published` as deterministic JSON, the inverse of `decode`."""
    return readable_json({"schema": SCHEMA, **asdict(published)})


def decode(data: bytes, where: str) -> Published:
    """The document in `data`; `where` names it in messages. Raises InvalidInput."""
    try:
        raw = json.loads(data)
        if raw["schema"] != SCHEMA:
            raise InvalidInput(f"{where}: not a {SCHEMA} document")
        artifacts = tuple(
            Artifact(str(row["name"]), str(row["kind"]), int(row["size"]), str(row["sha256"]))
            for row in raw["artifacts"]
        )
        if not all(_SHA256.fullmatch(artifact.sha256) for artifact in artifacts):
            raise InvalidInput(f"{where}: an artifact's sha256 is not 64 hex digits")
        return Published(str(raw["recipe"]), str(raw["lock_sha256"]), int(raw["source_date_epoch"]), artifacts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} document: {error}") from error
