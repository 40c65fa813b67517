"""`repro/boot/v1`: how an image was booted, what it was asked, and what it answered."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from repro.model.artifact import Artifact
from repro.model.checks import Question
from repro.model.text import readable_json

SCHEMA = "repro/boot/v1"
_LONGEST = 1 << 14  # characters of an answer that are kept


@dataclass(frozen=True)
class Answer:
    """`why` says what was expected and did not come; empty where the answer holds."""

    name: str
    run: str
    status: int
    output: str
    why: str

    @property
    def holds(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class Booted:
    """`seconds` until somebody could log in; `firmware`, `attach` and `accelerator` as the machine was set up."""

    image: Artifact
    firmware: str
    attach: str
    accelerator: str
    seconds: float
    answers: tuple[Answer, ...]

    @property
    def holds(self) -> bool:
        """Whether every answer does."""
        return all(answer.holds for answer in self.answers)


def judged(question: Question, status: int, output: str) -> Answer:
    """What `question` was answered, and whether that is what was expected."""
    wrong = []
    if status != question.status:
        wrong.append(f"exit status {status}, not {question.status}")
    if question.says and not re.search(question.says, output, re.MULTILINE):
        wrong.append(f"it does not say /{question.says}/")
    if question.silent and (match := re.search(question.silent, output, re.MULTILINE)):
        wrong.append(f"it says “{match[0]}”")
    return Answer(question.name, question.run, status, output[:_LONGEST], "; ".join(wrong))


def encode(booted: Booted) -> bytes:
    """`booted` as deterministic JSON."""
    fields = asdict(booted)
    fields["answers"] = [{**asdict(answer), "holds": answer.holds} for answer in booted.answers]
    return readable_json({"schema": SCHEMA, **fields, "holds": booted.holds})
