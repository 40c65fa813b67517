"""The one way to run a program on the host: environment from nothing, no stdin, capped output, killed on time-out."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from repro.model.errors import BuildFailed

BASE_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}

_LOOK = 0.1  # seconds between looks at `stop`


@dataclass(frozen=True)
class Completed:
    """A finished program: exit `code` (negative: the signal), what it wrote (capped), wall `seconds`."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool = False
    truncated: bool = False


class CommandFailed(BuildFailed):
    """A program that we ran exited other than it should; the message ends with a command to paste."""

    reason = "command-failed"

    def __init__(self, done: Completed, *, hint: str = "") -> None:
        how = "ran out of time" if done.timed_out else f"exited with {done.code}"
        tail = (done.stderr or done.stdout).decode(errors="replace").strip()[-2000:]
        super().__init__(f"{done.argv[0]} {how}:\n{tail}\nthe command: {shlex.join(done.argv)}", hint=hint)
        self.done = done


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 600,
    input: bytes = b"",
    limit: int = 16 << 20,
    ok: Sequence[int] = (0,),
    hint: str = "",
    stop: threading.Event | None = None,
) -> Completed:
    """Run `argv` to its end and return what it said (each stream cut at `limit` bytes).

    `env` is added to BASE_ENVIRONMENT; nothing of ours is inherited. After `timeout` seconds, or when this
    process is interrupted, the whole process group is killed. In a thread no interrupt arrives: `stop` is for that.
    Raises CommandFailed where the exit code is not in `ok`, BuildFailed where the program cannot be started,
    KeyboardInterrupt where `stop` was set before it ended.
    """
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            env={**BASE_ENVIRONMENT, **(env or {})},
            cwd=cwd,
            stdin=subprocess.PIPE if input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise BuildFailed(f"cannot run {argv[0]}: {error.strerror}", hint=hint) from error
    streams = [_Reader(stream, limit) for stream in (process.stdout, process.stderr) if stream]
    try:
        if process.stdin:
            _feed(process.stdin, input)
        timed_out = not _ended(process, timeout, stop)
    finally:
        _kill_group(process)
    out, err = (reader.result() for reader in streams)
    seconds = time.monotonic() - started
    truncated = any(reader.truncated for reader in streams)
    done = Completed(tuple(argv), process.returncode, out, err, seconds, timed_out, truncated)
    if timed_out or done.code not in ok:
        raise CommandFailed(done, hint=hint)
    return done


def _ended(process: subprocess.Popen[bytes], timeout: float, stop: threading.Event | None) -> bool:
    """Whether `process` ended within `timeout` seconds. Raises KeyboardInterrupt when `stop` is set."""
    deadline = time.monotonic() + timeout
    while stop is None or not stop.is_set():
        left = deadline - time.monotonic()
        try:
            process.wait(left if stop is None else min(left, _LOOK))
        except subprocess.TimeoutExpired:
            if left <= _LOOK or stop is None:
                return False
        else:
            return True
    raise KeyboardInterrupt


def _feed(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), stream:
        stream.write(data)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Reader:
    """Drains a pipe in a thread, keeping the first `limit` bytes."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._kept = bytearray()
        self.truncated = False
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with self._stream as stream:
            while chunk := stream.read(1 << 16):
                room = self._limit - len(self._kept)
                self._kept += chunk[:room]
                self.truncated |= len(chunk) > room

    def result(self) -> bytes:
        self._thread.join(5)
        return bytes(self._kept)
