"""SLSA provenance, version 1, of one build: how the image came about, and from exactly what.

https://slsa.dev/spec/v1.0/provenance; the build type and what is not claimed: docs/provenance.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from repro.attest.materials import Material, materials
from repro.attest.statements import descriptors, uri
from repro.model.artifact import Artifact
from repro.model.errors import InvalidInput
from repro.model.lock import Lock, LockedIndex
from repro.model.pin import Pin, PinSet
from repro.model.record import BuildRecord, Claim, Run
from repro.model.statement import moment, stamp
from repro.snapshot.hosts import snapshot_url

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:repro:build:image:v1"


def provenance(
    record: BuildRecord, lock: Lock, pins: PinSet, *, builder: str, byproducts: Sequence[Artifact] = ()
) -> dict[str, Any]:
    """The predicate for the build that `record` is about, made from `lock` with `pins`.

    `builder` is the URI of whoever ran the build and answers for it; `byproducts` are files that it left beside the
    artifacts, such as its record and its log. Raises InvalidInput where the record is about another lock or other
    pins, or one of these is not valid.
    """
    claim, run = record.claim, record.run
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"recipe": claim.recipe, "recipe_sha256": claim.recipe_sha256},
            "internalParameters": {
                "backend": run.backend,
                "environment": dict(claim.environment),
                "normalizers": dict(claim.normalizers),
                "program_sha256": run.program,
                "toolchain_sha256": claim.toolchain_sha256,
            },
            "resolvedDependencies": _dependencies(claim, lock, pins),
        },
        "runDetails": {
            "builder": {"id": uri(builder, "builder"), "version": {"repro": run.version}},
            "metadata": {"invocationId": run.id, **_times(run)},
            "byproducts": descriptors(byproducts),
        },
    }


def _dependencies(claim: Claim, lock: Lock, pins: PinSet) -> list[dict[str, Any]]:
    """In-toto ResourceDescriptors in the order in which trust runs: lock, InReleases, indexes, .debs."""
    packages = materials(claim, lock, pins)
    indexes = sorted(lock.indexes, key=lambda index: (index.pin, index.path))
    return [
        _resource("recipe.lock", claim.lock_sha256),
        *(_signed(pin) for pin in sorted(pins.pins, key=lambda pin: pin.name)),
        *(_index(index, pins.pin(index.pin)) for index in indexes),
        *(_package(material) for material in packages),
    ]


def _signed(pin: Pin) -> dict[str, Any]:
    return _resource(f"{pin.name} {pin.document}", pin.sha256, uri=_below_suite(pin, pin.document))


def _index(index: LockedIndex, pin: Pin) -> dict[str, Any]:
    return _resource(f"{pin.name} {index.path}", index.sha256, uri=_below_suite(pin, index.path))


def _package(material: Material) -> dict[str, Any]:
    package = material.package
    return _resource(
        package.name,
        package.sha256,
        uri=material.purl.to_string(),
        downloadLocation=material.url,
        annotations={"role": material.role},
    )


def _resource(name: str, sha256: str, **fields: str | Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}, **fields}


def _below_suite(pin: Pin, path: str) -> str:
    return snapshot_url(pin.archive, pin.timestamp, f"dists/{pin.suite}/{path}")


def _times(run: Run) -> dict[str, str]:
    """`startedOn` and `finishedOn`, to the second: `Run.started` is no finer."""
    try:
        started = moment(run.started)
        finished = started + timedelta(seconds=round(run.seconds))
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"the record says that its build started at {run.started!r} and took {run.seconds!r} seconds: {error}",
            hint="give the record as `repro build` wrote it",
        ) from error
    return {"startedOn": stamp(started), "finishedOn": stamp(finished)}
