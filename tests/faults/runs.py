"""One plan or one kill: run `repro` for real, and hold what it did against what it may do."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from repro.model import lock as locks
from repro.snapshot.fetch import wanted_packages
from repro.snapshot.fetcher import Fetcher
from repro.snapshot.pins import load_pin_set
from repro.snapshot.settings import load_settings
from repro.snapshot.sources import sources
from repro.store import Store
from repro.system.http import Http
from repro.system.progress import Null
from tests.faults.plans import SOURCES, Plan, plan
from tests.faults.server import FaultServer, blobs, elsewhere
from tests.snapshot.world import ROOT, World, clear_sign, named, needed, release_text, sha256

ATTEMPTS, PAUSE = 4, 0.1
QUICK = {
    "REPRO_ATTEMPTS": str(ATTEMPTS), "REPRO_BACKOFF": "0.01", "REPRO_SNAPSHOT_PAUSE": str(PAUSE),
    "REPRO_MINIMUM_RATE": "20000", "REPRO_SLOW_AFTER": "0.4", "REPRO_LONGEST_WAIT": "3", "REPRO_DEADLINE": "90",
}  # fmt: skip
REDIRECTS = 6
_INDEX = "debian/tiny main/binary-amd64/Packages.xz"


class Violation(AssertionError):
    """`repro` did what it may not."""


@dataclass(frozen=True)
class Outcome:
    """How a plan ended: the exit codes of the run with faults and of the one after them."""

    seed: int
    code: int
    again: int


def real_packages(folder: Path, small: int = 22, large: int = 2) -> dict[str, bytes]:
    """Real .debs of the committed lock, from the mirror, by path: the smallest ones, and some of about a megabyte."""
    text = (ROOT / "recipes/minimal/recipe.lock").read_text(encoding="utf-8")
    pins = load_pin_set(ROOT / "snapshots", "bookworm")
    every = sorted(wanted_packages(locks.decode(text, "recipe.lock"), pins), key=lambda item: (item.size, item.path))
    medium = [item for item in every if item.size > 700_000][:large]
    http, store = Http(), Store(folder / "real")
    chosen = [*every[:small], *medium]
    Fetcher(store, http, sources(load_settings(), http)).ensure(chosen, Null())
    return {item.path: store.read(item.sha256, item.size) for item in chosen}


class Stage:
    """A signed archive of real packages, and a project that locks them; each run has a store of its own."""

    def __init__(self, folder: Path, debs: dict[str, bytes]) -> None:
        self.world = World(folder, debs=debs)
        self.mirror = self.world.tree("")
        older = release_text(self.world.date - timedelta(days=3), self.world.indexes)
        self.stale = clear_sign(self.world.key, older)
        self.paths = [path for path in self.mirror if "/InRelease" not in path]

    def tree(self, root: str, source: str, the_plan: Plan) -> dict[str, bytes]:
        """What `source` serves below `root`, but for faults of single files."""
        files = dict(self.mirror)
        if source in the_plan.replaced:
            files |= {path: body[::-1] for path, body in files.items() if path.endswith(".deb")}
        if source in the_plan.other_index:
            files = {path: body for path, body in files.items() if "by-hash" not in path}
            files |= {path: body[:-1] + b"\0" for path, body in files.items() if "Packages" in path}
        if source == "first" and the_plan.stale:
            files["/dists/tiny/InRelease"] = self.stale
        return {root + path: body for path, body in files.items()}

    def root(self, source: str) -> str:
        return f"/archive/debian/{self.world.timestamp}" if source == "snapshot" else "/debian"

    @contextlib.contextmanager
    def servers(self, the_plan: Plan) -> Iterator[dict[str, FaultServer]]:
        """The sources of a plan, running."""
        with contextlib.ExitStack() as stack:
            running: dict[str, FaultServer] = {}
            for name in the_plan.present:
                root = self.root(name)
                files = self.tree(root, name, the_plan)
                other = stack.enter_context(FaultServer(elsewhere(files), {}))
                faults = {root + path: fault for path, fault in the_plan.faults[name].items()}
                running[name] = stack.enter_context(FaultServer(files, faults, other.base))
            yield running

    def environment(self, running: dict[str, FaultServer]) -> dict[str, str]:
        mirrors = [f"{running[name].base}/debian" for name in SOURCES[:2] if name in running]
        snapshot = running["snapshot"].base if "snapshot" in running else "http://127.0.0.1:9"
        return self.world.environment(*mirrors, snapshot=snapshot) | QUICK

    def command(self, store: Path, *args: str) -> list[str]:
        return [sys.executable, "-m", "repro.cli.main", "--store", os.fspath(store), "--progress", "none", *args]

    def fetch(self, store: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        argv = self.command(store, "fetch", "tiny")
        return subprocess.run(
            argv, env=env, cwd=self.world.folder, capture_output=True, text=True, timeout=300, check=False
        )


def run_plan(stage: Stage, seed: int, folder: Path) -> Outcome:
    """Fetch under the plan of `seed`, then again without its faults. Raises Violation."""
    the_plan = plan(seed, stage.paths)
    store = folder / f"store-{seed}"
    with stage.servers(the_plan) as running:
        env = stage.environment(running)
        if the_plan.stale:
            _refresh_moves_nothing(stage, env)
        done = stage.fetch(store, env)
        _demand(done.returncode in (0, 4, 5), seed, f"exit {done.returncode}: {done.stderr[-500:]}")
        _check_store(stage, store, seed)
        _check_verdict(stage, the_plan, done, store)
        for name, server in running.items():
            _check_budget(name, server, seed)
    whole = {path.name for path in blobs(store)}
    parts = {path.name for path in (store / "partial").glob("*") if path.stat().st_size}
    healthy = Plan(seed, ("first",), {name: {} for name in SOURCES}, (), (), False)
    with stage.servers(healthy) as running:
        again = stage.fetch(store, stage.environment(running))
        _demand(again.returncode == 0, seed, f"the second run: exit {again.returncode}: {again.stderr[-500:]}")
        _check_continued(stage, running["first"], whole, parts, seed)
    _check_store(stage, store, seed)
    _demand(needed(stage.world) <= {path.name for path in blobs(store)}, seed, "something is missing at the end")
    shutil.rmtree(store)
    return Outcome(seed, done.returncode, again.returncode)


def run_kill(stage: Stage, seed: int, folder: Path) -> None:
    """Kill a fetch at a random moment; the store is intact, and the next run succeeds. Raises Violation."""
    dice = random.Random(seed)
    store = folder / f"killed-{seed}"
    healthy = Plan(seed, ("first",), {name: {} for name in SOURCES}, (), (), False)
    with stage.servers(healthy) as running:
        env = stage.environment(running)
        process = subprocess.Popen(
            stage.command(store, "fetch", "tiny"),
            env=env,
            cwd=stage.world.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if dice.random() < 0.2:
            time.sleep(dice.uniform(0, 0.6))
        else:  # while files come in
            until, requests = time.monotonic() + 10, dice.randrange(1, len(stage.paths))
            while len(running["first"].requests) < requests and process.poll() is None and time.monotonic() < until:
                time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _check_store(stage, store, seed, incoming=True)
        done = stage.fetch(store, env)
        _demand(done.returncode == 0, seed, f"after the kill: exit {done.returncode}: {done.stderr[-500:]}")
    _check_store(stage, store, seed)
    _demand(needed(stage.world) <= {path.name for path in blobs(store)}, seed, "something is missing at the end")
    shutil.rmtree(store)


def _refresh_moves_nothing(stage: Stage, env: dict[str, str]) -> None:
    """An older InRelease does not move the pin backwards."""
    pins = stage.world.folder / "snapshots/tiny.toml"
    before = pins.read_bytes()
    argv = stage.command(stage.world.folder / "unused", "pin", "refresh", "tiny")
    subprocess.run(argv, env=env, cwd=stage.world.folder, capture_output=True, timeout=300, check=False)
    if pins.read_bytes() != before:
        raise Violation("a stale InRelease moved the pin")


def _check_store(stage: Stage, store: Path, seed: int, *, incoming: bool = False) -> None:
    for path in blobs(store):
        _demand(hashlib.sha256(path.read_bytes()).hexdigest() == path.name, seed, f"a bad blob: {path.name}")
    _demand(incoming or not list(store.glob("incoming/*")), seed, "something is left in incoming/")


def _check_verdict(stage: Stage, the_plan: Plan, done: subprocess.CompletedProcess[str], store: Path) -> None:
    """All is there (0), or what is not there is named with who was asked, and 5 only where somebody lied."""
    seed, there = the_plan.seed, {path.name for path in blobs(store)}
    missing = needed(stage.world) - there
    if done.returncode == 0:
        _demand(not missing, seed, "exit 0, and something is missing")
        return
    _demand(bool(missing), seed, f"exit {done.returncode}, and nothing is missing: {done.stderr[-300:]}")
    clean = [name for name in the_plan.present if the_plan.clean(name)]
    _demand(not clean, seed, f"exit {done.returncode}, although {clean} had everything: {done.stderr[-300:]}")
    labels = {" ".join(named(path)): {f"/{path.replace('+', '%2B')}"} for path in stage.world.bodies}
    labels[_INDEX] = {path for path in stage.paths if "Packages" in path}
    digests = {" ".join(named(path)): sha256(body) for path, body in stage.world.bodies.items()}
    digests[_INDEX] = sha256(stage.world.packages)
    culprits = re.findall(r"(?m)^  (.+?) \(debian ", done.stderr)
    _demand(bool(culprits), seed, f"no culprit is named: {done.stderr[-300:]}")
    for label in culprits:
        _demand(digests.get(label) in missing, seed, f"{label} is named, and it is there")
        lied = any(the_plan.lies(path) for path in labels[label])
        _demand(done.returncode == 4 or lied, seed, f"exit 5 for {label}, and nobody lied about it")
    _demand("127.0.0.1" in done.stderr and "hint: " in done.stderr, seed, "no source is named, or no hint")


def _check_budget(name: str, server: FaultServer, seed: int) -> None:
    for path, count in Counter(path for _, path, _ in server.requests).items():
        _demand(count <= ATTEMPTS * 4 + REDIRECTS, seed, f"{name} was asked {count} times for {path}")
    if name == "snapshot":
        _demand(server.most_at_once <= 1 + REDIRECTS, seed, f"{server.most_at_once} requests at once")
        led = {path for path, fault in server.faults.items() if fault.kind == "loop"}
        times = [when for when, path, _ in server.requests if path not in led]
        if len(times) > 5:  # a machine that is busy takes requests in unevenly
            mean = (times[-1] - times[0]) / (len(times) - 1)
            _demand(mean > PAUSE * 0.6, seed, f"{mean} s between two requests to the snapshot archive")


def _check_continued(stage: Stage, server: FaultServer, whole: set[str], parts: set[str], seed: int) -> None:
    """What was there is not asked for again; of what had begun, only the rest."""
    for path, body in stage.world.tree().items():
        asked, digest = server.asked(path), sha256(body)
        _demand(not (asked and digest in whole), seed, f"{path} is fetched again")
        if digest in parts and asked:
            _demand(asked[0] is not None, seed, f"{path} is fetched from its beginning again")


def _demand(good: bool, seed: int, what: str) -> None:
    if not good:
        raise Violation(f"plan {seed}: {what}")
