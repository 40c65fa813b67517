"""Progress as an observer: a rich bar on a terminal, plain lines elsewhere, JSON lines for machines, or nothing.

All of them write to standard error: data alone goes to standard output.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from repro.model.text import human_size

_TOLD = 1000  # findings of a task that are told to a machine one by one


class Task(Protocol):
    """One long step; `advance` may be called from any thread."""

    def advance(self, amount: int = 1) -> None: ...

    def say(self, text: str) -> None: ...

    def served(self, source: str) -> None:
        """Bytes come from `source` now; shown with how far the task is, never by itself."""

    def found(self, number: int, what: str) -> None:
        """The `number`th thing that was looked for; may come thousands of times a second."""


class Observer(Protocol):
    """What long work reports to."""

    def task(self, label: str, total: int | None = None, unit: str = "") -> _TaskContext: ...

    def note(self, text: str) -> None: ...


class _TaskContext(Protocol):
    def __enter__(self) -> Task: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


def observer(mode: str) -> Observer:
    """The observer for `--progress mode` (`auto`, `plain`, `json` or `none`)."""
    if mode == "auto":
        mode = "bars" if sys.stderr.isatty() else "plain"
    if mode == "bars":
        from repro.system.bars import Bars  # noqa: PLC0415  (rich takes a tenth of a second to import)

        return Bars()
    kinds: dict[str, type[Observer]] = {"plain": Plain, "json": JsonLines, "none": Null}
    return kinds[mode]()


class Null:
    """Says nothing."""

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        yield _Silent()

    def note(self, text: str) -> None:
        pass


class _Silent:
    def advance(self, amount: int = 1) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def served(self, source: str) -> None:
        pass

    def found(self, number: int, what: str) -> None:
        pass


class Plain:
    """A line when a step starts and ends, and every ten seconds between: for logs."""

    INTERVAL = 10.0

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        started = time.monotonic()
        step = _PlainTask(label, total, unit, self.INTERVAL)
        self.note(f"{label}…")
        try:
            yield step
        except BaseException:
            self.note(f"{label}: stopped after {time.monotonic() - started:.1f} s")
            raise
        self.note(f"{label}: done in {time.monotonic() - started:.1f} s")

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class _PlainTask:
    def __init__(self, label: str, total: int | None, unit: str, interval: float) -> None:
        self._label, self._total, self._unit, self._interval = label, total, unit, interval
        self._done, self._source = 0, ""
        self._started = self._last = time.monotonic()

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last >= self._interval:
            self._last = now
            print(f"{self._label}: {self._amounts()}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        print(f"{self._label}: {text}", file=sys.stderr, flush=True)

    def served(self, source: str) -> None:
        self._source = source

    def found(self, number: int, what: str) -> None:
        now = time.monotonic()
        if now - self._last >= self._interval:
            self._last = now
            self.say(f"{number} divergent, last: {what}")

    def _amounts(self) -> str:
        if self._unit != "bytes":
            return str(self._done) + (f" of {self._total}" if self._total else "")
        rate = self._done / max(0.001, time.monotonic() - self._started)
        parts = [human_size(self._done) + (f" of {human_size(self._total)}" if self._total else "")]
        parts.append(f"{human_size(int(rate))}/s")
        if self._total and rate >= 1:
            parts.append(f"{(self._total - self._done) / rate:.0f} s left")
        return ", ".join(parts) + (f", from {self._source}" if self._source else "")


class JsonLines:
    """One JSON object a line: `{"event": "start" | "advance" | "say" | "served" | "found" | "end" | "note", …}`."""

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        _emit("start", task=label, total=total, unit=unit)
        try:
            yield _JsonTask(label)
        except BaseException:
            _emit("end", task=label, ok=False)
            raise
        _emit("end", task=label, ok=True)

    def note(self, text: str) -> None:
        _emit("note", text=text)


class _JsonTask:
    def __init__(self, label: str) -> None:
        self._label = label
        self._done, self._source = 0, ""

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        _emit("advance", task=self._label, done=self._done)

    def say(self, text: str) -> None:
        _emit("say", task=self._label, text=text)

    def served(self, source: str) -> None:
        if source != self._source:
            self._source = source
            _emit("served", task=self._label, source=source)

    def found(self, number: int, what: str) -> None:
        if number <= _TOLD:
            _emit("found", task=self._label, number=number, text=what)


def _emit(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), file=sys.stderr, flush=True)
