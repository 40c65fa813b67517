"""`repro/doctor/v1`: what a host has, what it lacks, and what to do about that."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from repro.model.text import readable_json

SCHEMA = "repro/doctor/v1"

OK = "ok"
LIMITED = "limited"  # it works, with less comfort or less speed
MISSING = "missing"

BUILD = "build"  # the purpose of what no build can do without


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    `detail` is what was found. `purpose` says what it is for (`build`: nothing can be built without it), `remedy`
    the package to install or the setting to change, empty where there is nothing to do.
    """

    name: str
    state: str
    detail: str
    purpose: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All checks, in the order in which they are shown; `backend` is the one that `auto` takes, None where a build
    cannot be made here."""

    backend: str | None
    checks: tuple[Check, ...]

    @property
    def can_build(self) -> bool:
        """Whether a build can be made here."""
        lacking = any(check.state == MISSING and check.purpose == BUILD for check in self.checks)
        return self.backend is not None and not lacking


def encode(diagnosis: Diagnosis) -> bytes:
    """`diagnosis` as JSON."""
    return readable_json({"schema": SCHEMA, "can_build": diagnosis.can_build, **asdict(diagnosis)})
