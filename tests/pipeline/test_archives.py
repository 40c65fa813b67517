"""A lock over three archives, each with its own keys and time: Debian's, Debian security's and one of our own."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from debian.deb822 import Deb822
from markdown_it import MarkdownIt
from pysequoia import Tsk

from repro.model import lock as locks
from repro.model.lock import Lock
from repro.snapshot.pins import load_pin_set
from tests.pipeline.bench import Bench, Clone
from tests.pipeline.conftest import Built
from tests.schemas import check
from tests.snapshot.world import Server, clear_sign, now, release_text

pytestmark = [pytest.mark.build, pytest.mark.network]

RECIPE = """\
schema = "repro/recipe/v1"
summary = "The essential packages, and two of our own"
pins = "three"
architecture = "amd64"
foreign_architectures = ["i386"]
packages = ["usr-is-merged", "greeting", "foreign-greeting:i386"]
outputs = ["squashfs"]
"""


def make_deb(
    folder: Path, name: str, architecture: str, text: str, version: str = "1.5", depends: str = "base-files"
) -> bytes:
    """A package with the one file /usr/share/NAME, by dpkg-deb."""
    root = folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    (root / "usr/share").mkdir(parents=True)
    (root / "usr/share" / name).write_text(text)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nDepends: {depends}\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: a greeting\n"
    )
    deb = folder / f"{root.name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, deb], check=True, capture_output=True)
    return deb.read_bytes()


def packages(debs: dict[str, bytes], architecture: str) -> bytes:
    """The Packages index of `debs` (by path) of one architecture."""
    stanzas = []
    for path, data in sorted(debs.items()):
        if path.endswith(f"_{architecture}.deb"):
            with tempfile.NamedTemporaryFile() as file:
                file.write(data)
                file.flush()
                fields = subprocess.run(["dpkg-deb", "-f", file.name], check=True, capture_output=True).stdout
            rest = f"Filename: {path}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
            stanzas.append(fields.decode() + rest)
    return "\n".join(stanzas).encode()


def archive(key: Tsk, debs: dict[str, bytes], date: datetime) -> dict[str, bytes]:
    """What a mirror of our own archive serves, by URL path."""
    indexes = {f"main/binary-{each}/Packages": packages(debs, each) for each in ("all", "i386")}
    release = clear_sign(key, release_text(date, indexes, codename="stable"))
    suite = {"InRelease": release, **indexes}
    return {f"/own/{path}": data for path, data in debs.items()} | {
        f"/own/dists/stable/{path}": data for path, data in suite.items()
    }


@dataclass(frozen=True)
class Three:
    """A project whose recipe `three` takes packages from three archives, locked; `env` says where ours is."""

    clone: Clone
    store: Path
    env: dict[str, str]
    server: Server
    debs: dict[str, bytes]
    key: Tsk

    @property
    def lock_path(self) -> Path:
        return self.clone.folder / "recipes/three/recipe.lock"

    @property
    def lock(self) -> Lock:
        return locks.decode(self.lock_path.read_text(), "recipe.lock")


@pytest.fixture(scope="module")
def three(bench: Bench, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    folder = tmp_path_factory.mktemp("own")
    debs = {
        "pool/greeting_1.5_all.deb": make_deb(folder, "greeting", "all", "hello\n"),
        "pool/foreign-greeting_1.5_i386.deb": make_deb(folder, "foreign-greeting", "i386", "bonjour\n"),
    }
    key = Tsk.generate("Own <own@example.org>")
    with Server() as server:
        server.files = archive(key, debs, now() - timedelta(seconds=5))
        clone = bench.clone("three")
        store = bench.clone_store(built.store, "three-store")
        keys = clone.write("own.asc", str(key.extract_certificate()))
        env = {"REPRO_MIRROR_OWN": f"{server.base}/own"}
        made = Three(clone, store, env, server, debs, key)
        add = ("pin", "add", "three", "--archive")
        for args in (
            (*add, "debian", "--suite", "bookworm"),
            (*add, "debian-security", "--suite", "bookworm-security"),
            (*add, "own", "--suite", "stable", "--arch", "all", "--arch", "i386", "--keyring", str(keys)),
        ):
            done = bench.run(*args, clone=clone, env=env)
            assert done.returncode == 0, done.stderr
        clone.recipe("three", RECIPE)
        done = bench.run("lock", "three", clone=clone, store=store, env=env)
        assert done.returncode == 0, done.stderr
        yield made


def test_each_package_is_what_its_archive_signed(bench: Bench, three: Three) -> None:
    pins = load_pin_set(three.clone.folder / "snapshots", "three").pins
    assert len({pin.timestamp for pin in pins}) == len({pin.archive for pin in pins}) == 3
    done = bench.run("lock", "three", "--check", "--prove", clone=three.clone, store=three.store, env=three.env)
    assert done.returncode == 0, done.stderr
    assert "three: current" in done.stdout
    assert f"{len(three.lock.packages)} packages are what was signed at the pins" in done.stdout
    for pin in pins:
        assert any(package.pin == pin.name for package in three.lock.image)
        assert f"  {pin.name}  {pin.timestamp}" in done.stdout
    offline = bench.run("--offline", "lock", "three", "--prove", "--json", clone=three.clone, store=three.store)
    assert [row["pin"] for row in check(offline.stdout)["pins"]] == sorted({p.pin for p in three.lock.packages})


def test_it_builds(bench: Bench, three: Three, tmp_path: Path) -> None:
    done = bench.run("build", "three", "-o", str(tmp_path), clone=three.clone, store=three.store, env=three.env)
    assert done.returncode == 0, done.stderr

    def inside(path: str) -> str:
        read = ["unsquashfs", "-cat", str(tmp_path / "three.squashfs"), path]
        return subprocess.run(read, capture_output=True, check=True).stdout.decode()

    assert (inside("usr/share/greeting"), inside("usr/share/foreign-greeting")) == ("hello\n", "bonjour\n")
    status = Deb822.iter_paragraphs(inside("var/lib/dpkg/status").splitlines(), use_apt_pkg=False)
    installed = sorted((each["Package"], each["Version"], each["Architecture"]) for each in status)
    assert installed == sorted((package.name, package.version, package.arch) for package in three.lock.image)


def test_a_package_that_was_replaced_under_its_name(bench: Bench, three: Three, tmp_path: Path) -> None:
    """By the mirror: its bytes are refused. And by whoever wrote the lock: nobody signed them."""
    path = "pool/greeting_1.5_all.deb"
    forged = make_deb(tmp_path, "greeting", "all", "evil\n")
    three.server.files[f"/own/{path}"] = forged
    genuine = hashlib.sha256(three.debs[path]).hexdigest()
    stored = three.store / "blobs/sha256" / genuine[:2] / genuine
    try:
        stored.rename(tmp_path / "aside")
        done = bench.run("fetch", "three", clone=three.clone, store=three.store, env=three.env)
        assert (done.returncode, "greeting 1.5 all" in done.stderr) == (5, True), done.stderr
        assert not stored.exists()
        text = three.lock_path.read_text()
        swapped = text.replace(genuine, hashlib.sha256(forged).hexdigest())
        three.lock_path.write_text(swapped.replace(f"size = {len(three.debs[path])}", f"size = {len(forged)}"))
        proven = bench.run("lock", "three", "--prove", clone=three.clone, store=three.store, env=three.env)
        assert (proven.returncode, "greeting 1.5 all (own/stable" in proven.stderr) == (5, True), proven.stderr
        assert f"of that name there is 1.5 all with {genuine[:16]}" in proven.stderr
    finally:
        three.lock_path.write_text(text)
        (tmp_path / "aside").rename(stored)
        three.server.files[f"/own/{path}"] = three.debs[path]


def test_refresh_shows_what_moved_pins_change(bench: Bench, three: Three, tmp_path: Path) -> None:
    """Our archive moves: a package rises and brings another one with it, one falls. Debian's stay."""
    debs = {
        "pool/greeting_1.10_all.deb": make_deb(tmp_path, "greeting", "all", "hi\n", "1.10", "newcomer"),
        "pool/newcomer_0_all.deb": make_deb(tmp_path, "newcomer", "all", "new\n", "0"),
        "pool/foreign-greeting_1.5~1_i386.deb": make_deb(tmp_path, "foreign-greeting", "i386", "salut\n", "1.5~1"),
    }
    three.server.files |= archive(three.key, debs, now())
    pins = three.clone.folder / "snapshots/three.toml"
    before = (pins.read_bytes(), three.lock_path.read_bytes())
    expected = [
        ("added", "newcomer", "", "0"),
        ("downgraded", "foreign-greeting", "1.5", "1.5~1"),
        ("upgraded", "greeting", "1.5", "1.10"),
    ]

    def refresh(*args: str) -> subprocess.CompletedProcess[str]:
        command = ("pin", "refresh", "three", *args)
        return bench.run(*command, clone=three.clone, store=three.store, env=three.env)

    dry = refresh("--dry-run", "--json", "--markdown", str(tmp_path / "changes.md"))
    assert dry.returncode == 0, dry.stderr
    document = check(dry.stdout)
    assert (pins.read_bytes(), three.lock_path.read_bytes()) == before
    assert [pin["outcome"] for pin in document["pins"]] == ["same", "same", "moved"]
    (recipe,) = document["recipes"]
    assert [(c["kind"], c["name"], c["old"], c["new"]) for c in recipe["changes"]] == expected
    tables = MarkdownIt().enable("table").parse((tmp_path / "changes.md").read_text())
    assert sum(token.type == "table_open" for token in tables) == 2
    cells = [token.content for token in tables if token.type == "inline"]
    for kind, name, old, new in expected:
        at = cells.index(f"`{name}`")
        assert cells[at : at + 4] == [f"`{name}`", kind, f"`{old}`" if old else "", f"`{new}`"]

    done = refresh("--lock")
    assert done.returncode == 0, done.stderr
    assert "three: 1 added, 1 downgraded, 1 upgraded" in done.stdout
    assert "1.5 → 1.10" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert pins.read_bytes() != before[0]
    checked = bench.run("lock", "three", "--check", "--prove", clone=three.clone, store=three.store, env=three.env)
    assert checked.returncode == 0, checked.stdout

    del debs["pool/greeting_1.10_all.deb"]
    three.server.files |= archive(three.key, debs, now() + timedelta(seconds=1))
    here = (pins.read_bytes(), three.lock_path.read_bytes())
    failed = refresh("--lock")
    assert (failed.returncode, "three: apt finds no solution" in failed.stderr) == (2, True), failed.stderr
    assert (pins.read_bytes(), three.lock_path.read_bytes()) == here
