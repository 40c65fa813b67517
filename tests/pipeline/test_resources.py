"""What the machine refuses: full disks, folders that are not ours, too little scratch; hooks that do not behave."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro.model import lock as locks
from tests.pipeline.bench import TINY, Bench, Person, leavings, record
from tests.pipeline.conftest import Built

pytestmark = [pytest.mark.build, pytest.mark.network]


@pytest.fixture(autouse=True)
def nothing_left(bench: Bench, built: Built) -> Iterator[None]:
    """Whatever fails, good results and the store stay as they are, and nothing temporary remains."""
    yield
    assert leavings(bench, built.clone.folder, built.store) == []
    assert list((built.store / "incoming").iterdir()) == []
    assert record(built.out)["claim"]["artifacts"][0]["sha256"] == built.digests()["tiny.squashfs"]


def refused(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    for text in (*said, "hint:"):
        assert text in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def on_tmpfs(folder: Path, size: str, before: str = "true") -> tuple[str, ...]:
    """What to put before a command that shall find a file system of `size` at `folder`, seen by nobody else."""
    if os.getuid():
        pytest.skip("host: only root can mount")
    script = f'mount -t tmpfs -o size={size} tmpfs "$0"; {before}; exec "$@"'
    return ("unshare", "--mount", "sh", "-ec", script, str(folder))


@pytest.mark.parametrize("size", ["4k", "1m", "60m"])
def test_an_output_folder_that_gets_full(bench: Bench, built: Built, tmp_path: Path, size: str) -> None:
    """From the cache, so that it is about writing alone: nothing fits, a log fits, one of two artifacts fits."""
    out = tmp_path / "out"
    out.mkdir()
    args = ("--offline", "build", "tiny", "-o", str(out))
    refused(bench.run(*args, clone=built.clone, store=built.store, prefix=on_tmpfs(out, size)), 4, str(out))


def test_an_output_folder_that_gets_full_while_building(bench: Bench, built: Built, tmp_path: Path) -> None:
    """It is the log that finds no room first; what the programs say must not stop them, nor the build go on."""
    out = tmp_path / "out"
    out.mkdir()
    args = ("--offline", "build", "tiny", "--no-cache", "-o", str(out))
    full = on_tmpfs(out, "64k", f'head -c 60k /dev/zero > "{out}/ballast"')
    refused(bench.run(*args, clone=built.clone, store=built.store, prefix=full), 4, str(out))


def test_a_store_that_gets_full_while_fetching(bench: Bench, built: Built, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    done = bench.run("build", "tiny", clone=built.clone, store=store, prefix=on_tmpfs(store, "3m"))
    refused(done, 4, "no room left in the store", str(store))


def test_a_store_that_gets_full_while_building(bench: Bench, built: Built, tmp_path: Path) -> None:
    """All packages are there; the first stage's result does not fit."""
    lower, upper, store = bench.clone_store(built.store, "lower"), tmp_path / "upper", tmp_path / "store"
    for folder in (upper, store):
        folder.mkdir()
    full = on_tmpfs(
        upper,
        "20m",
        f'mkdir "{upper}/u" "{upper}/w"; '
        f'mount -t overlay -o "lowerdir={lower},upperdir={upper}/u,workdir={upper}/w" overlay "{store}"',
    )
    done = bench.run(
        "--offline", "build", "tiny", "-o", str(tmp_path / "out"), clone=built.clone, store=store, prefix=full
    )
    if "wrong fs type" in done.stderr or "unknown filesystem" in done.stderr:
        pytest.skip("host: no overlay file system")
    refused(done, 4, "no room left in the store")


def test_a_store_of_somebody_else(bench: Bench, built: Built, ordinary: Person) -> None:
    """It can be read; the first stage's result cannot be kept. Fetching into it is refused at once."""
    if os.getuid():
        pytest.skip("host: only root can be somebody else")
    empty = bench.new_folder("not-theirs")
    done = bench.run("fetch", "tiny", clone=built.clone, store=empty, person=ordinary)
    refused(done, 2, "the store cannot be written", "--store")


def test_an_output_folder_of_somebody_else(bench: Bench, built: Built, ordinary: Person) -> None:
    if os.getuid():
        pytest.skip("host: only root can be somebody else")
    for args in ((), ("-o", "/proc/nothing")):
        done = bench.run("--offline", "build", "tiny", *args, clone=built.clone, store=built.store, person=ordinary)
        refused(done, 2, "cannot write", "-o")


def test_hooks_that_fail_or_never_end(bench: Bench, built: Built) -> None:
    clone, seconds = built.clone, record(built.out)["run"]["seconds"]
    recipes = {
        "failing": (TINY, "echo 'out of cheese' >&2; exit 7", "exited with 7"),
        "endless": (f"{TINY}timeout = {max(20, int(seconds))}\n", "sleep 1000000 & wait", "ran longer than"),
    }
    for name, (text, hook, how) in recipes.items():
        clone.recipe(name, text)
        clone.lock_like("tiny", name)
        clone.write(f"recipes/{name}/hooks/50-{name}", f"#!/bin/sh\n{hook}\n", 0o755)
        done = bench.run("--offline", "build", name, clone=clone, store=built.store)
        refused(done, 3, f"hook 50-{name} {how}", "out of cheese" if name == "failing" else "")


def test_scratch_too_small(bench: Bench, built: Built) -> None:
    built.clone.recipe("cramped", f"{TINY}scratch = {150 << 20}\n")
    built.clone.lock_like("tiny", "cramped")
    done = bench.run("--offline", "build", "cramped", clone=built.clone, store=built.store)
    refused(done, 3, "scratch")


def test_a_damaged_package_is_fetched_anew_before_anything_starts(bench: Bench, built: Built) -> None:
    store = bench.clone_store(built.store, "damaged", stages=True)
    package = locks.decode((built.clone.folder / "recipes/tiny/recipe.lock").read_text(), "recipe.lock").toolchain[0]
    blob = store / "blobs/sha256" / package.sha256[:2] / package.sha256
    good = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    done = bench.run("build", "tiny", "-o", str(bench.folder / "repaired"), clone=built.clone, store=store)
    assert done.returncode == 0, done.stderr
    assert f"{package.name} {package.version} {package.arch}: damaged" in done.stderr
    assert "quarantine" in done.stderr
    assert blob.read_bytes() == good
