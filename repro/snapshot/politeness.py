"""How hosts are asked: how often, how patiently, and when no more.

The defaults towards a snapshot archive are what snapshot.debian.org is known to bear: one connection, one request every
1.5 s. The breaker follows M. Nygard, Release It! (2007): closed, open, half-open.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from repro.system.http import HttpProblem

PASSING = (0, 408, 416, 425, 429, 500, 502, 503, 504, 509)  # statuses worth another try; 0 is a broken connection
_SILENT_ATTEMPTS = 3  # requests in a row to one address without an answer
_HARD_LIMIT = 4  # times `attempts`: requests to one address, whatever they bring
_STRIKES = 2  # files in a row that a host let down; one that did not answer at all counts twice
COOLING = 30.0  # seconds without a request to a host that let us down, then one is tried


class Stopped(Exception):
    """Another file failed, or somebody pressed Ctrl-C: this one is left as it is."""


class NotAsked(HttpProblem):
    """A host that let us down shortly before is left in peace."""


@dataclass(frozen=True)
class Patience:
    """How long to go on. All times in seconds.

    `attempts` is how many requests to one address may be fruitless in a row; `backoff` the first wait between them,
    which doubles; a host that asks for more than `longest_wait` is passed over; a download that brings less than
    `minimum_rate` bytes a second over `slow_after` is broken off; `deadline` is for all of a fetch, 0 for none.
    """

    attempts: int = 5
    backoff: float = 0.5
    longest_wait: float = 120.0
    minimum_rate: float = 500.0
    slow_after: float = 30.0
    deadline: float = 0.0

    @property
    def most_requests(self) -> int:
        """To one address, redirects not counted."""
        return self.attempts * _HARD_LIMIT

    def after(self, error: HttpProblem, fruitless: int) -> float | None:
        """Seconds to wait before asking again after so many `fruitless` requests, the last ending in `error`; None for
        giving up. Retry-After is honoured (RFC 9110 section 10.2.3), else the wait doubles, with jitter."""
        if isinstance(error, NotAsked) or error.status not in PASSING:
            return None
        doubled = self.backoff * 2 ** max(0, fruitless - 1) * random.uniform(1, 1.5)
        delay = doubled if error.retry_after is None else error.retry_after
        most = self.attempts if error.status else min(self.attempts, _SILENT_ATTEMPTS)
        return delay if fruitless < most and delay <= self.longest_wait else None


class Budget:
    """What one host may be asked: `connections` at once, `pause` seconds between two requests. Safe to use from
    threads. `asked` counts the requests."""

    def __init__(self, pause: float = 0.0, connections: int = 4) -> None:
        self.pause, self.connections, self.asked = pause, connections, 0
        self._slots = threading.Semaphore(connections)
        self._lock = threading.Lock()
        self._next = 0.0
        self._strikes, self._open_until, self._why = 0, 0.0, ""

    @contextmanager
    def turn(self, delay: float = 0.0, stop: threading.Event | None = None) -> Iterator[None]:
        """Wait `delay`, then for a connection and for one's turn. Raises NotAsked where the host is left in peace,
        Stopped where `stop` is set meanwhile."""
        _sleep(delay, stop)
        with self._slots:
            self._pass_breaker()
            with self._lock:
                at = max(self._next, time.monotonic())
                self._next = at + self.pause
                self.asked += 1
            _sleep(at - time.monotonic(), stop)
            yield

    def hold_off(self, seconds: float) -> None:
        """The host asked for patience: nobody asks it for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def good(self) -> None:
        """The host answered as it should, if only that it has not got something."""
        with self._lock:
            self._strikes, self._open_until = 0, 0.0

    def bad(self, error: HttpProblem) -> None:
        """The host let us down: patience with it has ended in `error`."""
        with self._lock:
            self._strikes += 1 if error.status else _STRIKES
            if self._strikes >= _STRIKES:
                self._open_until, self._why = time.monotonic() + COOLING, error.message

    def _pass_breaker(self) -> None:
        with self._lock:
            if not self._open_until:
                return
            now = time.monotonic()
            if now < self._open_until:
                raise NotAsked(f"not asked, because of this before: {self._why}")
            self._open_until = now + COOLING  # half-open: this request is the one that is tried


def _sleep(seconds: float, stop: threading.Event | None) -> None:
    if stop is None:
        time.sleep(max(0.0, seconds))
    elif stop.wait(max(0.0, seconds)):
        raise Stopped
