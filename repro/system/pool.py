"""One pool of workers: run a function over items in threads; the first failure, or Ctrl-C, ends it promptly."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

GRACE = 0.5  # seconds that calls under way have to end by themselves after a failure or Ctrl-C


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


class Later(Generic[Result]):
    """`function` called with `item` in a daemon thread of its own, from now on."""

    def __init__(self, function: Callable[[Item], Result], item: Item) -> None:
        self._done: SimpleQueue[tuple[Result] | BaseException] = SimpleQueue()
        threading.Thread(target=self._run, args=(function, item), name="later", daemon=True).start()

    def _run(self, function: Callable[[Item], Result], item: Item) -> None:
        try:
            self._done.put((function(item),))
        except BaseException as error:  # handed to the one who waits
            self._done.put(error)

    def result(self, seconds: float | None = None) -> Result:
        """What the function returned; to be asked for once. Raises what it raised, queue.Empty after `seconds`."""
        outcome = self._done.get(timeout=seconds)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome[0]


def parallel(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stop: threading.Event | None = None,
    each: Callable[[Result], None] | None = None,
) -> list[Result]:
    """`function` of each item in up to `workers` threads, results in the order of `items`.

    `each` is called in the caller's thread with every result as it comes.

    Raises the first error that any call raised, or KeyboardInterrupt. `stop` is then set, for calls that care to
    look; calls not yet begun are dropped, those under way are waited for during GRACE and then left behind: their
    threads are daemons, so that the process can end at once.
    """
    pool = _Pool(function, items, stop or threading.Event())
    threads = [
        threading.Thread(target=pool.serve, name=f"worker-{number}", daemon=True)
        for number in range(min(max(1, workers), pool.count))
    ]
    try:
        for thread in threads:
            thread.start()
        return pool.results(each)
    except BaseException:
        pool.stop.set()
        deadline = time.monotonic() + GRACE
        for thread in threads:
            if thread.ident:
                thread.join(max(0.0, deadline - time.monotonic()))
        raise


class _Pool(Generic[Item, Result]):
    """What the threads share: the items still to do, and what became of those that are done."""

    def __init__(self, function: Callable[[Item], Result], items: Iterable[Item], stop: threading.Event) -> None:
        self.stop = stop
        self._function = function
        items = list(items)
        self.count = len(items)
        self._todo: Iterator[tuple[int, Item]] = enumerate(items)
        self._taking = threading.Lock()
        self._done: SimpleQueue[tuple[int, Result] | BaseException] = SimpleQueue()

    def serve(self) -> None:
        """A worker's life."""
        while not self.stop.is_set():
            with self._taking:
                taken = next(self._todo, None)
            if taken is None:
                return
            number, item = taken
            try:
                self._done.put((number, self._function(item)))
            except BaseException as error:  # handed to the one who waits
                self._done.put(error)
                return

    def results(self, each: Callable[[Result], None] | None) -> list[Result]:
        """Every result, in order of the items. Raises the first error as soon as there is one."""
        found: dict[int, Result] = {}
        while len(found) < self.count:
            outcome = self._done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            number, result = outcome
            found[number] = result
            if each:
                each(result)
        return [found[number] for number in range(self.count)]
