"""`repro/verification/v1`: what `repro verify` found, beside the build record and the comparisons that it wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro.model import reading
from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE, Comparison
from repro.model.errors import InvalidInput
from repro.model.reading import count, one_of, optional, rows, sha256, table, text, word
from repro.model.text import printable, readable_json

SCHEMA = "repro/verification/v1"
FILE = "verification.json"  # in the output folder
VERDICTS = (IDENTICAL, DIFFERENT, INCONCLUSIVE)
AGAINST, PUBLISHED = OTHERS = ("against", "published")  # what a rebuilder did not build, on the right of a comparison
MEMBERS = 100  # divergent members that are named; all of them are in the comparison


@dataclass(frozen=True)
class Compared:
    """One comparison in short. `left` and `right` say what was laid side by side: the name of a rebuild, `against` or
    `published`; `artifact` is the file name. `comparison_sha256` is of the document `repro/comparison/v1`, None where
    only digests were compared; `members` are the first of the `divergent` ones, escaped for people."""

    left: str
    right: str
    artifact: str
    left_sha256: str
    right_sha256: str
    verdict: str
    divergent: int = 0
    members: tuple[str, ...] = ()
    comparison_sha256: str | None = None


@dataclass(frozen=True)
class Found:
    """`variations` are the factors that were varied, `skipped` those that could not be, with the reason;
    `build_sha256` is of the build record that this belongs to."""

    recipe: str
    verdict: str
    build_sha256: str
    variations: tuple[str, ...]
    skipped: Mapping[str, str]
    comparisons: tuple[Compared, ...]


def compared(left: str, right: str, artifact: str, found: Comparison, digest: str) -> Compared:
    """`found` in short; `digest` is of its document."""
    members = tuple(
        " → ".join(map(printable, d.location)) or "the artifact itself" for d in found.divergences[:MEMBERS]
    )
    sides = found.left.sha256, found.right.sha256
    return Compared(left, right, artifact, *sides, found.verdict, found.summary.divergent, members, digest)


def encode(found: Found) -> bytes:
    """`found` as deterministic JSON, the inverse of `decode`."""
    return readable_json({"schema": SCHEMA, **asdict(found)})


def decode(data: bytes, where: str) -> Found:
    """The document in `data`; `where` names it in messages. Raises InvalidInput."""
    try:
        raw = reading.document(data, SCHEMA)
        return Found(
            recipe=word(raw["recipe"]),
            verdict=one_of(raw["verdict"], VERDICTS),
            build_sha256=sha256(raw["build_sha256"]),
            variations=rows(raw["variations"], word),
            skipped={word(name): text(why) for name, why in table(raw["skipped"]).items()},
            comparisons=rows(raw["comparisons"], comparison),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}") from error
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error


def comparison(raw: Any) -> Compared:
    """One comparison in the JSON value `raw`. Raises one of `reading.WRONG`."""
    return Compared(
        **{name: word(raw[name]) for name in ("left", "right", "artifact")},
        left_sha256=sha256(raw["left_sha256"]),
        right_sha256=sha256(raw["right_sha256"]),
        verdict=one_of(raw["verdict"], VERDICTS),
        divergent=count(raw["divergent"]),
        members=rows(raw["members"], text),
        comparison_sha256=optional(raw["comparison_sha256"], sha256),
    )
