"""A CycloneDX bill of materials of an image, from its lock: the same bytes for everyone who built the same.

https://cyclonedx.org/docs/1.6/json/. The library writes everything but `formulation`, which it does not know yet. It
is slow to import, so nothing but this module does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6

from repro.attest.materials import BOTH, IMAGE, TOOLCHAIN, Material, materials
from repro.attest.statements import descriptors
from repro.model.errors import InvalidInput
from repro.model.lock import Lock
from repro.model.pin import PinSet
from repro.model.record import Claim
from repro.model.text import canonical_json, listed_json

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:repro:bom:v1")
_IMAGE_REF = "image"


def bill_of_materials(claim: Claim, lock: Lock, pins: PinSet) -> bytes:
    """The bill of the image that `claim` is about, as JSON with a component a line.

    `components` are the packages of the image and nothing else; what only the toolchain has is under `formulation`,
    since readers of `components` look for what runs. The serial number is derived from the claim, and the time is
    the lock's. Raises InvalidInput where the claim is about another lock or other pins, or one of these is not valid.
    """
    packages = materials(claim, lock, pins)
    installed = [material for material in packages if material.role in (IMAGE, BOTH)]
    document = _head(claim, lock)
    document["components"] = [_package(material) for material in installed]
    # A package left out as a `ref` has unknown dependencies; one that is listed without any would have none.
    document["dependencies"] = [{"ref": _IMAGE_REF, "dependsOn": [_ref(material) for material in installed]}]
    document["formulation"] = [_formula(claim, packages)]
    return listed_json(document)


def _head(claim: Claim, lock: Lock) -> dict[str, Any]:
    """The bill without its packages."""
    time = _time(lock)
    metadata = BomMetaData(
        component=_image(claim, time),
        lifecycles=[PredefinedLifecycle(phase=LifecyclePhase.BUILD)],
        timestamp=time,
        tools=ToolRepository(components=[Component(name="repro", type=ComponentType.APPLICATION)]),
    )
    return _written(Bom(serial_number=_serial_number(claim), metadata=metadata))


def _image(claim: Claim, time: datetime) -> Component:
    """The image and, in it, the files that it was published as."""
    files = descriptors(claim.artifacts)
    if not files:
        raise InvalidInput(f"the build of {claim.recipe} has no artifacts", hint="give the record of a finished build")
    digests = [file["digest"]["sha256"] for file in files]
    return Component(
        name=claim.recipe,
        type=ComponentType.OPERATING_SYSTEM,  # a container would share its host's kernel; an image brings its own
        bom_ref=_IMAGE_REF,
        version=f"{time:%Y%m%d}-{digests[0][:12]}",
        hashes=_hashes(digests[0]) if len(files) == 1 else (),
        components=[
            Component(
                name=file["name"], type=ComponentType.FILE, bom_ref=f"file:{file['name']}", hashes=_hashes(digest)
            )
            for file, digest in zip(files, digests, strict=True)
        ],
        properties=_properties(lock_sha256=claim.lock_sha256, recipe_sha256=claim.recipe_sha256),
    )


def _package(material: Material) -> dict[str, Any]:
    """A package as a component, written alone: with n components at once the library takes time by the square of n."""
    package, pin = material.package, material.pin
    component = Component(
        name=package.name,
        type=ComponentType.LIBRARY,  # what CycloneDX recommends where it is not known to be anything else
        bom_ref=_ref(material),
        version=package.version,
        hashes=_hashes(package.sha256),
        purl=material.purl,
        supplier=_supplier(pin.archive),
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(material.url))],
        properties=_properties(pin=pin.name, role=material.role, source=package.source),
    )
    written: dict[str, Any] = _written(Bom(serial_number=UUID(int=0), components=[component]))["components"][0]
    return written


def _formula(claim: Claim, packages: Sequence[Material]) -> dict[str, Any]:
    """How the image was made: the packages that only the toolchain has, and a build that used the whole of it."""
    only = [_package(material) for material in packages if material.role == TOOLCHAIN]
    used = [_ref(material) for material in packages if material.role in (TOOLCHAIN, BOTH)]
    return {
        "components": only,
        "workflows": [
            {
                "bom-ref": "build",
                "uid": str(_serial_number(claim)),
                "name": "repro build",
                "taskTypes": ["build"],
                "resourceReferences": [{"ref": ref} for ref in used],
                "outputs": [{"type": "artifact", "resource": {"ref": _IMAGE_REF}}],
            }
        ],
    }


def _written(bom: Bom) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return document


def _ref(material: Material) -> str:
    """Unique in a bill, since a lock has each hash once; by name first, for whoever reads the graph."""
    package = material.package
    return f"{package.name}_{package.version}_{package.arch}@sha256:{package.sha256}"


def _hashes(sha256: str) -> Iterable[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)]


def _properties(**values: str) -> Iterable[Property]:
    return [Property(name=f"repro:{name}", value=value) for name, value in values.items()]


def _supplier(archive: str) -> OrganizationalEntity | None:
    """Who puts packages into `archive`: Debian for its own ones, unknown for any other."""
    debian = archive == "debian" or archive.startswith("debian-")
    return OrganizationalEntity(name="Debian", urls=[XsUri("https://www.debian.org/")]) if debian else None


def _serial_number(claim: Claim) -> UUID:
    return uuid5(_NAMESPACE, hashlib.sha256(canonical_json(asdict(claim))).hexdigest())


def _time(lock: Lock) -> datetime:
    try:
        return datetime.fromtimestamp(lock.source_date_epoch, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(
            f"the lock of {lock.recipe}: source_date_epoch: {lock.source_date_epoch} is no time",
            hint="write it again with `repro lock`",
        ) from error
