"""Provenance: what SLSA's and in-toto's own definitions read, and the lock, package by package."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, Parse, ParseDict, ParseError
from hypothesis import given
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from packageurl import PackageURL

from repro.attest.provenance import BUILD_TYPE, PREDICATE_TYPE, provenance
from repro.attest.statements import statement
from repro.model.artifact import Artifact
from repro.model.errors import InvalidInput
from repro.model.text import canonical_json
from tests.attest.builds import BUILDER, BYPRODUCTS, RECIPES, Build, bill_of, builds, committed, made, provenance_of
from tests.users import ROOT

SNAPSHOT = "https://snapshot.debian.org/archive/debian/20260711T101637Z"


def predicate_of(build: Build) -> dict[str, Any]:
    return provenance(build.record, build.lock, build.pins, builder=BUILDER, byproducts=BYPRODUCTS)


def read_statement(data: bytes) -> Any:
    """The statement in `data` by in-toto's own definition, which refuses what it does not know."""
    message = Parse(data, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    return MessageToDict(message)


def raw_lock(recipe: str) -> dict[str, Any]:
    """The lock as TOML says, past our own reader."""
    return tomllib.loads((ROOT / "recipes" / recipe / "recipe.lock").read_text(encoding="utf-8"))


def debs(predicate: dict[str, Any]) -> list[dict[str, Any]]:
    found = predicate["buildDefinition"]["resolvedDependencies"]
    return [row for row in found if row.get("uri", "").startswith("pkg:")]


@pytest.mark.parametrize("recipe", RECIPES)
def test_slsa_and_in_toto_read_what_was_written(recipe: str) -> None:
    build = committed(recipe)
    predicate = predicate_of(build)
    assert MessageToDict(ParseDict(predicate, Provenance())) == predicate
    data = provenance_of(build)
    document = json.loads(data)
    assert read_statement(data) == document
    assert canonical_json(document) == data
    assert document["predicate"] == predicate
    assert document["predicateType"] == PREDICATE_TYPE == "https://slsa.dev/provenance/v1"
    assert document["subject"] == [{"name": "minimal.iso", "digest": {"sha256": "ab" * 32}}]


def _unknown(predicate: dict[str, Any]) -> None:
    predicate["buildDefinition"]["builtBy"] = "me"


def _no_list(predicate: dict[str, Any]) -> None:
    predicate["buildDefinition"]["resolvedDependencies"] = {"uri": "pkg:deb/debian/bash"}


def _no_time(predicate: dict[str, Any]) -> None:
    predicate["runDetails"]["metadata"]["startedOn"] = "yesterday"


def _plain_digest(predicate: dict[str, Any]) -> None:
    predicate["buildDefinition"]["resolvedDependencies"][0]["digest"] = "sha256:00"


@pytest.mark.parametrize("damage", [_unknown, _no_list, _no_time, _plain_digest])
def test_slsa_refuses_what_is_damaged(damage: Callable[[dict[str, Any]], None]) -> None:
    predicate = copy.deepcopy(predicate_of(committed("minimal")))
    damage(predicate)
    with pytest.raises(ParseError):
        ParseDict(predicate, Provenance())


def test_in_toto_refuses_what_is_damaged() -> None:
    document = json.loads(provenance_of(committed("minimal")))
    for key, value, wrong in (
        ("subject", [], ValueError),
        ("subject", [{"name": "minimal.iso"}], ValueError),
        ("predicateType", "", ValueError),
        ("_type", "https://in-toto.io/Statement/v0.1", ValueError),
        ("signature", "none", ParseError),
    ):
        with pytest.raises(wrong):
            read_statement(json.dumps({**document, key: value}).encode())


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_package_of_the_lock_is_there_once(recipe: str) -> None:
    raw = raw_lock(recipe)
    image, toolchain = ({row["sha256"] for row in raw[part]} for part in ("image", "toolchain"))
    wanted = {row["sha256"]: row for row in raw["image"] + raw["toolchain"]}
    found = debs(predicate_of(committed(recipe)))
    assert sorted(row["digest"]["sha256"] for row in found) == sorted(wanted)
    for row in found:
        digest = row["digest"]["sha256"]
        locked, purl = wanted[digest], PackageURL.from_string(row["uri"])
        assert (purl.type, purl.namespace, purl.name, purl.version) == (
            *("deb", "debian"),
            locked["name"],
            locked["version"],
        )
        assert purl.qualifiers == {"arch": locked["arch"], "distro": "bookworm"}
        assert row["name"] == locked["name"]
        assert row["downloadLocation"].replace("%2B", "+").replace("%25", "%") == f"{SNAPSHOT}/{locked['path']}"
        role = "both" if digest in image & toolchain else "image" if digest in image else "toolchain"
        assert row["annotations"] == {"role": role}
    assert [row["name"] for row in found] == sorted(row["name"] for row in found)
    if recipe == "minimal":  # all three roles were tried
        assert {row["annotations"]["role"] for row in found} == {"both", "image", "toolchain"}


def test_the_chain_of_trust_is_there_by_the_hashes_of_the_files() -> None:
    found = predicate_of(committed("minimal"))["buildDefinition"]["resolvedDependencies"][:3]
    lock = (ROOT / "recipes/minimal/recipe.lock").read_bytes()
    inrelease = (ROOT / "snapshots/bookworm/debian_bookworm.InRelease").read_bytes()
    index = raw_lock("minimal")["indexes"][0]
    assert [row["digest"]["sha256"] for row in found] == [
        hashlib.sha256(lock).hexdigest(),
        hashlib.sha256(inrelease).hexdigest(),
        index["sha256"],
    ]
    assert f" {index['sha256']} {index['size']} {index['path']}".encode() in inrelease.replace(b"  ", b" ")
    assert [row.get("uri") for row in found] == [
        None,
        f"{SNAPSHOT}/dists/bookworm/InRelease",
        f"{SNAPSHOT}/dists/bookworm/main/binary-amd64/Packages",
    ]


def test_parameters_and_run() -> None:
    build = committed("minimal")
    predicate = predicate_of(build)
    claim, run = build.record.claim, build.record.run
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    assert definition["buildType"] == BUILD_TYPE == "urn:repro:build:image:v1"
    assert definition["externalParameters"] == {"recipe": "minimal", "recipe_sha256": claim.recipe_sha256}
    assert definition["internalParameters"] == {
        "backend": "fakeroot",
        "environment": claim.environment,
        "normalizers": {"caches": 3},
        "program_sha256": run.program,
        "toolchain_sha256": claim.toolchain_sha256,
    }
    assert details["builder"] == {"id": BUILDER, "version": {"repro": "0.1.0"}}
    assert details["metadata"] == {
        "invocationId": "0f" * 16,
        "startedOn": "2026-11-23T09:00:00Z",
        "finishedOn": "2026-11-23T09:01:02Z",  # 61.5 s, to the second
    }
    assert [row["name"] for row in details["byproducts"]] == ["build.json", "build.log"]
    assert [row["digest"]["sha256"] for row in details["byproducts"]] == ["1a" * 32, "2b" * 32]


def test_the_docs_name_the_build_type_and_every_parameter() -> None:
    text = (ROOT / "docs" / "provenance.md").read_text(encoding="utf-8")
    definition = predicate_of(committed("minimal"))["buildDefinition"]
    for word in (BUILD_TYPE, *definition["externalParameters"], *definition["internalParameters"]):
        assert f"`{word}`" in text, word


def test_the_order_in_which_things_are_given_does_not_matter() -> None:
    build = committed("minimal")
    lock = replace(build.lock, image=build.lock.image[::-1], toolchain=build.lock.toolchain[::-1])
    assert provenance_of(replace(build, lock=lock)) == provenance_of(build)
    one, other = Artifact("a", "iso", 1, "0a" * 32), Artifact("b", "iso", 2, "0b" * 32)
    assert statement([one, other], "a:b", {"b": 1, "a": 2}) == statement([other, one], "a:b", {"a": 2, "b": 1})


def test_where_and_when_it_is_written_does_not_matter() -> None:
    """Other zone, locale, hash seed, folder: the same bytes of provenance and bill, and the same as here."""
    said = []
    for zone, locale, seed in (("UTC", "C", "0"), ("Pacific/Kiritimati", "tr_TR.UTF-8", "4711")):
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TZ": zone, "LC_ALL": locale}
        argv = [sys.executable, "-m", "tests.attest.builds", *RECIPES]
        done = subprocess.run(
            argv, cwd="/", env={**env, "PYTHONHASHSEED": seed}, capture_output=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()
        said.append(done.stdout)
    here = b"".join(provenance_of(committed(name)) + b"\n" + bill_of(committed(name)) for name in RECIPES)
    assert said[0] == said[1] == here


@given(builds())
def test_any_build(build: Build) -> None:
    predicate = predicate_of(build)
    assert MessageToDict(ParseDict(predicate, Provenance())) == predicate
    assert read_statement(provenance_of(build)) == json.loads(provenance_of(build))
    packages = {package.sha256: package for package in (*build.lock.image, *build.lock.toolchain)}
    found = {row["digest"]["sha256"]: PackageURL.from_string(row["uri"]) for row in debs(predicate)}
    assert len(debs(predicate)) == len(found) == len(packages)
    for digest, purl in found.items():
        package = packages[digest]
        assert (purl.name, purl.version) == (package.name, package.version)
        suite = build.pins.pin(package.pin).suite
        assert purl.qualifiers == {"arch": package.arch, "distro": suite}


def test_a_record_of_something_else_is_refused() -> None:
    minimal, unstable = committed("minimal"), committed("unstable")
    pin = minimal.pins.pins[0]
    moved = replace(minimal.pins, pins=(replace(pin, timestamp="20260712T101637Z"),))
    further = replace(minimal.pins, pins=(pin, replace(pin, suite="trixie")))
    first, second = minimal.lock.image[:2]
    twice = replace(minimal.lock, image=(first, replace(second, sha256=first.sha256)))
    elsewhere = replace(minimal.lock, image=(replace(first, pin="debian/sid"),))
    for build, complaint in (
        (replace(minimal, lock=unstable.lock), "was made from the lock"),
        (replace(minimal, lock=replace(minimal.lock, image=minimal.lock.image[1:])), "was made from the lock"),
        (replace(minimal, pins=moved), "other pins"),
        (replace(minimal, pins=further), "other pins"),
        (made(twice, minimal.pins), "one hash to"),
        (made(elsewhere, minimal.pins), "no pin debian/sid"),
    ):
        for said in (provenance_of, bill_of):
            with pytest.raises(InvalidInput, match=complaint):
                said(build)


@pytest.mark.parametrize("builder", ["", "me", "no scheme", "https://exa mple.org", "https://é.example", "1:2", "x:\n"])
def test_a_builder_that_is_no_uri(builder: str) -> None:
    build = committed("minimal")
    with pytest.raises(InvalidInput, match="builder must be a URI") as caught:
        provenance(build.record, build.lock, build.pins, builder=builder)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("started", "seconds"),
    [
        ("yesterday", 1.0),
        ("2026-11-23T09:00:00+01:00", 1.0),
        ("2026-13-23T09:00:00Z", 1.0),
        ("9999-12-31T23:59:59Z", 1.0),
        ("2026-11-23T09:00:00Z", math.inf),
        ("2026-11-23T09:00:00Z", math.nan),
    ],
)
def test_times_that_are_none(started: str, seconds: float) -> None:
    build = committed("minimal")
    record = replace(build.record, run=replace(build.record.run, started=started, seconds=seconds))
    with pytest.raises(InvalidInput, match="the record says that its build started"):
        provenance_of(replace(build, record=record))


GOOD = Artifact("good.iso", "iso", 1, "0a" * 32)


@pytest.mark.parametrize(
    ("subjects", "kind", "complaint"),
    [
        ([], "a:b", "needs a subject"),
        ([GOOD, replace(GOOD, sha256="0b" * 32)], "a:b", "stands twice: 'good.iso'"),
        ([GOOD, replace(GOOD, name="\udcff\x1b[2J")], "a:b", r"not a name in UTF-8: '\\xff\\x1b\[2J'"),
        ([replace(GOOD, name="")], "a:b", "not a name"),
        ([replace(GOOD, sha256="0A" * 32)], "a:b", "good.iso: .*is not a sha256"),
        ([GOOD], "provenance", "predicate type must be a URI"),
    ],
)
def test_statements_about_nothing(subjects: list[Artifact], kind: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        statement(subjects, kind, {"a": 1})


def test_the_example_in_the_docs(tmp_path: Path) -> None:
    """It runs, finds what only the image or only the toolchain has, and refuses another file."""
    text = (ROOT / "docs" / "provenance.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    image, other = tmp_path / "minimal.iso", tmp_path / "other.iso"
    image.write_bytes(b"an image")
    other.write_bytes(b"another")
    build = committed("minimal")
    artifact = Artifact(image.name, "iso", 8, hashlib.sha256(b"an image").hexdigest())
    (tmp_path / "statement.json").write_bytes(provenance_of(made(build.lock, build.pins, (artifact,))))
    argv = [sys.executable, "-I", "-c", code, "statement.json"]
    done = subprocess.run([*argv, image.name], cwd=tmp_path, capture_output=True, text=True, check=True)
    shown = done.stdout.splitlines()
    raw = raw_lock("minimal")
    once = {row["sha256"] for row in raw["image"]} ^ {row["sha256"] for row in raw["toolchain"]}
    assert shown[0] == "recipe minimal"
    assert sorted(line.split()[0] for line in shown[4:]) == sorted(digest[:12] for digest in once)
    assert "\n".join(f"    {line}" for line in shown[:3]) in text  # as the page shows it
    refused = subprocess.run([*argv, other.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "other.iso is not what this statement is about" in refused.stderr
