"""Typed errors. The library raises them, only `repro.cli` turns them into exit codes (DESIGN section 5)."""

from __future__ import annotations


class ReproError(Exception):
    """Base of every expected failure: what happened, and a hint on what to do about it.

    `reason` is machine-readable and stable; `hint` is one sentence for a person, or empty.
    """

    reason = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(ReproError):
    """A recipe, pin, lock, policy or option is not valid (exit 2)."""

    reason = "invalid-input"


class BuildFailed(ReproError):
    """A build step failed, or this host cannot build at all (exit 3)."""

    reason = "build-failed"


class Unavailable(ReproError):
    """Inputs cannot be had now: no source has them, or no room to keep them (exit 4)."""

    reason = "unavailable"


class IntegrityFailure(ReproError):
    """A hash or a signature is wrong; nothing of it was used (exit 5)."""

    reason = "integrity"


class PolicyNotMet(ReproError):
    """A policy or a quorum is not met (exit 6)."""

    reason = "policy"


class Inconclusive(ReproError):
    """Something could not be examined, so there is no verdict (exit 7)."""

    reason = "inconclusive"
