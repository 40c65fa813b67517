"""One tiny project, built once a session from an empty store; everything else is held against it.

All of it runs in one worker: its builds would only slow each other down. With $REPRO_TEST_STORE set, the recipes of
the project take what that store has, instead of fetching it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipeline.bench import Bench, Clone, Person, digest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("pipeline"))


@dataclass(frozen=True)
class Built:
    """The tiny recipe, locked and built by ourselves in `clone`, with everything of it in `store`."""

    clone: Clone
    store: Path
    said: str
    out: Path

    def digests(self) -> dict[str, str]:
        names = ("tiny.squashfs", "tiny.iso", "tiny.img", "tiny.tar.zst", "tiny.oci.tar")
        return {name: digest(self.out / name) for name in names}


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.fixture(scope="session")
def ordinary(bench: Bench) -> Person:
    """Somebody without privilege; ourselves, where we are that."""
    return bench.ordinary()


@pytest.fixture(scope="session")
def locked(bench: Bench) -> tuple[Clone, Path]:
    """A clone whose tiny recipe is locked, and the store that came of it."""
    clone, store = bench.clone("clone"), bench.folder / "store"
    done = bench.run("lock", "tiny", clone=clone, store=store)
    if done.returncode == 4:
        pytest.skip(f"host: no source of Debian's packages: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return clone, store


@pytest.fixture(scope="session")
def built(bench: Bench, locked: tuple[Clone, Path]) -> Built:
    clone, store = locked
    done = bench.run("build", "tiny", clone=clone, store=store)
    assert done.returncode == 0, done.stderr
    return Built(clone, store, done.stderr, clone.folder / "out/tiny")


@pytest.fixture(scope="session")
def well_filled_store(bench: Bench, built: Built) -> Path:
    """A store with all that the project's recipes need: from $REPRO_TEST_STORE where there is one, else fetched."""
    given = os.environ.get("REPRO_TEST_STORE")
    store = bench.clone_store(Path(given) if given else built.store, "well-filled", os.getuid())
    clone = bench.clone("well-filled-clone")
    for name in ("minimal", "unstable"):
        clone.project(name)
        done = bench.run("fetch", name, clone=clone, store=store)
        assert done.returncode == 0, done.stderr
    return store
