from __future__ import annotations

from tests.sandbox.fixtures import backend, factory, light, lock, sandbox, store, user

__all__ = ["backend", "factory", "light", "lock", "sandbox", "store", "user"]
