"""A running `repro serve`, as a user starts it."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Served:
    """The process, its address, and the file of its access log."""

    process: subprocess.Popen[str]
    base: str
    log: Path

    def ask(
        self, target: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, whose target is sent as it is."""
        place = urlsplit(self.base)
        assert place.hostname
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def logged(self, word: str) -> str:
        """The first line of the access log with `word`; it is written after the answer, so this waits for it."""
        while True:
            for line in self.log.read_text(encoding="utf-8").splitlines():
                if word in line:
                    return line
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def serving(store: Path, env: Mapping[str, str], folder: Path, *options: str) -> Iterator[Served]:
    """`repro serve` on a free port."""
    log = folder / "access.log"
    argv = [sys.executable, "-m", "repro.cli.main", "--store", os.fspath(store), "serve", "--bind", "127.0.0.1:0"]
    argv += ["--access-log", os.fspath(log), *options]
    with subprocess.Popen(argv, env=dict(env), cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Served(process, process.stdout.readline().strip(), log)
        finally:
            if process.poll() is None:
                process.terminate()
