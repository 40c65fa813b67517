"""`repro/hunt/v1`: which factor of a build's surroundings diverges which file, and the builds that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro.model import reading
from repro.model.errors import InvalidInput
from repro.model.reading import count, flag, one_of, rows, table, text, word
from repro.model.text import listed_json

SCHEMA = "repro/hunt/v1"
FILE = "hunt.json"  # in the output folder

FIRM = "firm"  # the file is a function of the factors
LOOSE = "loose"  # where one of the factors is varied, the file differs from build to build
CHANCE = "chance"  # it differs by itself: the baseline, built again, is another one
UNEXPLAINED = "unexplained"  # no few factors explain how it came out
HOW = (FIRM, LOOSE, CHANCE, UNEXPLAINED)

CERTAIN = "certain"  # no other explanation fits the builds as well, or nearly
LIKELY = "likely"  # the best explanation, but another one is near
OPEN = "open"  # several fit equally well (they are in `alternatives`), or none does
CONFIDENCES = (CERTAIN, LIKELY, OPEN)


@dataclass(frozen=True)
class Attribution:
    """One aspect of one file that diverged. `location` as in a comparison; `factors` are sorted, none for chance;
    `alternatives` are further sets of factors that fit as well; `outcomes` has for each build a number, equal where
    the file came out equal, 0 as in the baseline."""

    location: tuple[str, ...]
    aspect: str
    factors: tuple[str, ...]
    how: str
    confidence: str
    alternatives: tuple[tuple[str, ...], ...]
    outcomes: tuple[int, ...]


@dataclass(frozen=True)
class Trial:
    """One build: the factors varied in it, which `repeat` of the same it is, wall `seconds`, and whether it was
    `reused` from an earlier hunt. `problem` says why it failed, empty where it did not."""

    name: str
    factors: tuple[str, ...]
    repeat: int
    seconds: float
    reused: bool
    problem: str = ""


@dataclass(frozen=True)
class Hunt:
    """`subject` is the recipe's name or the command; `factors` maps each that was tried to its varied setting in a few
    words, `skipped` each that could not be varied here to the reason, `refused` each under which nothing could be
    built. `builds` are those that count, in the order of `Attribution.outcomes`."""

    subject: str
    factors: Mapping[str, str]
    skipped: Mapping[str, str]
    refused: Mapping[str, str]
    builds: tuple[Trial, ...]
    failed: tuple[Trial, ...]
    attributions: tuple[Attribution, ...]
    entries: int
    seconds: float

    @property
    def located(self) -> dict[tuple[str, ...], list[Attribution]]:
        """The attributions by file, in order."""
        found: dict[tuple[str, ...], list[Attribution]] = {}
        for each in self.attributions:
            found.setdefault(each.location, []).append(each)
        return found


def encode(hunt: Hunt) -> bytes:
    """`hunt` as JSON, an attribution a line."""
    return listed_json({"schema": SCHEMA, **_plain(asdict(hunt))})


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, dict) else value


def decode(data: bytes, where: str) -> Hunt:
    """The inverse of `encode`; `where` names the document in messages. Raises InvalidInput."""
    try:
        raw = reading.document(data, SCHEMA)
        return Hunt(
            subject=word(raw["subject"]),
            **{name: _words(raw[name]) for name in ("factors", "skipped", "refused")},
            builds=rows(raw["builds"], _trial),
            failed=rows(raw["failed"], _trial),
            attributions=rows(raw["attributions"], _attribution),
            entries=count(raw["entries"]),
            seconds=reading.duration(raw["seconds"]),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}") from error
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error


def _words(raw: Any) -> dict[str, str]:
    return {word(name): text(value) for name, value in table(raw).items()}


def _trial(raw: Any) -> Trial:
    return Trial(
        name=word(raw["name"]),
        factors=rows(raw["factors"], word),
        repeat=count(raw["repeat"]),
        seconds=reading.duration(raw["seconds"]),
        reused=flag(raw["reused"]),
        problem=text(raw["problem"]),
    )


def _attribution(raw: Any) -> Attribution:
    return Attribution(
        location=rows(raw["location"], text),
        aspect=word(raw["aspect"]),
        factors=rows(raw["factors"], word),
        how=one_of(raw["how"], HOW),
        confidence=one_of(raw["confidence"], CONFIDENCES),
        alternatives=rows(raw["alternatives"], lambda each: rows(each, word)),
        outcomes=rows(raw["outcomes"], count),
    )
