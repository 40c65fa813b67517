"""How much a comparison may cost: a hostile artifact runs into a limit, never into the machine's."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from repro.model.errors import Inconclusive


class LimitReached(Inconclusive):
    """The whole comparison has used up what it may use; what was found so far stands."""

    reason = "limit"


@dataclass(frozen=True)
class Limits:
    """`depth` of containers in containers; `members` of all containers together; bytes that may be `expanded`
    in total and `spooled` for one member; `seconds` for everything (None: no limit); `ranges` shown of one
    divergence; for diffoscope: `leaves`, bytes of one (`leaf`), characters kept of one (`text`) and of all (`texts`),
    `jobs` at a time and bytes of `memory` for each (0: the cores there are, and a share of what is free)."""

    depth: int = 12
    members: int = 4_000_000
    expanded: int = 64 << 30
    spooled: int = 16 << 30
    seconds: float | None = 3600
    ranges: int = 32
    leaves: int = 1000
    leaf: int = 32 << 20
    text: int = 256 << 10
    texts: int = 64 << 20
    jobs: int = 0
    memory: int = 0


class Budget:
    """What is left of `limits`, for all threads; every method raises LimitReached where nothing is."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._bytes, self._members = limits.expanded, limits.members
        self._deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._calls = 0
        self._lock = threading.Lock()

    def spend(self, size: int) -> None:
        """Account for `size` expanded bytes; however few they are, for a page."""
        with self._lock:
            self._bytes -= max(size, 4096)
        if self._bytes < 0:
            raise LimitReached(f"more than {self.limits.expanded} bytes would have to be decompressed")
        self.tick()

    def member(self) -> None:
        """Account for one member."""
        self._members -= 1
        if self._members < 0:
            raise LimitReached(f"more than {self.limits.members} members")
        self.tick()

    def tick(self) -> None:
        """Look at the clock now and then."""
        self._calls += 1
        if not self._calls % 64 and self.remaining() <= 0:
            raise LimitReached(f"more than {self.limits.seconds:.0f} seconds")

    def remaining(self) -> float:
        """Seconds left, infinite where there is no limit."""
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()
