"""A lock follows from recipe, pins and tools alone; and what is stale is said in one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro import pipeline
from repro.cli.context import Context
from repro.cli.inputs import fetcher_for
from repro.cli.lock import command
from repro.lock.apt import Repository, host_room
from repro.lock.changes import changes
from repro.lock.resolve import inputs_digest, resolve, stale
from repro.model import lock as locks
from repro.model.lock import Lock
from repro.model.pin import PinSet
from repro.model.project import Project
from repro.model.recipe import Recipe
from repro.pipeline import Loaded, Workplace
from repro.sandbox import toolchain
from repro.snapshot.pins import load_pin_set
from repro.store import Store
from repro.system import run as running
from repro.system.progress import Null

ROOT = Path(__file__).resolve().parents[2]
TOOLS = toolchain.PACKAGES


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return pipeline.load(Project(ROOT), "minimal")


@pytest.fixture(scope="module")
def recipe(loaded: Loaded) -> Recipe:
    return loaded.recipe


@pytest.fixture(scope="module")
def pins() -> PinSet:
    return load_pin_set(ROOT / "snapshots", "bookworm")


# --- against the real index ---


@pytest.mark.build
def test_the_hosts_apt_resolves_the_committed_lock(loaded: Loaded, lock: Lock, index: bytes) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("host: no apt")
    (one,) = lock.indexes
    with host_room() as room:
        again = resolve(loaded.recipe, loaded.pins, TOOLS, {one: Repository(index)}, lock.source_date_epoch, room)
    assert locks.encode(again) == loaded.lock_path.read_text()


@pytest.mark.build
@pytest.mark.xdist_group("root")
def test_the_toolchains_apt_resolves_the_same_on_a_host_without_apt(
    loaded: Loaded, lock: Lock, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("newuidmap", "newgidmap"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    monkeypatch.setattr(running, "BASE_ENVIRONMENT", {**running.BASE_ENVIRONMENT, "PATH": str(tmp_path)})
    monkeypatch.setenv("PATH", str(tmp_path))
    place = Workplace(Store(store), fetcher_for(Context(store, True, Null(), False), Store(store)), Null())
    assert pipeline.make_lock(loaded, place, "auto") == lock


# --- staleness ---


def edited(recipe: Recipe, **changed: object) -> Recipe:
    return replace(recipe, **changed)  # type: ignore[arg-type]


def moved(pins: PinSet, **changed: object) -> PinSet:
    return replace(pins, pins=tuple(replace(pin, **changed) for pin in pins.pins))  # type: ignore[arg-type]


def test_the_committed_locks_are_current() -> None:
    for path in sorted(ROOT.glob("recipes/*/recipe.lock")):
        loaded = pipeline.load(Project(ROOT), path.parent.name)
        assert stale(pipeline.read_lock(loaded), loaded.recipe, loaded.pins, TOOLS) == ""


def test_what_makes_a_lock_stale(lock: Lock, recipe: Recipe, pins: PinSet) -> None:
    def why(lock: Lock = lock, recipe: Recipe = recipe, pins: PinSet = pins, tools: tuple[str, ...] = TOOLS) -> str:
        return stale(lock, recipe, pins, tools)

    assert why() == ""
    assert "package zsh is in the recipe" in why(recipe=edited(recipe, packages=(*recipe.packages, "zsh")))
    assert "changed since" in why(recipe=edited(recipe, packages=recipe.packages[1:]))
    assert "changed since" in why(recipe=edited(recipe, architecture="arm64"))
    assert "changed since" in why(pins=moved(pins, timestamp="20270101T000000Z"))
    assert "changed since" in why(pins=moved(pins, sha256="0" * 64))
    assert "changed since" in why(pins=moved(pins, components=("main", "contrib")))
    assert "not in pin set" in why(pins=moved(pins, suite="trixie"))
    assert "changed since" in why(tools=(*TOOLS, "gdisk"))
    assert "changed since" in why(tools=TOOLS[1:])
    assert "of recipe other" in why(replace(lock, recipe="other"))
    assert "\n" not in why(replace(lock, inputs="0" * 64))
    # in another order, or other things of the recipe: that is no change of what is installed
    assert why(recipe=edited(recipe, packages=recipe.packages[::-1]), tools=TOOLS[::-1]) == ""
    assert why(recipe=edited(recipe, summary="x", cmdline="y", compression="xz", outputs=("squashfs",))) == ""


def test_the_digest_of_the_inputs_is_one_of_values_not_of_order(recipe: Recipe, pins: PinSet) -> None:
    digests = {
        inputs_digest(recipe, pins, TOOLS),
        inputs_digest(edited(recipe, packages=("a", "b")), pins, TOOLS),
        inputs_digest(edited(recipe, packages=("ab",)), pins, TOOLS),
        inputs_digest(edited(recipe, packages=("a",)), pins, ("b",)),
        inputs_digest(edited(recipe, packages=("a",)), pins, ("b", "c")),
        inputs_digest(recipe, moved(pins, archive="other"), TOOLS),
        inputs_digest(recipe, replace(pins, pins=()), TOOLS),
    }
    assert len(digests) == 7
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)


def test_changes_in_words(lock: Lock) -> None:
    assert changes(lock, lock) == []
    first, second, third, fourth, *rest = lock.image
    other = replace(
        lock,
        image=(
            replace(first, version="999", sha256="1" * 64),
            replace(third, version="0~", sha256="2" * 64),
            replace(fourth, sha256="3" * 64),
            *rest,
        ),
        toolchain=(*lock.toolchain, replace(second, name="zz")),
    )
    assert [str(change) for change in changes(lock, other)] == [
        f"image: - {second.name} {second.version}",
        f"image: {first.name} {first.version} → 999",
        f"image: {third.name} {third.version} → 0~ (downgraded)",
        f"image: {fourth.name} {fourth.version} → {fourth.version} (other bytes)",
        f"toolchain: + zz {second.version}",
    ]
    assert len(changes(None, lock)) == len(lock.image) + len(lock.toolchain)


def test_a_package_in_two_architectures_changes_in_one(lock: Lock) -> None:
    first, *_ = lock.image
    both = (replace(first, arch="amd64"), replace(first, arch="i386", sha256="1" * 64))
    newer = (both[0], replace(both[1], version="999", sha256="2" * 64))
    found = changes(replace(lock, image=both), replace(lock, image=newer))
    assert [str(change) for change in found] == [f"image: {first.name}:i386 {first.version} → 999"]
    added = changes(replace(lock, image=both[:1]), replace(lock, image=both))
    assert [str(change) for change in added] == [f"image: + {first.name}:i386 {first.version}"]


# --- through the command ---


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("recipes/minimal", "snapshots"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def check(project: Path, store: Path, *more: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "repro.cli.main", "--store", str(store), "--offline", "--progress", "none", "lock"]
    return subprocess.run(
        [*argv, "minimal", *(more or ("--check",))],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(project)},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


STALE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a package more": (
        lambda at: rewrite(at / "recipes/minimal/recipe.toml", '  "zstd",', '  "zstd",\n  "zsh",'),
        r"stale: .*package zsh is in the recipe and not in the lock",
    ),
    "a package less": (
        lambda at: rewrite(at / "recipes/minimal/recipe.toml", '  "sudo",\n', ""),
        r"stale: .*packages, pins or tools changed",
    ),
    "a pin that moved": (
        lambda at: rewrite(at / "snapshots/bookworm.toml", 'timestamp = "2026', 'timestamp = "2027'),
        r"stale: .*packages, pins or tools changed",
    ),
    "no lock": (lambda at: (at / "recipes/minimal/recipe.lock").unlink(), r"stale: there is no recipe.lock"),
    "a lock of another recipe": (
        lambda at: rewrite(at / "recipes/minimal/recipe.lock", 'recipe = "minimal"', 'recipe = "other"'),
        r"stale: .*the lock is of recipe other",
    ),
}


@pytest.mark.parametrize("what", list(STALE))
def test_check_says_in_one_line_what_is_stale(project: Path, tmp_path: Path, what: str) -> None:
    """And needs neither packages nor a network for it."""
    change, words = STALE[what]
    change(project)
    before = (project / "recipes/minimal/recipe.lock").read_bytes() if what != "no lock" else b""
    done = check(project, tmp_path / "store")
    assert done.returncode == 1, done.stderr
    assert re.search(words, done.stdout)
    assert done.stdout.count("\n") == 1
    if before:
        assert (project / "recipes/minimal/recipe.lock").read_bytes() == before


def test_check_against_what_apt_resolves_now(
    loaded: Loaded, lock: Lock, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resolving itself is tested above; here is what is made of it."""
    runner = CliRunner()
    monkeypatch.chdir(ROOT)
    before = loaded.lock_path.read_bytes()
    counts = f"{len(lock.image)} packages in the image, {len(lock.toolchain)} in the toolchain"
    first = lock.image[0]
    newer = replace(first, version="999")
    for now, code, words in (
        (lock, 0, f"minimal: current: {counts}\n"),
        (
            replace(lock, image=lock.image[1:]),
            1,
            f"minimal: stale: image: - {first.name} {first.version}\n",
        ),
        (
            replace(lock, image=(newer, *lock.image[1:]), toolchain=lock.toolchain[2:]),
            1,
            f"minimal: stale: image: {first.name} {first.version} → 999 and 2 more\n",
        ),
    ):
        monkeypatch.setattr(pipeline, "make_lock", lambda *_, now=now: now)
        context = Context(store, True, Null(), False)
        done = runner.invoke(command, ["minimal", "--check"], obj=context, standalone_mode=False)
        assert (done.return_value, done.stdout) == (code, words)
    assert loaded.lock_path.read_bytes() == before


@pytest.mark.build
@pytest.mark.xdist_group("root")
def test_a_package_that_does_not_exist(project: Path, store: Path) -> None:
    rewrite(project / "recipes/minimal/recipe.toml", '  "zstd",', '  "zstd",\n  "xyzzy-no-such",')
    done = check(project, store, "--backend", "auto")
    assert done.returncode == 2, done.stderr
    assert "Unable to locate package xyzzy-no-such" in done.stderr
    assert done.stdout == ""
