"""Every JSON document that the program writes is what its schema in reports/schema/ says."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from jsonschema import ValidationError

from repro.model import published, record
from repro.model.artifact import Artifact
from repro.sandbox.environment import Environment
from repro.sandbox.variations import VARIATIONS, vary
from repro.store import Store
from tests.cli.worlds import world_with_lock
from tests.schemas import FOLDER, check, validator
from tests.snapshot.world import Server, World
from tests.users import ROOT

NAMES = sorted(path.name.removesuffix(".v1.schema.json") for path in FOLDER.iterdir())
ARTIFACT = Artifact("minimal.iso", "iso", 12345, "ab" * 32)


def build_record() -> record.BuildRecord:
    """A record with everything in it, whatever fields the dataclasses have by now."""
    values = {
        "recipe": "minimal",
        "pins": {"debian/bookworm": "20260711T101637Z"},
        "environment": vary(Environment(1783764997), dict.fromkeys(VARIATIONS)).facts(),
        "normalizers": {"caches": 3},
        "artifacts": (ARTIFACT,),
        "id": "0f" * 16,
        "started": "2026-11-23T09:00:00Z",
        "seconds": 61.5,
        "peak_bytes": 1_628_147_712,
        "backend": "fakeroot",
        "version": "0.1.0",
        "stages": (record.StageRun("root", "cd" * 32, False, 25.8),),
    }
    claim = record.Claim(**{field.name: values.get(field.name, "ef" * 32) for field in fields(record.Claim)})
    run = record.Run(**{field.name: values.get(field.name, "ef" * 32) for field in fields(record.Run)})
    return record.BuildRecord(claim, run)


def test_every_schema_is_one_and_refuses_what_it_does_not_know() -> None:
    assert len(NAMES) >= 10
    for name in NAMES:
        assert not validator(name).is_valid({"schema": f"repro/{name}/v1", "surprise": 1})
        assert validator(name).schema["title"] == f"repro/{name}/v1"


def test_every_document_that_leaves_the_program_has_a_schema() -> None:
    internal = {
        "stage",
        "lock",
        "recipe",
        "pins",
        "policy",
        "baseline",
        "checks",
    }  # the store's own, and TOML for people
    grep = ["git", "grep", "-hoE", '"repro/[a-z-]+/v[0-9]+"', "--", "repro"]
    listed = subprocess.run(grep, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    written = {name.split("/")[1] for name in listed} - internal
    assert written == set(NAMES)


def test_build_records() -> None:
    check(record.encode(build_record()))
    check(record.encode_all({"rebuild-1": build_record(), "rebuild-2": build_record()}))
    broken = json.loads(record.encode(build_record()))
    broken["claim"]["artifacts"][0]["path"] = "/home/me/minimal.iso"
    with pytest.raises(ValidationError):
        check(json.dumps(broken))


def test_build_records_of_this_tree() -> None:
    """What builds left in out/, if there were any, was written by the same code."""
    for path in ROOT.glob("out/*/build.json"):
        check(path.read_bytes())


def test_published_results() -> None:
    check(published.encode(published.Published("minimal", "ab" * 32, 1783764997, (ARTIFACT,))))
    for path in (ROOT / "reports").glob("*.json"):
        check(path.read_bytes())
        published.decode(path.read_bytes(), str(path))


def test_pins() -> None:
    for command in ("list", "verify"):
        argv = [sys.executable, "-m", "repro.cli.main", "pin", command, "--json"]
        document = check(subprocess.run(argv, cwd=ROOT, capture_output=True, check=True).stdout)
        assert document["pins"]


def test_a_pin_that_does_not_hold(tmp_path: Path) -> None:
    world = World(tmp_path)
    for path in (world.folder / "snapshots" / "tiny").glob("*.InRelease"):
        path.write_bytes(path.read_bytes() + b" ")
    done = world.run("pin", "verify", "--json", env=world.environment())
    assert done.returncode == 5
    assert [row["ok"] for row in check(done.stdout)["pins"]] == [False]


def test_fetching_and_the_store(tmp_path: Path) -> None:
    world = world_with_lock(tmp_path)
    with Server(world.tree()) as server:
        env = world.environment(f"{server.base}/debian")
        assert check(world.run("fetch", "tiny", "--plan", "--json", env=env).stdout)["missing"]
        assert check(world.run("fetch", "tiny", "--json", env=env).stdout)["fetched"] == 4
    blobs = check(world.run("store", "list", "--json", env=env).stdout)["blobs"]
    path = Store(world.store).path(blobs[0]["sha256"])
    path.chmod(0o644)
    path.write_bytes(b"rot")
    damaged = world.run("store", "verify", "--json", env=env)
    assert damaged.returncode == 5
    assert len(check(damaged.stdout)["damaged"]) == 1
