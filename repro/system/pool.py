"""One pool of workers: run a function over items in threads, first failure stops the rest, Ctrl-C is prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """`function` of each item in up to `workers` threads, results in the order of `items`.

    Raises the first error that any call raised; calls not yet begun are then dropped.
    """
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        futures: list[Future[Result]] = [pool.submit(function, item) for item in items]
        waiting = set(futures)
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]
