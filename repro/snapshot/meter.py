"""How fast sources serve."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_ENOUGH = 1 << 20  # bytes without which a rate says little


class Meter:
    """Bytes by source, and the seconds in which at least one request to it was under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._busy: dict[str, float] = {}
        self._bytes: dict[str, int] = {}

    @contextmanager
    def request(self, source: str) -> Iterator[None]:
        """A request to `source` is under way."""
        with self._lock:
            if not self._running.get(source):
                self._since[source] = time.monotonic()
            self._running[source] = self._running.get(source, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._running[source] -= 1
                if not self._running[source]:
                    self._busy[source] = self._busy.get(source, 0.0) + time.monotonic() - self._since[source]

    def got(self, source: str, size: int) -> None:
        """`source` served `size` bytes."""
        with self._lock:
            self._bytes[source] = self._bytes.get(source, 0) + size

    def rates(self) -> Mapping[str, float]:
        """Bytes a second of each source that served enough to tell."""
        with self._lock:
            return {
                name: size / max(self._busy[name], 0.001)
                for name, size in self._bytes.items()
                if size >= _ENOUGH and name in self._busy
            }
