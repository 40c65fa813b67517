from __future__ import annotations

from pathlib import Path

import pytest

from repro.model.lock import Lock
from repro.store import Store
from tests.sandbox.fixtures import lock, store

__all__ = ["lock", "store"]


@pytest.fixture(scope="session")
def index(store: Path, lock: Lock) -> bytes:
    """The real Packages index that the lock of the minimal recipe was resolved from."""
    (one,) = lock.indexes
    return Store(store).read(one.sha256, one.size)
