"""What a rule is, and what it says: a label that others know, what it looks at, and what settles the cause."""

from __future__ import annotations

from dataclasses import dataclass

from repro.model.cause import Cause

_DOCS = "https://reproducible-builds.org/docs/"
_ISSUES = "https://tests.reproducible-builds.org/debian/issues/unstable/"
_EVIDENCE = 4  # sentences
_SHOWN = 160  # characters of one


@dataclass(frozen=True)
class Rule:
    """One cause. `page` names where to read more: a page of the reproducible-builds.org documentation, or, with a
    leading `#`, that `label` is the name of an issue there."""

    label: str
    looks_at: str
    remedy: str
    page: str = ""

    @property
    def link(self) -> str:
        """The address of `page`, empty where there is none."""
        if self.page == "#":
            return f"{_ISSUES}{self.label}_issue.html"
        return f"{_DOCS}{self.page}/" if self.page else ""

    def found(self, confidence: str, *evidence: str) -> Cause:
        """This cause, with what shows it."""
        said = dict.fromkeys(each if len(each) <= _SHOWN else each[: _SHOWN - 1] + "…" for each in evidence if each)
        return Cause(self.label, confidence, tuple(said)[:_EVIDENCE], self.remedy, self.link)


def sides(left: object, right: object) -> str:
    """A piece of evidence: what either side has."""
    return f"{_one(left)} → {_one(right)}"


def _one(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN // 2 - 2 else text[: _SHOWN // 2 - 3] + "…"
