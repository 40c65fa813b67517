"""A lock over three archives, each with its own keys and time: Debian's, Debian security's and one of our own."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from debian.deb822 import Deb822
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


def make_deb(folder: Path, name: str, architecture: str, text: str) -> bytes:
    """A package with the one file /usr/share/NAME, by dpkg-deb."""
    root = folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    (root / "usr/share").mkdir(parents=True)
    (root / "usr/share" / name).write_text(text)
    (root / "DEBIAN").mkdir()
    fields = {
        "Package": name,
        "Version": "1.5",
        "Architecture": architecture,
        "Maintainer": "Nobody <nobody@example.org>",
    }
    control = "".join(f"{key}: {value}\n" for key, value in {**fields, "Description": "a greeting"}.items())
    (root / "DEBIAN/control").write_text(control)
    deb = folder / f"{root.name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, deb], check=True, capture_output=True)
    return deb.read_bytes()


def packages(debs: dict[str, bytes], architecture: str) -> bytes:
    """The Packages index of `debs` (by path) of one architecture."""
    stanzas = []
    for path, data in sorted(debs.items()):
        name, version, rest = Path(path).name.split("_")
        if rest == f"{architecture}.deb":
            stanzas.append(
                f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: N <n@example.org>\n"
                f"Filename: {path}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
                "Description: a greeting\n"
            )
    return "\n".join(stanzas).encode()


@dataclass(frozen=True)
class Three:
    """A project whose recipe `three` takes packages from three archives, locked; `env` says where ours is."""

    clone: Clone
    store: Path
    env: dict[str, str]
    server: Server
    debs: dict[str, bytes]

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
    indexes = {f"main/binary-{each}/Packages": packages(debs, each) for each in ("all", "i386")}
    key = Tsk.generate("Own <own@example.org>")
    release = clear_sign(key, release_text(now() - timedelta(seconds=5), indexes, codename="stable"))
    with Server() as server:
        server.files = {f"/own/{path}": data for path, data in debs.items()}
        server.files |= {f"/own/dists/stable/{path}": data for path, data in indexes.items()}
        server.files["/own/dists/stable/InRelease"] = release
        clone = bench.clone("three")
        store = bench.clone_store(built.store, "three-store")
        keys = clone.write("own.asc", str(key.extract_certificate()))
        env = {"REPRO_MIRROR_OWN": f"{server.base}/own"}
        made = Three(clone, store, env, server, debs)
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
