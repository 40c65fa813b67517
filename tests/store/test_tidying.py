"""`repro store gc` keeps what locks need; `verify` makes whole what is not; the store stays intact."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from repro.store import StageCache, Store
from tests.schemas import check
from tests.snapshot.world import Server, World, needed, sha256


@dataclass
class Kept:
    world: World
    server: Server
    env: dict[str, str]

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.world.run(*args, env=self.env)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """A store that has what the recipe `tiny` needs, its server beside it."""
    world = World(tmp_path)
    with Server(world.tree()) as server:
        made = Kept(world, server, world.environment(f"{server.base}/debian"))
        assert made.run("fetch", "tiny").returncode == 0
        yield made


def old_build(store: Store) -> str:
    """A result of a stage, a month old; the SHA-256 of its blob."""
    stage = "ab" * 32
    blob = StageCache(store, print).put(stage, {"root.tar": b"a root"})["root.tar"]
    month = time.time() - 30 * 86400
    os.utime(store.root / "stages" / f"{stage}.json", (month, month))
    return blob.sha256


def test_list_says_what_a_blob_is(kept: Kept) -> None:
    Store(kept.world.store).add_bytes(b"stray")
    listed = check(kept.run("store", "list", "--json").stdout)
    names = {row["sha256"]: row["name"] for row in listed["blobs"]}
    body = next(iter(kept.world.bodies.values()))
    assert names[sha256(body)] == "pkg0 1.0+b0 amd64"
    assert names[sha256(kept.world.packages)] == "debian/tiny main/binary-amd64/Packages"
    assert names[sha256(b"stray")] is None


def test_gc_keeps_what_the_lock_needs_and_nothing_else(kept: Kept) -> None:
    wanted = needed(kept.world)
    packed = kept.world.stored() - wanted  # the index as it came
    assert len(packed) == 1
    store = Store(kept.world.store)
    stray, old = store.add_bytes(b"stray").sha256, old_build(store)
    (kept.world.store / "partial/x").write_bytes(b"half")
    dry = check(kept.run("store", "gc", "--dry-run", "--json").stdout)
    assert {row["sha256"] for row in dry["blobs"]} == {stray, old} | packed
    assert (dry["removed"], dry["stages"], dry["leftovers"], dry["bytes"] > 11) == (False, 1, 1, True)
    assert kept.world.stored() == wanted | {stray, old} | packed
    assert kept.run("store", "gc", "--keep-builds", "60").returncode == 0
    assert kept.world.stored() == wanted | {old}
    done = kept.run("store", "gc", "--locks", "recipes")
    assert (done.returncode, kept.world.stored()) == (0, wanted), done.stderr
    assert not any((kept.world.store / "stages").iterdir())
    assert kept.run("--offline", "fetch", "tiny").returncode == 0
    assert kept.run("store", "gc", "--all").returncode == 0
    assert kept.world.stored() == set()


def test_gc_removes_nothing_where_it_does_not_know_what_is_needed(kept: Kept, tmp_path: Path) -> None:
    before = kept.world.stored()
    (tmp_path / "empty").mkdir()
    for args in (("--locks", "empty"), ("--locks", "absent"), ("--all", "--locks", "recipes")):
        done = kept.run("store", "gc", *args)
        assert done.returncode == 2, done.stderr
    (tmp_path / "recipes/other").mkdir()
    (tmp_path / "recipes/other/recipe.lock").write_text("not a lock")
    done = kept.run("store", "gc")
    assert (done.returncode, "recipes/other/recipe.lock" in done.stderr) == (2, True)
    assert kept.world.stored() == before


def test_gc_waits_for_nobody_and_harms_nobody(kept: Kept) -> None:
    """A fetch is under way, its package comes in slowly."""
    shutil.rmtree(kept.world.store)
    kept.server.log.clear()
    kept.server.faults[kept.world.url_path(2)] = [("slow", 20_000)]
    running = subprocess.Popen(kept.world.command("fetch", "tiny"), env=kept.env, cwd=kept.world.folder)
    while not kept.server.asked(kept.world.url_path(2)):
        time.sleep(0.01)
    done = kept.run("store", "gc", "--all")
    assert (done.returncode, "another repro is using the store" in done.stderr) == (4, True), done.stderr
    assert running.wait(30) == 0
    assert needed(kept.world) <= kept.world.stored()


def damage(world: World, digest: str) -> None:
    path = world.store / "blobs/sha256" / digest[:2] / digest
    path.chmod(0o644)
    path.write_bytes(b"rot")


def test_verify_makes_whole_what_the_project_knows(kept: Kept) -> None:
    body = next(iter(kept.world.bodies.values()))
    whole = kept.world.stored()
    damage(kept.world, sha256(body))
    damage(kept.world, sha256(kept.world.packages))
    done = kept.run("store", "verify", "--json")
    document = check(done.stdout)
    assert done.returncode == 0, done.stderr
    assert {row["sha256"]: row["mended"] for row in document["damaged"]} == {
        sha256(body): True,
        sha256(kept.world.packages): True,
    }
    assert "pkg0 1.0+b0 amd64: fetched anew" in done.stderr
    assert kept.world.stored() == whole
    assert len(list((kept.world.store / "quarantine").iterdir())) == 2
    assert kept.run("store", "verify").stdout.endswith(" 0 damaged\n")


def test_verify_says_what_stays_damaged(kept: Kept) -> None:
    stray = Store(kept.world.store).add_bytes(b"stray").sha256
    body = next(iter(kept.world.bodies.values()))
    damage(kept.world, stray)
    damage(kept.world, sha256(body))
    kept.server.files[kept.world.url_path(0)] = b"evil" + body[4:]
    done = kept.run("store", "verify", "--json")
    assert done.returncode == 5
    rows = {row["sha256"]: row for row in check(done.stdout)["damaged"]}
    assert (rows[stray]["mended"], rows[stray]["why"]) == (False, None)
    assert "pkg0 1.0+b0 amd64" in rows[sha256(body)]["why"]
    assert kept.server.base in rows[sha256(body)]["why"]
    damage(kept.world, sha256(kept.world.packages))
    asked = len(kept.server.log)
    assert kept.run("store", "verify", "--no-fetch").returncode == 5
    assert len(kept.server.log) == asked


def test_killed_while_tidying_or_importing(kept: Kept) -> None:
    """`kill -9` at random moments: what is there has the right bytes, and a run to the end then does all."""
    assert kept.run("store", "export", "tiny", "-o", "tiny.tar").returncode == 0
    random_ = random.Random(5)
    commands = (("store", "gc", "--all"), ("store", "import", "tiny.tar"))
    for number in range(10):
        running = subprocess.Popen(
            kept.world.command(*commands[number % 2]), env=kept.env, cwd=kept.world.folder, stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(random_.uniform(0.2, 0.6))
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert kept.run("store", "verify", "--no-fetch").returncode == 0
    assert kept.run("store", "import", "tiny.tar").returncode == 0
    assert needed(kept.world) <= kept.world.stored()
    assert not any((kept.world.store / "incoming").iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="host: a tmpfs of its own needs root")
def test_a_full_disk(kept: Kept, tmp_path: Path) -> None:
    """Importing and exporting to a disk that fills up: exit 4, and what is there is whole."""
    assert kept.run("store", "export", "tiny", "-o", "tiny.tar").returncode == 0
    code = f"""
import os, subprocess, sys
os.makedirs("small")
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", "small"], check=True)
def repro(store, *args):
    return subprocess.run([{sys.executable!r}, "-m", "repro.cli.main", "--store", store, *args]).returncode
first = repro("small/store", "store", "import", "tiny.tar")
whole = repro("small/store", "store", "verify", "--no-fetch")
second = repro("store", "store", "export", "tiny", "-o", "small/out.tar")
print(first, whole, second, os.path.exists("small/out.tar"), os.listdir("small"))
"""
    argv = ["unshare", "--mount", "--", sys.executable, "-c", code]
    done = subprocess.run(argv, env=kept.env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "4 0 4 False ['store']", done.stdout + done.stderr
