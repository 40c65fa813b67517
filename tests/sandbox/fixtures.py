"""Fixtures for everything that needs a sandbox or the locked packages; a conftest.py imports what it wants."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repro.cli.context import Context, default_store
from repro.cli.inputs import fetcher_for
from repro.model.errors import Unavailable
from repro.model.lock import Lock
from repro.snapshot.fetch import fetch_lock
from repro.snapshot.pins import load_pin_set, verify_pin_set
from repro.store import Store
from repro.system.progress import Null
from tests.sandbox.driver import ROOT
from tests.sandbox.world import TINY, Factory, Sandbox, User, minimal_lock, require, user_with_ids

# One worker does all of a backend, so that its toolchain is unpacked once.
BACKENDS = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("root", "subuid", "fakeroot")]


@pytest.fixture(scope="session")
def lock() -> Lock:
    """The lock of the minimal recipe."""
    return minimal_lock()


@pytest.fixture(scope="session")
def store(lock: Lock) -> Path:
    """A store that has the toolchain of the minimal recipe: $REPRO_TEST_STORE, or the user's own."""
    context = Context(default_store(os.environ.get("REPRO_TEST_STORE")), False, Null(), False)
    pins = load_pin_set(ROOT / "snapshots", "bookworm")
    proofs = {proof.pin.name: proof for proof in verify_pin_set(ROOT / "snapshots", pins)}
    try:
        fetch_lock(replace(lock, image=()), pins, proofs, fetcher_for(context, Store(context.store_path)), Null())
    except Unavailable as error:
        pytest.skip(f"host: the locked packages cannot be had: {error.message}")
    return context.store_path


@pytest.fixture(scope="session")
def user() -> User | None:
    """An ordinary user with subordinate ids, to run what root does not; None where we are one ourselves."""
    return user_with_ids()


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def factory(
    backend: str, store: Path, user: User | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Factory]:
    require(backend, user)
    as_other = user if backend != "root" and os.geteuid() == 0 else None
    factory = Factory(backend, store, as_other, tmp_path_factory.mktemp("logs"))
    yield factory
    factory.close()


@pytest.fixture(scope="session")
def any_factory(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    """For tests to which the backend makes no difference: one that every user has, at the speed of the fastest."""
    factory = Factory("root" if os.geteuid() == 0 else "fakeroot", store, None, tmp_path_factory.mktemp("logs"))
    yield factory
    factory.close()


@pytest.fixture(scope="session")
def sandbox(factory: Factory) -> Sandbox:
    """One sandbox a backend, with the whole locked toolchain, for tests that leave it as it was."""
    return factory()


@pytest.fixture
def light(factory: Factory) -> Iterator[Sandbox]:
    """A sandbox of one's own, with little in it, to be broken."""
    with factory(only=TINY, timeout=20, size=256 << 20) as sandbox:
        yield sandbox
