"""Progress as bars on a terminal, drawn by rich; a module of its own, so that only a terminal pays for loading it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from repro.system.progress import Task

_GLANCE = 0.1  # seconds between what a person can see change


class Bars:
    """An `Observer` with a bar a step, on a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._open = 0

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        started = time.monotonic()
        if self._progress is None:
            self._progress = self._bars(unit)
            self._progress.start()
        self._open += 1
        bar = self._progress.add_task(label, total=total, source="")
        try:
            yield _RichTask(self._progress, bar, label)
            self._progress.console.print(f"[green]✓[/] {label} [dim]{time.monotonic() - started:.1f} s[/]")
        finally:
            self._progress.remove_task(bar)
            self._open -= 1
            if not self._open:
                self._progress.stop()
                self._progress = None

    def note(self, text: str) -> None:
        (self._progress.console if self._progress else self._console).print(text, markup=False, highlight=False)

    def _bars(self, unit: str) -> Progress:
        amount: tuple[ProgressColumn, ...] = (TextColumn("{task.completed:.0f}"),)
        if unit == "bytes":
            amount = (DownloadColumn(), TransferSpeedColumn(), TextColumn("{task.fields[source]}"))
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=10), *amount, TimeRemainingColumn())
        return Progress(*columns, console=self._console, transient=True)


class _RichTask:
    def __init__(self, progress: Progress, bar: TaskID, label: str) -> None:
        self._progress, self._bar, self._label = progress, bar, label
        self._shown = 0.0

    def advance(self, amount: int = 1) -> None:
        self._progress.advance(self._bar, amount)

    def say(self, text: str) -> None:
        self._progress.update(self._bar, description=f"{self._label}: {text}")

    def served(self, source: str) -> None:
        now = time.monotonic()
        if now - self._shown >= _GLANCE:
            self._shown = now
            self._progress.update(self._bar, source=f"[dim]{escape(urlsplit(source).netloc)}[/]")

    def found(self, number: int, what: str) -> None:
        now = time.monotonic()
        if now - self._shown >= _GLANCE:
            self._shown = now
            self.say(escape(f"{number} divergent, last: {what}"))
