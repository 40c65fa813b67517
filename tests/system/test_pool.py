"""The pool: results in order, the first failure ends the rest, and nobody waits for a worker that hangs."""

from __future__ import annotations

import threading
import time

import pytest

from repro.system.pool import GRACE, parallel


def test_results_in_order_whoever_ends_first() -> None:
    def work(number: int) -> int:
        time.sleep(0.02 * (5 - number))
        return number * number

    assert parallel(work, range(5), 5) == [0, 1, 4, 9, 16]
    assert parallel(work, [], 4) == []
    assert parallel(lambda item: item, [None, None], 0) == [None, None]


def test_no_more_at_once_than_workers() -> None:
    running, most, lock = [0], [0], threading.Lock()

    def work(_: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    parallel(work, range(20), 3)
    assert most == [3]


def test_the_first_failure_drops_what_has_not_begun() -> None:
    begun: list[int] = []
    stop = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            raise ValueError("number one")
        time.sleep(0.05)

    with pytest.raises(ValueError, match="number one"):
        parallel(work, range(100), 2, stop)
    assert stop.is_set()
    assert len(begun) < 10
    time.sleep(0.2)
    assert len(begun) < 10


def test_a_call_that_hangs_is_left_behind() -> None:
    release = threading.Event()
    started = time.monotonic()

    def work(number: int) -> None:
        if number:
            raise OSError("no")
        release.wait(30)

    with pytest.raises(OSError, match="no"):
        parallel(work, range(2), 2)
    release.set()
    assert GRACE <= time.monotonic() - started < GRACE + 2


def test_calls_that_look_at_stop_end_before_the_error_is_raised() -> None:
    stop, ended = threading.Event(), []

    def work(number: int) -> None:
        if number:
            raise OSError("no")
        stop.wait(30)
        ended.append(number)

    with pytest.raises(OSError, match="no"):
        parallel(work, range(2), 2, stop)
    assert ended == [0]
