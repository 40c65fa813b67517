"""`repro pin`, as a person uses it, against a mirror and a snapshot archive on this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from pysequoia import Tsk

from repro.cli.project import find_project
from repro.model.errors import InvalidInput
from repro.model.pin import TIMESTAMP, PinSet, parse_timestamp
from repro.snapshot.pins import Evidence, load_keys, load_pin_set, save_pin_set
from tests.snapshot.world import ROOT, Server, World, clear_sign, now, release_text


def keyring(world: World) -> str:
    path = world.folder / "ring.asc"
    path.write_text(str(world.certificate))
    return str(path)


def test_the_committed_pins_hold(world: World) -> None:
    done = world.run(
        "--offline", "pin", "verify", "--json", "--snapshots", str(ROOT / "snapshots"), env=world.environment()
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["pins"]
    assert [row["ok"] for row in rows] == [True] * len(rows)
    assert len(rows[0]["signers"]) == 3


def test_add_from_mirror_then_verify_and_list(world: World, server: Server) -> None:
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    added = world.run(
        "pin", "add", "fresh", "--archive", "debian", "--suite", "tiny", "--keyring", keyring(world), env=env
    )
    assert added.returncode == 0, added.stderr
    assert world.certificate.fingerprint.upper() in added.stdout  # for review
    pin = load_pin_set(world.folder / "snapshots", "fresh").pin("debian/tiny")
    assert pin.timestamp == world.timestamp
    assert (world.folder / "snapshots/fresh/debian_tiny.InRelease").read_bytes() == world.inrelease
    verified = world.run("--offline", "pin", "verify", "fresh", env=env)
    assert (verified.returncode, "ok     fresh  debian/tiny" in verified.stdout) == (0, True)
    assert "fresh  debian/tiny" in world.run("pin", "list", env=env).stdout
    again = world.run(
        "pin", "add", "fresh", "--archive", "debian", "--suite", "tiny", "--keyring", keyring(world), env=env
    )
    assert (again.returncode, "repro pin refresh fresh" in again.stderr) == (2, True)


def test_add_at_a_time_asks_the_snapshot_archive(world: World, server: Server) -> None:
    stamp = (world.date + timedelta(seconds=1)).strftime(TIMESTAMP)
    time = world.date + timedelta(seconds=3)
    asked = time.strftime(TIMESTAMP)
    since = (time - timedelta(days=30)).strftime(TIMESTAMP)
    server.files = world.tree(f"/archive/debian/{stamp}")
    listing = f"/mr/timestamp/?archive=debian&after={since}&before={asked}"
    server.files[listing] = json.dumps({"result": {"debian": ["20000101T000000Z", stamp, "nonsense"]}}).encode()
    server.faults[listing] = [("status", 429, {"Retry-After": "1"})]
    env = world.environment(snapshot=server.base)
    local = time.astimezone(timezone(timedelta(hours=2))).isoformat()
    args = ("pin", "add", "old", "--archive", "debian", "--suite", "tiny", "--keyring", keyring(world), "--at", local)
    done = world.run(*args, env=env)
    assert done.returncode == 0, done.stderr
    assert f"pinned debian/tiny at {stamp}" in done.stdout
    assert load_pin_set(world.folder / "snapshots", "old").pins[0].timestamp == stamp


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--suite", "tiny", "--component", "contrib"), "contrib/binary-amd64/Packages"),
        (("--suite", "tiny", "--signer", "F" * 40), "has no certificate"),
        (("--suite", "tiny", "--signer", "12"), "not a fingerprint"),
        (("--suite", "tiny", "--at", "2026"), "is no time"),
        (("--suite", "tiny", "--at", "2126-09-06T12:00Z"), "is still to come"),
        (("--suite", "tiny", "--at", "20260101T000000Z", "--from-mirror"), "exclude each other"),
    ],
)
def test_add_refuses_what_cannot_be(world: World, server: Server, args: tuple[str, ...], said: str) -> None:
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    done = world.run("pin", "add", "fresh", "--archive", "debian", "--keyring", keyring(world), *args, env=env)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (world.folder / "snapshots/fresh.toml").exists()


def test_add_without_a_good_signature_or_a_mirror(world: World, server: Server) -> None:
    server.files = {**world.tree(), "/debian/dists/tiny/InRelease": world.inrelease.replace(b"Test", b"Tast")}
    args = ("pin", "add", "fresh", "--archive", "debian", "--suite", "tiny", "--keyring", keyring(world))
    wrong = world.run(*args, env=world.environment(f"{server.base}/debian"))
    assert (wrong.returncode, "no signature on the InRelease is good" in wrong.stderr) == (5, True)
    none = world.run(*args, env=world.environment())
    assert (none.returncode, "none is configured" in none.stderr) == (4, True)
    offline = world.run("--offline", *args, env=world.environment(f"{server.base}/debian"))
    assert (offline.returncode, "--offline" in offline.stderr) == (4, True)


REFRESH = ("pin", "refresh", "tiny", "--snapshots", "snapshots")  # without the recipes of the project


def test_refresh_moves_forward_only(world: World, server: Server) -> None:
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    same = world.run(*REFRESH, env=env)
    assert (same.returncode, "unchanged" in same.stdout) == (0, True), same.stderr

    older = clear_sign(world.key, release_text(world.date - timedelta(seconds=20), world.indexes))
    server.files["/debian/dists/tiny/InRelease"] = older
    left = world.run(*REFRESH, env=env)
    assert (left.returncode, "the mirror is older" in left.stdout) == (0, True), left.stderr
    assert load_pin_set(world.folder / "snapshots", "tiny").pins[0].timestamp == world.timestamp

    date = now()
    server.files["/debian/dists/tiny/InRelease"] = clear_sign(world.key, release_text(date, world.indexes))
    moved = world.run(*REFRESH, env=env)
    assert moved.returncode == 0, moved.stderr
    assert world.timestamp in moved.stdout
    assert " -> " in moved.stdout
    assert load_pin_set(world.folder / "snapshots", "tiny").pins[0].timestamp == date.strftime(TIMESTAMP)
    assert world.run("pin", "verify", env=env).returncode == 0


def test_refresh_to_an_earlier_time(world: World, server: Server) -> None:
    stamp = (world.date - timedelta(seconds=20)).strftime(TIMESTAMP)
    older = clear_sign(world.key, release_text(world.date - timedelta(seconds=20), world.indexes))
    since = (parse_timestamp(stamp) - timedelta(days=30)).strftime(TIMESTAMP)
    listing = f"/mr/timestamp/?archive=debian&after={since}&before={stamp}"
    server.files = {
        listing: json.dumps({"result": {"debian": [stamp]}}).encode(),
        f"/archive/debian/{stamp}/dists/tiny/InRelease": older,
    }
    done = world.run(*REFRESH, "--at", stamp, env=world.environment(snapshot=server.base))
    assert done.returncode == 0, done.stderr
    assert load_pin_set(world.folder / "snapshots", "tiny").pins[0].timestamp == stamp


def test_refresh_refuses_a_stranger(world: World, server: Server) -> None:
    server.files = {"/debian/dists/tiny/InRelease": clear_sign(Tsk.generate("X"), release_text(now(), world.indexes))}
    done = world.run("pin", "refresh", "tiny", env=world.environment(f"{server.base}/debian"))
    assert done.returncode == 5
    assert world.run("pin", "verify", env=world.environment()).returncode == 0


def _tamper(world: World, how: str) -> None:
    snapshots = world.folder / "snapshots"
    pins = load_pin_set(snapshots, "tiny")
    (pin,) = pins.pins
    evidence = snapshots / "tiny/debian_tiny.InRelease"
    keys = load_keys(snapshots, "tiny")
    if how == "altered":
        evidence.write_bytes(world.inrelease + b"\n")
    elif how == "replaced":
        evidence.write_bytes(clear_sign(world.key, release_text(now(), world.indexes)))
    elif how == "early pin":
        early = (world.date - timedelta(seconds=1)).strftime(TIMESTAMP)
        save_pin_set(snapshots, PinSet("tiny", (replace(pin, timestamp=early),)), {}, keys)
    elif how == "other signer":
        save_pin_set(snapshots, PinSet("tiny", (replace(pin, signers=("A" * 40,)),)), {}, keys)
    elif how == "other suite":
        other = replace(pin, suite="huge")
        save_pin_set(snapshots, PinSet("tiny", (other,)), {other.name: Evidence(world.inrelease)}, keys)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("altered", "but the pin debian/tiny names"),
        ("replaced", "but the pin debian/tiny names"),
        ("early pin", "is after the pin's time"),
        ("other signer", "not an accepted signer"),
        ("other suite", "not of huge"),
    ],
)
def test_verify_finds_what_was_changed(world: World, how: str, said: str) -> None:
    _tamper(world, how)
    done = world.run("pin", "verify", env=world.environment())
    assert (done.returncode, said in done.stderr) == (5, True), done.stderr
    assert "WRONG" in done.stdout
    listed = json.loads(world.run("pin", "verify", "--json", env=world.environment()).stdout)
    assert [row["ok"] for row in listed["pins"]] == [False]
    fetch = world.run("fetch", "tiny", env=world.environment())
    assert fetch.returncode == 5
    assert not world.stored()


def test_a_pin_after_valid_until(world: World, server: Server) -> None:
    until = (world.date + timedelta(minutes=1)).strftime("Valid-Until: %a, %d %b %Y %H:%M:%S UTC\n")
    server.files = {
        "/debian/dists/tiny/InRelease": clear_sign(world.key, release_text(now(), world.indexes, extra=until))
    }
    env = world.environment(f"{server.base}/debian")
    assert world.run(*REFRESH, env=env).returncode == 0  # the pin's time is the Date
    snapshots = world.folder / "snapshots"
    (pin,) = load_pin_set(snapshots, "tiny").pins
    late = replace(pin, timestamp=(world.date + timedelta(minutes=5)).strftime(TIMESTAMP))
    save_pin_set(snapshots, PinSet("tiny", (late,)), {}, load_keys(snapshots, "tiny"))
    done = world.run("pin", "verify", env=env)
    assert (done.returncode, "was valid until" in done.stderr) == (5, True), done.stderr


def test_unknown_sets_and_missing_evidence(world: World) -> None:
    done = world.run("pin", "verify", "nope", env=world.environment())
    assert (done.returncode, "there: tiny" in done.stderr) == (2, True)
    assert world.run("pin", "verify", "../tiny", env=world.environment()).returncode == 2
    (world.folder / "snapshots/tiny/keys.asc").unlink()
    done = world.run("pin", "verify", env=world.environment())
    assert (done.returncode, "keys.asc" in done.stderr) == (2, True)


def test_project_is_found_upward(world: World, tmp_path: Path) -> None:
    deep = world.folder / "recipes/tiny"
    assert find_project(deep).root == world.folder
    with pytest.raises(InvalidInput, match="recipes/ and snapshots/"):
        find_project(Path("/"))
