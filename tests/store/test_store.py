"""The store: what goes in is what comes out, or somebody hears of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from repro.model.errors import IntegrityFailure, InvalidInput, Unavailable
from repro.store import Blob, StageCache, Store

ROOT = Path(__file__).resolve().parents[2]
DATA = b"some bytes\n" * 1000
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def damage(store: Store, sha256: str, data: bytes = b"rot") -> None:
    path = store.path(sha256)
    path.chmod(0o644)
    path.write_bytes(data)


def repro(store: Store, *args: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "repro.cli.main", "--store", str(store.root), "--progress", "plain", *args]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(store.root)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def test_in_and_out(store: Store, tmp_path: Path) -> None:
    assert not store.has(NAME)
    assert not store.root.exists()  # asking makes nothing
    assert store.add_bytes(DATA) == Blob(NAME, len(DATA))
    (tmp_path / "file").write_bytes(DATA)
    assert store.add_file(tmp_path / "file") == Blob(NAME, len(DATA))
    assert store.has(NAME, len(DATA))
    assert not store.has(NAME, 1)
    with store.open_verified(NAME, len(DATA)) as stream:
        assert stream.read() == DATA
    assert store.read(NAME) == DATA
    assert store.path(NAME) == store.root / "blobs/sha256" / NAME[:2] / NAME
    assert store.path(NAME).stat().st_mode & 0o777 == 0o444
    assert list(store.blobs()) == [Blob(NAME, len(DATA))]
    with pytest.raises(Unavailable, match="not in the store"):
        store.open_verified("0" * 64)
    with pytest.raises(InvalidInput):
        store.path("../../etc/passwd")


@pytest.mark.parametrize(("sha256", "size"), [("0" * 64, None), (NAME, 5), (NAME, len(DATA) + 1), ("0" * 64, 11000)])
def test_what_is_not_as_promised_is_not_kept(store: Store, sha256: str, size: int | None) -> None:
    with pytest.raises(IntegrityFailure):
        store.add_stream(io.BytesIO(DATA), sha256=sha256, size=size)
    assert not list(store.blobs())
    assert not list((store.root / "incoming").iterdir())


def test_a_stream_that_never_ends_is_cut(store: Store) -> None:
    with open("/dev/zero", "rb") as endless, pytest.raises(IntegrityFailure, match="more bytes"):
        store.add_stream(endless, size=100_000)


def test_rot_is_found_at_use_moved_aside_and_healed(store: Store) -> None:
    store.add_bytes(DATA)
    damage(store, NAME)
    with pytest.raises(IntegrityFailure, match="quarantine"):
        store.open_verified(NAME)
    assert not store.has(NAME)
    assert [path.read_bytes() for path in (store.root / "quarantine").iterdir()] == [b"rot"]
    store.add_bytes(DATA)
    assert store.read(NAME) == DATA


def test_a_wrong_size_that_is_asked_for_harms_no_good_blob(store: Store) -> None:
    store.add_bytes(DATA)
    with pytest.raises(IntegrityFailure, match="expected 3 bytes"):
        store.open_verified(NAME, 3)
    assert store.read(NAME) == DATA


def test_partial_resumes_and_commits_only_what_is_right(store: Store) -> None:
    with store.partial(NAME) as partial:
        partial.append(DATA[:100])
    with Store(store.root).partial(NAME) as partial:
        assert partial.size == 100
        assert partial.commit() != NAME
        assert not store.has(NAME)
        partial.append(DATA[100:])
        assert partial.commit() == NAME
    assert store.read(NAME) == DATA
    with store.partial(NAME) as partial:
        assert partial.size == 0
    assert not list((store.root / "partial").iterdir())


def test_threads_wait_for_each_other(store: Store) -> None:
    downloads: list[int] = []
    start = threading.Barrier(8)

    def fetch(_: int) -> None:
        start.wait()
        with store.partial(NAME) as partial:
            if not store.has(NAME):
                downloads.append(1)
                partial.append(DATA)
                partial.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, range(8)))
    assert downloads == [1]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda n: store.add_bytes(DATA).sha256, range(50))) == {NAME}


def test_left_over_files_of_the_dead_go_and_of_the_living_stay(store: Store) -> None:
    store.add_bytes(b"x")
    (store.root / "incoming" / "dead").write_bytes(b"half")
    with store._incoming() as (_, living):
        Store(store.root).add_bytes(b"y")
        assert living.exists()
    assert not list((store.root / "incoming").iterdir())


def test_stages_hit_miss_and_rot(store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    cache = StageCache(store, said.append)
    stage = "ab" * 32
    assert cache.get(stage) is None
    (tmp_path / "root.tar").write_bytes(DATA)
    kept = cache.put(stage, {"root.tar": tmp_path / "root.tar", "log": b"said", "old": store.add_bytes(b"z")})
    assert cache.get(stage) == kept
    assert kept["root.tar"] == Blob(NAME, len(DATA))
    manifest = json.loads((store.root / "stages" / f"{stage}.json").read_bytes())
    assert manifest["outputs"]["root.tar"] == {"sha256": NAME, "size": len(DATA)}
    assert not said

    damage(store, NAME)
    assert cache.get(stage) is None
    assert "done again" in said[-1]
    assert NAME in said[-1]
    assert cache.get(stage) is None  # the blob is gone now
    assert len(said) == 2
    cache.put(stage, {"root.tar": tmp_path / "root.tar"})
    assert cache.get(stage) == {"root.tar": Blob(NAME, len(DATA))}

    path = store.root / "stages" / f"{stage}.json"
    path.chmod(0o644)
    path.write_bytes(b"{")
    assert cache.get(stage) is None
    assert "manifest" in said[-1]


def test_stages_refuse_bad_names_and_absent_blobs(store: Store) -> None:
    cache = StageCache(store, print)
    with pytest.raises(InvalidInput):
        cache.get("../x")
    with pytest.raises(InvalidInput):
        cache.put("ab" * 32, {"../x": b""})
    with pytest.raises(IntegrityFailure):
        cache.put("ab" * 32, {"x": Blob("0" * 64, 1)})


def test_store_list_and_verify(store: Store) -> None:
    blobs = [store.add_bytes(bytes([number]) * 1000) for number in range(5)]
    listed = json.loads(repro(store, "store", "list", "--json").stdout)
    assert [row["sha256"] for row in listed["blobs"]] == sorted(blob.sha256 for blob in blobs)
    assert repro(store, "store", "verify").returncode == 0
    damage(store, blobs[2].sha256)
    done = repro(store, "store", "verify", "--json")
    assert done.returncode == 5
    assert [row["sha256"] for row in json.loads(done.stdout)["damaged"]] == [blobs[2].sha256]
    assert blobs[2].sha256 in done.stderr
    assert repro(store, "store", "verify").returncode == 0  # it is in quarantine now


def test_an_empty_store_is_no_error(store: Store) -> None:
    assert repro(store, "store", "list").stdout == ""
    assert repro(store, "store", "verify").returncode == 0
