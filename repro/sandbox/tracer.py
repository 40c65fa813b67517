"""Who wrote what: watches a program and all that it starts, and takes down which program wrote each file below a tree
last, who started that program, and whether it asked for the time of day, randomness, uname or a listing of a folder.

A process of its own inside the sandbox watches (`ptrace`); what it saw is a JSON file that the next program's watcher
goes on from. Nothing of a traced program changes but how long its calls take, and that it has no vDSO.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import posixpath
import signal
import socket
import stat
import time
from typing import Any

from repro.sandbox import ptrace

REPORT = "/trace.json"
_CALLS = {number: name for name, number in ptrace.CALLS.get(platform.machine(), {}).items()}
_READS = {
    **dict.fromkeys(("getdents", "getdents64"), "listing"),
    **dict.fromkeys(("clock_gettime", "gettimeofday", "time"), "clock"),
    **{"getrandom": "random", "uname": "uname"},
}
_MALLOC = (8, 1)  # bytes and flags of getrandom with which the malloc of glibc 2.36 begins, in every program
_HERE = -100  # AT_FDCWD
_EXCLUSIVE = 0x80  # O_EXCL
_ARGUMENTS = 300  # characters of a command line that are kept
_WAITED = {signal.SIGCHLD, signal.SIGUSR1}
_STOPPING = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


def start(tops: list[str], title: str) -> tuple[int, int]:
    """Start the process that will watch; its id, and the descriptor to give to `attach`. `title` says what runs."""
    ours, theirs = socket.socketpair()
    watcher = os.fork()
    if watcher:
        ours.close()
        return watcher, theirs.detach()
    try:
        theirs.close()
        signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
        with ours:
            pid = int(ours.recv(32))
            ptrace.seize(pid)
            ours.send(b"!")
        recorder = Recorder(tops)
        recorder.begin(pid, title)
        _watch(recorder)
        recorder.write()
        os._exit(0)
    finally:
        os._exit(1)


def attach(descriptor: int) -> None:
    """In the child that will be the program: be watched from here on. Raises OSError where that cannot be."""
    with socket.socket(fileno=descriptor) as door:
        door.send(str(os.getpid()).encode())
        if not door.recv(1):
            raise OSError("the process that watches has ended")
    ptrace.stop_at_calls()


def finish(watcher: int) -> None:
    """Have the watcher write its report and end; what it watched and still runs ends with it."""
    status = 1
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(watcher, signal.SIGUSR1)
        _, status = os.waitpid(watcher, 0)
    if status:
        raise RuntimeError("the process that watched the build has failed")


def laid(top: str, title: str, paths: list[str]) -> None:
    """Take down that `paths` of the tree at `top` were laid there by us, which `title` names."""
    recorder = Recorder([top])
    run = recorder.begin(0, title)
    recorder.files.update(dict.fromkeys(paths, run))
    recorder.write()


def _watch(recorder: Recorder) -> None:
    """Go from stop to stop until we are told that the program has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, ptrace.WALL | os.WNOHANG)
        except ChildProcessError:
            pid = 0
        if not pid:
            if signal.sigwait(_WAITED) == signal.SIGUSR1:
                return
        elif os.WIFSTOPPED(status):
            began = time.perf_counter()
            with contextlib.suppress(ProcessLookupError):  # killed meanwhile
                _stopped(recorder, pid, status)
            recorder.spent += time.perf_counter() - began
        else:
            recorder.ended(pid)


def _stopped(recorder: Recorder, pid: int, status: int) -> None:
    event, number = status >> 16, os.WSTOPSIG(status)
    if event == ptrace.EVENT_SECCOMP:
        with contextlib.suppress(OSError):  # what it gives us may be no address, and then its call fails
            recorder.call(pid, ptrace.where(pid))
        ptrace.go_on(pid)
    elif event in ptrace.FORKS:
        recorder.forked(pid, ptrace.message(pid))
        ptrace.go_on(pid)
    elif event == ptrace.EVENT_EXEC:
        recorder.became(pid, ptrace.message(pid))
        with contextlib.suppress(OSError):
            ptrace.hide_vdso(pid, ptrace.where(pid).stack)
        ptrace.go_on(pid)
    elif event == ptrace.EVENT_STOP and number in _STOPPING:
        ptrace.stay_stopped(pid)
    else:
        ptrace.go_on(pid, 0 if event else number)


class Recorder:
    """What was seen: `runs`, one a program that was started (parent's index, command line, what it asked for), `files`,
    the run that wrote each path last, `spent`: the seconds for which calls were held up."""

    def __init__(self, tops: list[str]) -> None:
        self.runs: list[dict[str, Any]] = []
        self.files: dict[str, int] = {}
        self.spent, self.calls = 0.0, 0
        self._tops = sorted(tops, key=len, reverse=True)
        self._run: dict[int, int] = {}  # by process or thread
        self._first = 0
        self._folders: dict[str, str] = {}
        self._started: set[int] = set()  # runs whose malloc has begun
        with contextlib.suppress(FileNotFoundError), open(REPORT, encoding="utf-8") as report:
            before = json.load(report)
            self.runs, self.files = before["runs"], before["files"]
            self.spent, self.calls = before["spent"], before["calls"]

    def write(self) -> None:
        """The report, of what is still there."""
        there = {path: run for path, run in self.files.items() if os.path.lexists(self._tops[-1] + "/" + path)}
        report = {"runs": self.runs, "files": there, "spent": round(self.spent, 3), "calls": self.calls}
        with open(REPORT, "w", encoding="utf-8") as target:
            json.dump(report, target)

    def begin(self, pid: int, title: str) -> int:
        """`pid` is where it all begins; the number of its run."""
        self._run[pid] = self._first = self._add(None, title)
        return self._first

    def forked(self, parent: int, child: int) -> None:
        """`child` runs the program of `parent`, unless it was heard of earlier: it may have become another since."""
        self._run.setdefault(child, self._of(parent))

    def became(self, pid: int, former: int) -> None:
        """`pid` runs another program now; a thread that does so takes its process' id."""
        before = self._run.pop(former, None) if former != pid else None
        self._run[pid] = self._add(self._of(pid) if before is None else before, _command(pid))

    def ended(self, pid: int) -> None:
        self._run.pop(pid, None)

    def call(self, pid: int, stop: ptrace.Stop) -> None:
        """Take down what the call does that `pid` is about to make. Raises OSError where its memory cannot be read."""
        self.calls += 1
        name, run, args = _CALLS.get(stop.number, ""), self._of(pid), stop.arguments
        if asked := _READS.get(name):
            if name == "getrandom" and args[1:3] == _MALLOC and run not in self._started:
                self._started.add(run)
            elif asked not in self.runs[run]["reads"]:
                self.runs[run]["reads"].append(asked)
            return
        if name in ("open", "creat", "truncate", "mkdir", "mknod"):
            args = (_HERE, *args)
        flags = args[2] if name in ("open", "openat") else 0
        if name in ("rename", "link"):
            self._moved(pid, run, (_HERE, args[0]), (_HERE, args[1]), name)
        elif name in ("renameat", "renameat2", "linkat"):
            self._moved(pid, run, (args[0], args[1]), (args[2], args[3]), name.removesuffix("2").removesuffix("at"))
        elif name in ("symlink", "symlinkat"):
            self._wrote(run, self._path(pid, *((_HERE, args[1]) if name == "symlink" else args[1:3])))
        elif name:
            path = self._path(pid, args[0], args[1])
            fresh = name.startswith(("mkdir", "mknod")) or bool(flags & _EXCLUSIVE)
            if path and not (fresh and self._kind(path)):  # that call fails
                self._wrote(run, path)

    def _moved(self, pid: int, run: int, old: tuple[int, int], new: tuple[int, int], how: str) -> None:
        source, target = self._path(pid, *old), self._path(pid, *new)
        if target:
            if source and stat.S_ISDIR(self._kind(source)):
                below = [path for path in self.files if path.startswith(f"{source}/")]
                self.files.update({target + path[len(source) :]: self.files[path] for path in below})
            # who moves a file did not write it, unless nobody else was seen to
            self.files[target] = self.files.get(source, run) if source else run

    def _wrote(self, run: int, path: str) -> None:
        if path:
            self.files[path] = run

    def _kind(self, path: str) -> int:
        """The mode of what lies at `path`, 0 where nothing does."""
        try:
            return os.lstat(f"{self._tops[-1]}/{path}").st_mode
        except OSError:
            return 0

    def _of(self, pid: int) -> int:
        """The run of `pid`; of one whose fork was not told yet, that of its process or parent."""
        if pid not in self._run:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8") as status:
                said = dict(line.split(":", 1) for line in status)
                process, parent = int(said["Tgid"]), int(said["PPid"])
                self._run[pid] = self._of(process if process != pid else parent) if parent else self._first
        return self._run.get(pid, self._first)

    def _add(self, parent: int | None, command: str) -> int:
        self.runs.append({"parent": parent, "command": command, "reads": []})
        return len(self.runs) - 1

    def _path(self, pid: int, folder: int, address: int) -> str:
        """The path that `pid` names, relative to the tree; empty where it lies elsewhere. Raises OSError."""
        name = os.fsdecode(ptrace.string(pid, address))
        if name.startswith("/"):
            name = os.readlink(f"/proc/{pid}/root") + name
        else:
            number = folder & 0xFFFFFFFF  # an int in a register
            link = "cwd" if number == _HERE & 0xFFFFFFFF else f"fd/{number}"
            name = f"{os.readlink(f'/proc/{pid}/{link}')}/{name}"
        name = posixpath.normpath(name).replace("//", "/", 1)
        for top in self._tops:
            if name.startswith(f"{top}/"):
                parent, _, last = name[len(top) + 1 :].rpartition("/")
                return f"{self._folder(parent)}/{last}" if parent else last
        return ""

    def _folder(self, path: str, depth: int = 0) -> str:
        """`path` without the links to folders in it, which the tree's own root resolves."""
        if path in self._folders:
            return self._folders[path]
        found = ""
        for part in path.split("/"):
            found = f"{found}/{part}" if found else part
            with contextlib.suppress(OSError):
                target = os.readlink(f"{self._tops[-1]}/{found}")
                base = "" if target.startswith("/") else posixpath.dirname(found)
                target = posixpath.normpath(posixpath.join("/", base, target))[1:]
                found = self._folder(target, depth + 1) if depth < 40 else target
        self._folders[path] = found
        return found


def _command(pid: int) -> str:
    """The command line of `pid`, cut where it is long."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(_ARGUMENTS * 4).rstrip(b"\0").split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode("utf-8", "backslashreplace") for word in words)[:_ARGUMENTS]
