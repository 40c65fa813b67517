"""How much memory a piece of work takes from the machine, as /proc/meminfo tells it."""

from __future__ import annotations

import threading
from types import TracebackType

_INTERVAL = 0.25


def available() -> int:
    """Bytes that can still be had without swapping (MemAvailable; 0 where the kernel does not say)."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


class PeakMemory:
    """While it is open, watches how far available memory falls; `bytes` is the most it fell.

    Memory file systems count, page cache does not; other work on the machine counts too.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._start = available()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL):
            self.bytes = max(self.bytes, self._start - available())

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
