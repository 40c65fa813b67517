"""The bill of materials: CycloneDX's own strict schema, its library, and the lock, package by package."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from jsonschema import Draft7Validator
from packageurl import PackageURL
from rfc3986_validator import validate_rfc3986

from repro.model.artifact import Artifact
from repro.model.errors import InvalidInput
from tests.attest.builds import LATEST, RECIPES, Build, bill_of, builds, committed, made
from tests.attest.test_provenance import SNAPSHOT, raw_lock
from tests.users import ROOT

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def complaints(data: bytes) -> list[str]:
    """What the official schema, unknown keys refused, has against `data`.

    Addresses are held against RFC 3986: the library's parser for RFC 3987, of which ours are no more than the ASCII
    part, takes a tenth of a second for each.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Draft7Validator.FORMAT_CHECKER.checkers, "iri-reference", (_is_address, ()))
        return complaints_in_full(data)


def complaints_in_full(data: bytes) -> list[str]:
    """As `complaints`, with the schema as it comes."""
    return [str(error.data) for error in VALIDATOR.validate_str(data.decode(), all_errors=True) or ()]


def _is_address(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_rfc3986(value, rule="URI_reference"))


def read(data: bytes) -> dict[str, Any]:
    """The bill in `data`, once it has proven to be one."""
    assert complaints(data) == []
    document: dict[str, Any] = json.loads(data)
    return document


def packages(document: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The components of the image, and those that were only used to make it."""
    (formula,) = document["formulation"]
    return document["components"], formula["components"]


def named(value: Any) -> Iterator[str]:
    """Every bom-ref that is defined anywhere in `value`."""
    if isinstance(value, dict):
        yield from [value["bom-ref"]] if "bom-ref" in value else []
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from named(part)


def digest(component: dict[str, Any]) -> str:
    (row,) = component["hashes"]
    assert row["alg"] == "SHA-256"
    return str(row["content"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_package_of_the_lock_is_there_once(recipe: str) -> None:
    document, raw = read(bill_of(committed(recipe))), raw_lock(recipe)
    image, tools = packages(document)
    locked_image, locked_tools = ({row["sha256"] for row in raw[part]} for part in ("image", "toolchain"))
    assert sorted(map(digest, image)) == sorted(locked_image)
    assert sorted(map(digest, tools)) == sorted(locked_tools - locked_image)
    locked = {row["sha256"]: row for row in raw["image"] + raw["toolchain"]}
    for component in image + tools:
        row, purl = locked[digest(component)], PackageURL.from_string(component["purl"])
        assert (component["name"], component["version"]) == (purl.name, purl.version) == (row["name"], row["version"])
        assert purl.qualifiers == {"arch": row["arch"], "distro": "bookworm"}
        assert component["supplier"]["name"] == "Debian"
        (reference,) = component["externalReferences"]
        assert reference["type"] == "distribution"
        assert reference["url"].replace("%2B", "+").replace("%25", "%") == f"{SNAPSHOT}/{row['path']}"
        properties = {item["name"]: item["value"] for item in component["properties"]}
        in_both = digest(component) in locked_image & locked_tools
        role = "both" if in_both else "image" if component in image else "toolchain"
        assert properties == {"repro:pin": row["pin"], "repro:role": role, "repro:source": row["source"]}


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_graph_says_what_the_lock_says_and_no_more(recipe: str) -> None:
    document = read(bill_of(committed(recipe)))
    image, tools = packages(document)
    refs = list(named(document))
    assert len(refs) == len(set(refs))
    assert document["dependencies"] == [{"ref": "image", "dependsOn": [row["bom-ref"] for row in image]}]
    assert document["metadata"]["component"]["bom-ref"] == "image"
    (workflow,) = document["formulation"][0]["workflows"]
    used = {row["ref"] for row in workflow["resourceReferences"]}
    both = {row["bom-ref"] for row in image if {"name": "repro:role", "value": "both"} in row["properties"]}
    assert used == both | {row["bom-ref"] for row in tools}
    assert len(used) == len(raw_lock(recipe)["toolchain"])
    assert workflow["outputs"] == [{"type": "artifact", "resource": {"ref": "image"}}]


def test_the_library_reads_it_back() -> None:
    document = read(bill_of(committed("minimal")))
    bom = Bom.from_json(document)  # type: ignore[attr-defined]  # the library makes it when it is imported
    assert len(bom.components) == len(raw_lock("minimal")["image"])
    assert {str(component.purl) for component in bom.components} == {row["purl"] for row in document["components"]}
    assert bom.metadata.timestamp.timestamp() == committed("minimal").lock.source_date_epoch
    assert bom.metadata.component.name == "minimal"


def test_the_image() -> None:
    build = committed("minimal")
    image = read(bill_of(build))["metadata"]["component"]
    assert (image["type"], image["name"]) == ("operating-system", "minimal")
    assert image["version"] == "20260711-abababababab"
    assert digest(image) == "ab" * 32
    assert [(file["name"], digest(file)) for file in image["components"]] == [("minimal.iso", "ab" * 32)]
    claim = build.record.claim
    assert {row["name"]: row["value"] for row in image["properties"]} == {
        "repro:lock_sha256": claim.lock_sha256,
        "repro:recipe_sha256": claim.recipe_sha256,
    }


def test_an_image_in_two_forms() -> None:
    build = committed("minimal")
    files = (Artifact("b.squashfs", "squashfs", 1, "0b" * 32), Artifact("a.iso", "iso", 2, "0a" * 32))
    image = read(bill_of(made(build.lock, build.pins, files)))["metadata"]["component"]
    assert "hashes" not in image  # it would not be clear of what
    assert {file["name"]: digest(file) for file in image["components"]} == {
        "a.iso": "0a" * 32,
        "b.squashfs": "0b" * 32,
    }


def test_the_serial_number_is_of_the_claim_alone() -> None:
    build = committed("minimal")
    record = replace(build.record, run=replace(build.record.run, started="2027-01-01T00:00:00Z", id="00" * 16))
    assert bill_of(replace(build, record=record)) == bill_of(build)
    other = replace(build.record, claim=replace(build.record.claim, normalizers={}))
    numbers = [read(bill_of(replace(build, record=each)))["serialNumber"] for each in (build.record, other)]
    assert numbers[0] != numbers[1]
    assert {UUID(number).version for number in numbers} == {5}


def test_who_supplies_an_archive_that_is_not_debians_is_not_known() -> None:
    build = committed("minimal")
    for archive, known in (("debian-security", True), ("debianish", False), ("other", False)):
        pins = replace(build.pins, pins=(replace(build.pins.pins[0], archive=archive),))
        (pin,) = pins.pins
        lock = replace(build.lock, indexes=(), image=(replace(build.lock.image[0], pin=pin.name),), toolchain=())
        (component,) = read(bill_of(made(lock, pins)))["components"]
        assert ("supplier" in component) == known


def test_the_whole_schema() -> None:
    build = committed("minimal")
    few = replace(build.lock, image=build.lock.image[:3], toolchain=build.lock.toolchain[:4])
    data = bill_of(made(few, build.pins))
    assert complaints_in_full(data) == []
    assert len(complaints_in_full(data.replace(b"https://snapshot", b"https://[snapshot"))) == 4
    assert len(complaints(data.replace(b"https://snapshot", b"https://[snapshot"))) == 4


@given(builds())
def test_any_build(build: Build) -> None:
    document = read(bill_of(build))
    image, tools = packages(document)
    installed = {package.sha256 for package in build.lock.image}
    assert sorted(map(digest, image)) == sorted(installed)
    assert sorted(map(digest, tools)) == sorted({package.sha256 for package in build.lock.toolchain} - installed)
    refs = list(named(document))
    assert len(refs) == len(set(refs))
    assert bill_of(build) == bill_of(build)


def _surprise(document: dict[str, Any]) -> None:
    document["components"][0]["surprise"] = 1


def _short_hash(document: dict[str, Any]) -> None:
    document["components"][0]["hashes"][0]["content"] = "abc"


def _nameless(document: dict[str, Any]) -> None:
    del document["formulation"][0]["components"][0]["name"]


def _unknown_phase(document: dict[str, Any]) -> None:
    document["metadata"]["lifecycles"] = [{"phase": "later"}]


def _no_time(document: dict[str, Any]) -> None:
    document["metadata"]["timestamp"] = "2026"


def _no_serial(document: dict[str, Any]) -> None:
    document["serialNumber"] = "4711"


DAMAGES = (_surprise, _short_hash, _nameless, _unknown_phase, _no_time, _no_serial)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_schema_refuses_what_is_damaged(damage: Callable[[dict[str, Any]], None]) -> None:
    document = read(bill_of(committed("minimal")))
    damage(document)
    assert complaints(json.dumps(document).encode())


def test_a_build_without_a_file_or_a_time() -> None:
    build = committed("minimal")
    empty = replace(build.record, claim=replace(build.record.claim, artifacts=()))
    with pytest.raises(InvalidInput, match="has no artifacts"):
        bill_of(replace(build, record=empty))
    read(bill_of(made(replace(build.lock, source_date_epoch=LATEST), build.pins)))
    for epoch in (LATEST + 1, 1 << 80):
        with pytest.raises(InvalidInput, match="source_date_epoch"):
            bill_of(made(replace(build.lock, source_date_epoch=epoch), build.pins))


def test_only_the_bill_imports_the_slow_library() -> None:
    found = set()
    for path in (ROOT / "repro").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            found |= {path.name for name in names if name.split(".")[0] == "cyclonedx"}
    assert found == {"bom.py"}
    code = "import sys, repro.cli.main, repro.attest.provenance; sys.exit('cyclonedx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
