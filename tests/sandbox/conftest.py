from __future__ import annotations

from tests.sandbox.fixtures import any_factory, backend, factory, light, lock, sandbox, store, user

__all__ = ["any_factory", "backend", "factory", "light", "lock", "sandbox", "store", "user"]
