"""The journey as verbs: load, lock, fetch, build, verify. The one place that wires rooms together.

A module a part of the journey; `cli` says `pipeline.VERB`.
"""

from repro.pipeline.attesting import STATEMENT, attest, complete, hold_quorum
from repro.pipeline.building import Rebuild, build
from repro.pipeline.changed import changed_recipes
from repro.pipeline.loading import Loaded, Workplace, fetch, load, lock_digest, make_lock, read_lock
from repro.pipeline.verifying import (
    Verification,
    all_factors,
    found,
    publish,
    read_published,
    verify,
    verify_against,
)

__all__ = [
    "STATEMENT",
    "Loaded",
    "Rebuild",
    "Verification",
    "Workplace",
    "all_factors",
    "attest",
    "build",
    "changed_recipes",
    "complete",
    "fetch",
    "found",
    "hold_quorum",
    "load",
    "lock_digest",
    "make_lock",
    "publish",
    "read_lock",
    "read_published",
    "verify",
    "verify_against",
]
