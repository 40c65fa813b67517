"""`reports/NAME.json`, `repro/published/v1`: the result of a recipe that others check themselves against."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from repro.model import reading
from repro.model.artifact import Artifact, artifact
from repro.model.errors import InvalidInput
from repro.model.reading import count, sha256, some, word
from repro.model.text import readable_json

SCHEMA = "repro/published/v1"


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
        raw = reading.document(data, SCHEMA)
        return Published(
            word(raw["recipe"]),
            sha256(raw["lock_sha256"]),
            count(raw["source_date_epoch"]),
            some(raw["artifacts"], artifact),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}") from error
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error
