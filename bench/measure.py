"""One program, measured: wall and CPU time, and the peak memory of it and all of its children."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_EVERY = 0.02  # seconds between two looks at memory
_KB = 1024


@dataclass(frozen=True)
class Run:
    """`wall` and `cpu` in seconds; peak `anonymous` and `resident` memory in bytes, summed over the process tree.

    Anonymous memory counts shared memory (tmpfs, memfd) in and the mapped pages of files not. The peaks are of samples
    every 20 ms. `timed_out`: it was ended at the time limit, and `wall` is how long it had run.
    """

    wall: float
    cpu: float
    anonymous: int
    resident: int
    exit: int
    timed_out: bool = False


def measured(argv: list[str], log: Path, *, output: Path | None = None, limit: float | None = None) -> Run:
    """Run `argv` to its end or for `limit` seconds; its standard output goes to `output`, all else to `log`."""
    with open(log, "wb") as said, open(output or os.devnull, "wb") as out:
        began = time.monotonic()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=said, start_new_session=True)
        sampler = _Sampler(process.pid)
        sampler.start()
        overdue = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL)) if limit else None
        if overdue:
            overdue.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)  # with the children that it waited for
            wall = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            if overdue:
                overdue.cancel()
            sampler.end()
        timed_out = limit is not None and wall >= limit and process.returncode == -signal.SIGKILL
    cpu, resident = usage.ru_utime + usage.ru_stime, max(sampler.resident, usage.ru_maxrss * _KB)
    return Run(wall, cpu, sampler.anonymous, resident, process.returncode, timed_out)


class _Sampler(threading.Thread):
    """Looks at the memory of a process tree until it is ended."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root, self._ended = root, threading.Event()
        self.anonymous = self.resident = 0

    def run(self) -> None:
        while not self._ended.is_set():
            seen = [_memory(pid) for pid in _tree(self._root)]
            self.anonymous = max(self.anonymous, sum(anonymous for anonymous, _ in seen))
            self.resident = max(self.resident, sum(resident for _, resident in seen))
            self._ended.wait(_EVERY)

    def end(self) -> None:
        self._ended.set()
        self.join()


def _tree(root: int) -> list[int]:
    """`root` and all processes below it."""
    found = [root]
    for pid in found:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            continue  # ended meanwhile
    return found


def _memory(pid: int) -> tuple[int, int]:
    """Anonymous with shared, and resident memory of a process in bytes; (0, 0) where it has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = dict(line.split(":", 1) for line in file)
    except (OSError, ValueError):
        return 0, 0
    size = {name: int(lines[name].split()[0]) * _KB for name in ("RssAnon", "RssShmem", "VmRSS") if name in lines}
    return size.get("RssAnon", 0) + size.get("RssShmem", 0), size.get("VmRSS", 0)
