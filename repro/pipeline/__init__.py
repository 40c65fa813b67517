"""The journey as verbs: load, lock, fetch, build, verify. The one place that wires rooms together.

A module a part of the journey; `cli` says `pipeline.VERB`. Only `pipeline.attesting` is imported by name: signing
needs libraries that take a moment to load, and building does without them.
"""

from repro.pipeline.building import Artifacts, Rebuild, build
from repro.pipeline.changed import changed_recipes
from repro.pipeline.explaining import compare
from repro.pipeline.keeping import Mended, export_locks, forget_imports, imported, labels_of, locks_below, mend
from repro.pipeline.loading import Loaded, Workplace, fetch, load, make_lock, read_lock, recipe_names
from repro.pipeline.proving import LockProof, prove_lock
from repro.pipeline.refreshing import Consequence, Refresh, refresh
from repro.pipeline.upgrading import read_base
from repro.pipeline.verifying import (
    Verification,
    all_factors,
    found,
    publish,
    read_published,
    usual_factors,
    verify,
    verify_against,
)

__all__ = [
    "Artifacts",
    "Consequence",
    "Loaded",
    "LockProof",
    "Mended",
    "Rebuild",
    "Refresh",
    "Verification",
    "Workplace",
    "all_factors",
    "build",
    "changed_recipes",
    "compare",
    "export_locks",
    "fetch",
    "forget_imports",
    "found",
    "imported",
    "labels_of",
    "load",
    "locks_below",
    "make_lock",
    "mend",
    "prove_lock",
    "publish",
    "read_base",
    "read_lock",
    "read_published",
    "recipe_names",
    "refresh",
    "usual_factors",
    "verify",
    "verify_against",
]
