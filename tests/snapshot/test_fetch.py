"""`repro fetch` against servers that misbehave, processes that die and stores that cannot be written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pytest

from repro.model.errors import IntegrityFailure, Unavailable
from repro.model.pin import TIMESTAMP
from repro.snapshot.fetcher import Fetcher
from repro.snapshot.politeness import Budget
from repro.snapshot.sources import Mirror, SnapshotArchive, Source, Wanted
from repro.store import Store
from repro.system.http import Http
from repro.system.progress import Null
from tests.snapshot.world import Server, World, sha256

MAIN = "from repro.cli.main import main; main()"
LOADED = "import repro.cli.fetch, repro.cli.store, requests, encodings.idna, _strptime, resource, os, sys; "


def wanted(world: World, number: int) -> Wanted:
    path, body = list(world.bodies.items())[number]
    return Wanted(sha256(body), len(body), "debian", path, world.timestamp, f"pkg{number}")


def fetcher(world: World, *sources: Source) -> Fetcher:
    return Fetcher(Store(world.store), Http(), sources)


def mirror(server: Server) -> Mirror:
    return Mirror("debian", f"{server.base}/debian")


def test_everything_arrives_and_the_next_run_asks_nobody(world: World, server: Server) -> None:
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    plan = world.run("fetch", "tiny", "--plan", "--json", env=env)
    assert json.loads(plan.stdout)["obtainable"]["files"] == 4
    assert not server.log
    done = world.run("fetch", "tiny", env=env)
    assert done.returncode == 0, done.stderr
    assert {sha256(body) for body in world.bodies.values()} <= world.stored()
    assert sha256(world.packages) in world.stored()
    assert all((path.stat().st_mode & 0o777) == 0o444 for path in (world.store / "blobs").rglob("*") if path.is_file())
    asked = len(server.log)
    again = world.run("--offline", "fetch", "tiny", "--json", env=env)
    assert (again.returncode, json.loads(again.stdout)["fetched"]) == (0, 0)
    assert len(server.log) == asked
    assert json.loads(world.run("fetch", "tiny", "--plan", "--json", env=env).stdout)["present"]["files"] == 4


def test_offline_opens_no_socket_and_counts_what_is_missing(world: World, server: Server) -> None:
    server.files = world.tree()
    hook = "import sys; sys.addaudithook(lambda event, args: event.startswith('socket.') and os._exit(99)); import os; "
    env = world.environment(f"{server.base}/debian")
    done = world.run("--offline", "fetch", "tiny", env=env, code=hook + MAIN)
    assert done.returncode == 4
    assert "4 inputs" in done.stderr
    assert "run once without --offline" in done.stderr
    plan = world.run("--offline", "fetch", "tiny", "--plan", "--json", env=env, code=hook + MAIN)
    assert (plan.returncode, json.loads(plan.stdout)["unavailable"]["files"]) == (4, 4)
    assert world.run("fetch", "tiny", env=env, code=hook + MAIN).returncode == 99  # the hook does see sockets
    assert not server.log


@pytest.mark.parametrize(
    "faults",
    [
        [("cut", 30000)],
        [("cut", 30000), ("cut", 10000), ("status", 500, {})],
        [("status", 500, {}), ("status", 503, {})],
        [("cut", 30000), ("no-range",)],
        [("cut", 0)],
    ],
)
def test_trouble_that_passes(world: World, server: Server, faults: list[tuple[object, ...]]) -> None:
    server.files = world.tree()
    path = world.url_path(2)
    server.faults[path] = list(faults)
    fetcher(world, mirror(server)).ensure([wanted(world, 2)], Null())
    assert wanted(world, 2).sha256 in world.stored()
    assert len(server.asked(path)) == len([fault for fault in faults if fault[0] != "no-range"]) + 1
    if faults[0] == ("cut", 30000):
        assert server.asked(path)[1][1] == "bytes=30000-"
    assert not list((world.store / "partial").iterdir())


def test_retry_after_is_honoured(world: World, server: Server) -> None:
    server.files = world.tree()
    server.faults[world.url_path(0)] = [("status", 429, {"Retry-After": "1"})]
    started = time.monotonic()
    fetcher(world, mirror(server)).ensure([wanted(world, 0)], Null())
    assert time.monotonic() - started > 0.7


def test_a_redirect_to_a_file_is_not_followed(world: World, server: Server) -> None:
    server.faults[world.url_path(0)] = [("status", 302, {"Location": "file:///etc/passwd"})] * 9
    with pytest.raises(Unavailable, match="file:///etc/passwd"):
        fetcher(world, mirror(server)).ensure([wanted(world, 0)], Null())


@pytest.mark.parametrize("body", [b"x" * 70000, b"x" * 69999, b"x" * 70001, b""])
def test_wrong_bytes_are_named_and_the_next_source_asked(
    world: World, server: Server, second: Server, body: bytes
) -> None:
    server.files = {**world.tree(), world.url_path(2): body}
    second.files = world.tree()
    done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian", f"{second.base}/debian"))
    assert done.returncode == 0, done.stderr
    assert f"{server.base}/debian served wrong bytes" in done.stderr
    assert [row[0] for row in second.log] == [world.url_path(2)]


def test_wrong_bytes_everywhere(world: World, server: Server) -> None:
    server.files = {**world.tree(), world.url_path(1): b"y" * 20000}
    done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
    assert done.returncode == 5
    assert "pkg1 1.0+b1 amd64" in done.stderr
    assert server.base in done.stderr
    assert sha256(b"y" * 20000) not in world.stored()
    assert sha256(list(world.bodies.values())[2]) in world.stored()  # the others were still fetched
    assert not [path for path in (world.store / "partial").iterdir() if path.stat().st_size]


def test_nobody_has_it(world: World, server: Server, second: Server) -> None:
    server.files = world.tree()
    del server.files[world.url_path(1)]
    env = world.environment(f"{server.base}/debian", snapshot=second.base)
    done = world.run("fetch", "tiny", env=env)
    assert done.returncode == 4
    assert f"{server.base}{world.url_path(1)}: HTTP 404" in done.stderr
    assert f"{second.base}/archive/debian/{world.timestamp}" in done.stderr
    assert "hint:" in done.stderr


def test_a_part_from_elsewhere_that_was_wrong_costs_one_clean_start(world: World, server: Server) -> None:
    server.files = world.tree()
    item = wanted(world, 2)
    with Store(world.store).partial(item.sha256) as partial:
        partial.append(b"z" * 1000)
    fetcher(world, mirror(server)).ensure([item], Null())
    assert [row[1] for row in server.asked(world.url_path(2))] == ["bytes=1000-", None]


@pytest.mark.parametrize("extra", [b"", b"surplus"])
def test_a_part_that_is_whole_already(world: World, server: Server, extra: bytes) -> None:
    server.files = world.tree()
    item = wanted(world, 0)
    with Store(world.store).partial(item.sha256) as partial:
        partial.append(next(iter(world.bodies.values())) + extra)
    fetcher(world, mirror(server)).ensure([item], Null())
    assert item.sha256 in world.stored()
    assert len(server.log) == (1 if extra else 0)


def test_a_silent_mirror_is_asked_only_once(world: World, server: Server) -> None:
    server.files = world.tree()
    dead = Mirror("debian", "http://127.0.0.1:9/debian")
    fetcher(world, dead, mirror(server)).ensure([wanted(world, number) for number in range(3)], Null())
    assert dead.budget.asked <= 3 * 3  # three are under way at once, and each has three attempts
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        fetcher(World(world.folder / "other"), dead).ensure([wanted(world, 0)], Null())


def test_the_snapshot_archive_by_time_and_by_the_import_after(world: World, server: Server) -> None:
    later = (world.date + timedelta(hours=6)).strftime(TIMESTAMP)
    server.files = {
        path.replace("/debian/", f"/archive/debian/{later}/", 1): body for path, body in world.tree().items()
    }
    archive = SnapshotArchive(server.base, Http(), Budget(0.2, 1))
    started = time.monotonic()
    archive._imports = lambda *_: [later]  # type: ignore[method-assign]
    fetcher(world, archive).ensure([wanted(world, 0), wanted(world, 1)], Null())
    assert {wanted(world, 0).sha256, wanted(world, 1).sha256} <= world.stored()
    assert time.monotonic() - started > 0.2 * (len(server.log) - 1)  # polite


def test_an_index_is_taken_by_name_where_there_is_no_hash(world: World, server: Server) -> None:
    server.files = {path: body for path, body in world.tree().items() if "by-hash" not in path}
    done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
    assert done.returncode == 0, done.stderr
    index = "/debian/dists/tiny/main/binary-amd64/Packages.xz"
    server.files[index] = b"the suite has moved on"
    for path in (world.store / "blobs").rglob("*"):
        if path.name in (sha256(world.packages), sha256(world.indexes["main/binary-amd64/Packages.xz"])):
            path.unlink()
    moved = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
    assert moved.returncode == 4, moved.stderr  # not wrong bytes: a plain name promises nothing


def test_a_stale_lock_against_a_moved_pin(world: World, server: Server) -> None:
    server.files = world.tree()
    path = world.folder / "recipes/tiny/recipe.lock"
    path.write_text(path.read_text().replace(sha256(world.packages), "0" * 64))
    done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
    assert (done.returncode, "repro lock" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "said"), [("nope", "there are: tiny"), ("../x", "there are: tiny"), ("tiny", "repro lock tiny")]
)
def test_recipes_that_are_not_there(world: World, name: str, said: str) -> None:
    (world.folder / "recipes/tiny/recipe.lock").unlink()
    done = world.run("fetch", name, env=world.environment())
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def _slow_start(world: World, server: Server, bytes_per_second: int) -> subprocess.Popen[bytes]:
    server.files = world.tree()
    server.faults[world.url_path(0)] = [("slow", bytes_per_second)]
    env = world.environment(f"{server.base}/debian")
    process = subprocess.Popen(
        world.command("fetch", "tiny"), env=env, cwd=world.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    partial = world.store / "partial" / sha256(next(iter(world.bodies.values())))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (partial.exists() and partial.stat().st_size > 300_000):
        time.sleep(0.02)
    return process


def test_killed_then_run_again(tmp_path: Path, server: Server) -> None:
    world = World(tmp_path, (4_000_000,))
    process = _slow_start(world, server, 2_000_000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (world.store / "incoming" / "left-by-a-dead-process").write_bytes(b"x")
    done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
    assert done.returncode == 0, done.stderr
    resumed = server.asked(world.url_path(0))[-1]
    assert resumed[1] is not None
    assert resumed[2] == 206
    assert not list((world.store / "incoming").iterdir())
    assert not list((world.store / "partial").iterdir())
    assert world.run("store", "verify", env=world.environment()).returncode == 0


def test_two_processes_share_a_store(tmp_path: Path, server: Server) -> None:
    world = World(tmp_path, (1_500_000,))
    first = _slow_start(world, server, 1_000_000)
    done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
    assert (first.wait(20), done.returncode) == (0, 0), done.stderr
    assert len(server.asked(world.url_path(0))) == 1
    assert not list((world.store / "partial").iterdir())


def test_a_full_disk(tmp_path: Path, server: Server) -> None:
    world = World(tmp_path, (1_000, 3_000_000))
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    limit = LOADED + "resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000)); "
    done = world.run("fetch", "tiny", env=env, code=limit + MAIN)
    assert (done.returncode, "no room left in the store" in done.stderr) == (4, True), done.stderr
    assert world.run("fetch", "tiny", env=env).returncode == 0
    assert server.asked(world.url_path(1))[-1][1] == "bytes=1000000-"  # what was there served
    assert world.run("store", "verify", env=env).returncode == 0


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_a_full_file_system(tmp_path: Path, server: Server) -> None:
    world = World(tmp_path, (1_000, 3_000_000))
    server.files = world.tree()
    world.store.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(world.store)], check=False)
    if mounted.returncode:
        pytest.skip("no mounts here")
    try:
        done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
        assert (done.returncode, "No space left on device" in done.stderr) == (4, True), done.stderr
        assert world.run("store", "verify", env=world.environment()).returncode == 0
    finally:
        subprocess.run(["umount", str(world.store)], check=True)


def test_a_store_that_is_not_ours_to_write(server: Server) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        world = World(folder)
        server.files = world.tree()
        world.store.mkdir(mode=0o555)
        drop = LOADED + "os.getuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534)); "
        done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"), code=drop + MAIN)
        assert (done.returncode, "the store cannot be written" in done.stderr) == (2, True), done.stderr
        assert "--store" in done.stderr


def test_a_rotten_blob_is_fetched_anew(world: World, server: Server) -> None:
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    assert world.run("fetch", "tiny", env=env).returncode == 0
    path = Store(world.store).path(wanted(world, 1).sha256)
    path.chmod(0o644)
    path.write_bytes(b"r" * 20000)
    assert world.run("store", "verify", "--no-fetch", env=env).returncode == 5
    asked = len(server.log)
    again = json.loads(world.run("fetch", "tiny", "--json", env=env).stdout)
    assert (again["fetched"], again["bytes_fetched"]) == (1, 20000)
    assert [row[0] for row in server.log[asked:]] == [world.url_path(1)]
    assert world.run("store", "verify", env=env).returncode == 0


def damage(world: World, name: str, how: str) -> None:
    path = Store(world.store).path(name)
    body = path.read_bytes()
    path.unlink()
    path.write_bytes({"altered": b"x" + body[1:], "truncated": body[:-1], "longer": body + b"x"}[how])


@pytest.mark.parametrize("what", ["package", "index"])
@pytest.mark.parametrize("how", ["altered", "truncated", "longer"])
def test_damage_in_the_store_is_told_and_repaired(world: World, server: Server, what: str, how: str) -> None:
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    assert world.run("fetch", "tiny", env=env).returncode == 0
    good = world.stored()
    damage(world, wanted(world, 1).sha256 if what == "package" else sha256(world.packages), how)
    done = world.run("fetch", "tiny", env=env)
    assert done.returncode == 0, done.stderr
    assert "damaged" in done.stderr
    assert "quarantine" in done.stderr
    assert world.stored() == good
    assert world.run("store", "verify", env=env).returncode == 0
    assert len(list((world.store / "quarantine").iterdir())) == 1


@pytest.mark.parametrize("how", ["altered", "truncated"])
@pytest.mark.parametrize("where", ["offline", "mirror gone"])
def test_damage_in_the_store_that_cannot_be_repaired(world: World, server: Server, how: str, where: str) -> None:
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    assert world.run("fetch", "tiny", env=env).returncode == 0
    good = world.stored()
    name = wanted(world, 1).sha256
    damage(world, name, how)
    server.files = {}
    done = world.run(*(["--offline"] if where == "offline" else []), "fetch", "tiny", env=env)
    assert done.returncode == 5, done.stderr
    assert "damaged" in done.stderr
    assert "pkg1" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert world.stored() == good - {name}, "what was whole is kept, what was not is not used"


def test_plain_integrity_class(world: World, server: Server) -> None:
    server.files = {world.url_path(0): b"no"}
    with pytest.raises(IntegrityFailure):
        fetcher(world, mirror(server)).ensure([wanted(world, 0)], Null())
