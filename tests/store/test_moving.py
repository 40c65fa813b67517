"""A lock's closure as one file: the same bytes from every store, and nothing of a wrong one is believed."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.model.errors import IntegrityFailure
from repro.model.text import canonical_json
from repro.store import Store
from repro.store.bundle import bring_in, export
from repro.system.progress import Null
from tests.schemas import check
from tests.snapshot.world import Server, World, needed, sha256


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, bytes]]:
    world = World(tmp_path_factory.mktemp("world"))
    with Server(world.tree()) as server:
        env = world.environment(f"{server.base}/debian")
        assert world.run("fetch", "tiny", env=env).returncode == 0
        done = world.run("store", "export", "tiny", "-o", "tiny.tar", env=env)
    assert done.returncode == 0, done.stderr
    data = (world.folder / "tiny.tar").read_bytes()
    assert done.stdout == f"{sha256(data)}  tiny.tar\n"
    yield world, data


def elsewhere(world: World, folder: Path) -> World:
    """The same project with another store."""
    other = object.__new__(World)
    other.__dict__.update(world.__dict__)
    other.store = folder / "store"
    return other


def test_what_was_exported_builds_without_a_network(exported: tuple[World, bytes], tmp_path: Path) -> None:
    world, data = exported
    there = elsewhere(world, tmp_path)
    env = world.environment()
    assert there.run("--offline", "fetch", "tiny", env=env).returncode == 4
    done = there.run("--offline", "store", "import", "tiny.tar", env=env)
    assert (done.returncode, done.stdout) == (0, f"{sha256(data)}  tiny.tar\n"), done.stderr
    assert there.stored() == needed(world)
    assert there.run("--offline", "fetch", "tiny", env=env).returncode == 0
    again = there.run("store", "import", "tiny.tar", env=env)
    assert "0 new files of 4" in again.stderr
    back = there.run("--offline", "store", "export", "tiny", "-o", str(tmp_path / "back.tar"), env=env)
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "back.tar").read_bytes() == data


def test_any_tar_reads_it_and_the_manifest_says_what_it_is(exported: tuple[World, bytes]) -> None:
    world, _ = exported
    with tarfile.open(world.folder / "tiny.tar") as tar:
        names = tar.getnames()
        manifest = tar.extractfile("manifest.json")
        assert manifest
        document = check(manifest.read())
        hashes = [row["sha256"] for row in document["blobs"]]
        assert names == ["manifest.json", *(f"blobs/{name}" for name in hashes)]
        for name in hashes:
            member = tar.extractfile(f"blobs/{name}")
            assert member
            assert sha256(member.read()) == name
    assert [row["recipe"] for row in document["recipes"]] == ["tiny"]


def test_through_a_pipe(exported: tuple[World, bytes], tmp_path: Path) -> None:
    world, data = exported
    there = elsewhere(world, tmp_path)
    env = world.environment()
    export = subprocess.run(
        world.command("store", "export", "tiny", "-o", "-"), env=env, cwd=world.folder, capture_output=True, check=True
    )
    assert export.stdout == data
    subprocess.run(there.command("store", "import", "-"), env=env, cwd=world.folder, input=data, check=True)
    assert there.stored() == needed(world)


def test_export_of_what_is_not_there_or_not_whole(exported: tuple[World, bytes], tmp_path: Path) -> None:
    world, _ = exported
    there = elsewhere(world, tmp_path)
    env = world.environment()
    target = tmp_path / "out.tar"
    done = there.run("store", "export", "tiny", "-o", str(target), env=env)
    assert (done.returncode, "pkg0 1.0+b0 amd64" in done.stderr, "repro fetch tiny" in done.stderr) == (4, True, True)
    assert there.run("store", "import", "tiny.tar", env=env).returncode == 0
    blob = there.store / "blobs/sha256" / sha256(world.packages)[:2] / sha256(world.packages)
    blob.chmod(0o644)
    blob.write_bytes(b"x" * len(world.packages))
    target.write_bytes(b"an earlier one")
    assert there.run("store", "export", "tiny", "-o", str(target), env=env).returncode == 5
    assert target.read_bytes() == b"an earlier one"
    assert sorted(tmp_path.iterdir()) == [target, there.store]


def manifest_of(data: bytes) -> dict[str, object]:
    size = int(data[124:135], 8)
    loaded: dict[str, object] = json.loads(data[512 : 512 + size])
    return loaded


def with_manifest(data: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """`data` with another manifest, framed as it should be."""
    size = int(data[124:135], 8)
    manifest = manifest_of(data)
    change(manifest)
    new = canonical_json(manifest)
    info = tarfile.TarInfo("manifest.json")
    info.size = len(new)
    rest = data[512 + size + -size % 512 :]
    return info.tobuf(tarfile.USTAR_FORMAT) + new + bytes(-len(new) % 512) + rest


def first_blob(data: bytes) -> int:
    size = int(data[124:135], 8)
    return 512 + size + -size % 512


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def rows(manifest: dict[str, object]) -> list[dict[str, object]]:
    found = manifest["blobs"]
    assert isinstance(found, list)
    return found


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "not a tar": lambda data: b"<html>" * 1000,
    "cut in the manifest": lambda data: data[:600],
    "cut in a blob": lambda data: data[: first_blob(data) + 600],
    "cut before the end": lambda data: data[:-1024],
    "more behind the end": lambda data: data + b"x",
    "another name": lambda data: patched(data, first_blob(data), b"../../../etc/cron.d/x\0"),
    "a link": lambda data: patched(data, first_blob(data) + 156, b"2"),
    "another mode": lambda data: patched(data, first_blob(data) + 100, b"0004755"),
    "other bytes": lambda data: patched(data, first_blob(data) + 512, b"evil"),
    "something between blobs": lambda data: patched(data, first_blob(data) - 1, b"x"),
    "a gigantic manifest": lambda data: patched(data, 124, b"77777777777"),
    "a negative size": lambda data: with_manifest(data, lambda m: rows(m)[0].update(size=-1)),
    "a size that is none": lambda data: with_manifest(data, lambda m: rows(m)[0].update(size=True)),
    "a huge size": lambda data: with_manifest(data, lambda m: rows(m)[0].update(size=1 << 40)),
    "a size that lies": lambda data: with_manifest(data, lambda m: rows(m)[0].update(size=5)),
    "a hash that is a path": lambda data: with_manifest(data, lambda m: rows(m)[0].update(sha256="../" * 21 + "x")),
    "a blob twice": lambda data: with_manifest(data, lambda m: rows(m).insert(0, rows(m)[0])),
    "a blob less": lambda data: with_manifest(data, lambda m: rows(m).pop()),
    "another order": lambda data: with_manifest(data, lambda m: rows(m).reverse()),
    "another schema": lambda data: with_manifest(data, lambda m: m.update(schema="repro/export/v9")),
    "no blobs": lambda data: with_manifest(data, lambda m: m.pop("blobs")),
    "deep nesting": lambda data: patched(data, 512, b'{"blobs":' + b"[" * 900),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_not_what_export_writes(what: str, exported: tuple[World, bytes], tmp_path: Path) -> None:
    world, data = exported
    there = elsewhere(world, tmp_path)
    hostile = HOSTILE[what](data)
    assert hostile != data
    (tmp_path / "hostile.tar").write_bytes(hostile)
    done = there.run("store", "import", str(tmp_path / "hostile.tar"), env=world.environment())
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert there.stored() <= needed(world)
    assert not list(there.store.glob("incoming/*"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], io.BytesIO]:
    """The export of three small blobs."""
    store, out = Store(tmp_path_factory.mktemp("small")), io.BytesIO()
    labels = {store.add_bytes(bytes([number]) * size): f"blob {number}" for number, size in enumerate((0, 512, 700))}
    export(store, {"recipes": []}, labels, out, Null())
    return {blob.sha256 for blob in labels}, out


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 1 << 20), other=st.integers(1, 255))
def test_no_byte_of_it_can_change_unseen(small: tuple[set[str], io.BytesIO], place: int, other: int) -> None:
    hashes, data = small[0], small[1].getvalue()
    at = place % len(data)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder, "store"))
        try:
            moved = bring_in(store, io.BytesIO(patched(data, at, bytes([data[at] ^ other]))), Null())
        except IntegrityFailure:
            pass
        else:  # only a label for people may differ, and the digest of the file then does
            assert moved.sha256 != sha256(data)
            assert {row["sha256"] for row in moved.manifest["blobs"]} == hashes
        assert {blob.sha256 for blob in store.blobs()} <= hashes
