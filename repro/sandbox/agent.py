"""The inside of a sandbox: makes the namespaces, becomes their init, and does what the outside asks.

Runs as a program of its own (`start` is its entry), so that no thread or secret of the caller is forked into it.
Nothing of the host is mounted: the root is a tmpfs, files come in and go out as descriptors over the control
socket. Once the root is changed nothing more can be imported, so everything is imported beforehand.

Protocol (see `wire`): a request is `{"do": NAME, …}` plus up to two descriptors; its answer is `{"ok": VALUE}` or
`{"error": TEXT}`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from repro.sandbox import enclosure, kernel, pretend, tracer, unpack, wire
from repro.sandbox.pretend import Pretence

# chown, dac_override, dac_read_search, fowner, fsetid, kill, setgid, setuid, sys_chroot, setfcap: what maintainer
# scripts need. Without sys_admin nothing can be mounted; without mknod and net_admin no device or network made.
CAPABILITIES = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 18, 31})
_POLL = 0.01
_STACK = 8 << 20  # the kernel's default; how many arguments fit in a command line follows from it
_PATIENCE = 5.0  # seconds for what a program left behind to die


def start(control: socket.socket) -> None:
    """Enter the namespaces that the first message describes, then serve until the socket closes. Never returns."""
    kernel.die_with_parent()
    control.set_inheritable(False)
    _reset_signals()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # else programs inside could interrupt their init
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write("1000")  # where memory runs out, the sandbox goes before anything of the host
    config, _ = wire.receive(control)
    if config is None:
        os._exit(1)
    for module in config["preload"]:
        importlib.import_module(module)
    try:
        if (config["fuse"] or config["filesystem"] != "tmpfs") and os.geteuid() == 0:
            enclosure.lend(config)
        kernel.unshare(kernel.CLONE_NEWUSER)
    except OSError as error:
        _fatal(control, str(error))
    wire.send(control, {"ok": "unshared"})
    control.recv(1)  # the outside has written the id maps
    try:
        enclosure.become_first_user(config)
        enclosure.enter_namespaces(config)
        init = os.fork()
    except OSError as error:
        _fatal(control, str(error))
    if init:
        _, status = os.waitpid(init, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    try:
        kernel.die_with_parent()
        enclosure.make_root(config)
    except Exception as error:  # the other end waits for a word
        _fatal(control, str(error))
    wire.send(control, {"ok": "ready"})
    _Init(control).serve()


def _reset_signals() -> None:
    """Nothing blocked or ignored: a caller under nohup, or one that ignores its children, hands that down."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    kernel.reset_hidden_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _fatal(control: socket.socket, text: str) -> None:
    wire.send(control, {"error": text})
    os._exit(1)


class _Init:
    """Process 1 of the sandbox: serves requests one by one and reaps what is orphaned."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._daemons: dict[int, str] = {}
        self._watcher = 0  # the process that traces the program that runs
        self._lost = ""
        self._requests: dict[str, Callable[..., Any]] = {
            "run": self._run,
            "daemon": self._daemon,
            "call": self._call,
            "unpack": self._unpack,
            "put": self._put,
            "get": self._get,
            "populate": self._populate,
            "depopulate": self._depopulate,
        }

    def serve(self) -> None:
        """Answer requests until the other end closes; then end, and with us the whole namespace."""
        while True:
            request, descriptors = wire.receive(self._control)
            if request is None:
                os._exit(0)
            try:
                answer = {"ok": self._requests[request.pop("do")](*descriptors, **request)}
            except Exception as error:  # whatever it is, the outside must hear of it
                answer = {"error": f"{type(error).__name__}: {error}"}
            for descriptor in descriptors:
                os.close(descriptor)
            wire.send(self._control, answer)

    def _run(self, output: int, *, timeout: float, **how: Any) -> dict[str, Any]:
        """Run a program to its end; `{"code": N, "seconds": S, "timed_out": BOOL, "peak": BYTES}`."""
        started = time.monotonic()
        child = self._spawn(output, **how)
        code = self._wait(child, started + timeout)
        if code is None:
            self._kill_all()
        elif self._watcher:
            tracer.finish(self._watcher)
        self._watcher = 0
        self._sweep()
        if self._lost and code is not None:
            raise RuntimeError(f"{self._lost}, which has to run beside the build, was killed")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        seconds = time.monotonic() - started
        return {"code": -9 if code is None else code, "seconds": seconds, "timed_out": code is None, "peak": peak}

    def _daemon(self, output: int, *, argv: list[str], **how: Any) -> int:
        """Start a program that stays until the sandbox ends."""
        child = self._spawn(output, argv=argv, **how)
        self._daemons[child] = argv[0]
        return child

    def _spawn(
        self,
        output: int,
        *,
        argv: list[str],
        pretend_to: dict[str, Any] | None = None,
        trace: dict[str, Any] | None = None,
        **how: Any,
    ) -> int:
        self._watcher, door = tracer.start(**trace) if trace else (0, -1)
        pretence = Pretence(**(pretend_to or {}))
        answers = pretend.start(pretence, output) if pretence else -1
        child = os.fork()
        if not child:
            try:
                _become(output, pretence, answers, door, **how)
                os.execvpe(argv[0], argv, how["env"])
            except BaseException as error:
                with contextlib.suppress(OSError):
                    os.write(2, f"cannot run {argv[0]}: {error}\n".encode())
            finally:
                os._exit(127)
        for descriptor in (answers, door):
            if descriptor >= 0:
                os.close(descriptor)
        return child

    def _call(self, *, module: str, function: str, root: str | None, arguments: dict[str, Any]) -> Any:
        """Call a preloaded Python function in a child (in `root`, if given); what it returns, through JSON."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                if root:
                    os.chroot(root)
                    os.chdir("/")
                answer = {"ok": getattr(sys.modules[module], function)(**arguments)}
            except BaseException as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            with os.fdopen(writer, "wb") as stream:
                stream.write(json.dumps(answer).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            data = stream.read()
        os.waitpid(child, 0)
        answer = json.loads(data)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]

    def _unpack(self, package: int, *, folder: str) -> int:
        return unpack.unpack_deb(package, folder)

    def _put(self, source: int, *, path: str, mode: int) -> None:
        """Write what `source` holds to `path`, folders above it made as needed."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as target, os.fdopen(os.dup(source), "rb") as stream:
            shutil.copyfileobj(stream, target, 1 << 20)
        os.chmod(path, mode)

    def _get(self, target: int, *, path: str) -> int:
        """Write the file at `path` to `target`; its size."""
        with open(path, "rb") as source, os.fdopen(os.dup(target), "wb") as stream:
            shutil.copyfileobj(source, stream, 1 << 20)
            return source.tell()

    def _populate(self, *, root: str, links: bool) -> None:
        """Give the tree at `root` a /proc and a /dev for programs that run in it."""
        for folder in ("proc", "dev"):
            os.makedirs(f"{root}/{folder}", exist_ok=True)
        kernel.mount("/proc", f"{root}/proc", flags=kernel.MS_BIND | kernel.MS_REC)
        enclosure.device_folder(f"{root}/dev", "/dev", enclosure.DEVICES)
        for name, target in enclosure.LINKS.items() if links else ():
            os.symlink(target, f"{root}/dev/{name}")

    def _depopulate(self, *, root: str) -> None:
        for folder in ("proc", "dev"):
            kernel.umount(f"{root}/{folder}")

    def _wait(self, child: int, deadline: float) -> int | None:
        """The exit code of `child` (negative: signal), or None past `deadline`; reaps everything on the way."""
        while time.monotonic() < deadline:
            pid, status = self._reap()
            if pid == child:
                return os.waitstatus_to_exitcode(status)
            if not pid:
                time.sleep(_POLL)
        return None

    def _reap(self) -> tuple[int, int]:
        """The id and status of a child that ended; 0 where none did. A daemon that ended is remembered as lost."""
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0, 0
        self._lost = self._daemons.pop(pid, self._lost)
        return pid, status

    def _sweep(self) -> None:
        """Kill what a program left behind, but not our daemons, until nothing of it is left.

        First all of it is stopped: while one is killed another could fork, but nothing forks that stands still.
        """
        deadline = time.monotonic() + _PATIENCE
        stopped: set[int] = set()
        while (left := self._others()) - stopped:
            _signal(left, signal.SIGSTOP)
            stopped = left
            if time.monotonic() > deadline:
                self._kill_all()
        while left := self._others():
            _signal(left, signal.SIGKILL)
            while self._reap()[0]:
                pass

    def _kill_all(self) -> None:
        """Kill everything but ourselves in one system call, against which no fork can run."""
        os.kill(-1, signal.SIGKILL)
        self._lost = next(iter(self._daemons.values()), self._lost)
        self._daemons.clear()

    def _others(self) -> set[int]:
        return {int(name) for name in os.listdir("/proc") if name.isdigit()} - {1, *self._daemons}


def _signal(processes: set[int], number: signal.Signals) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _become(
    output: int,
    pretence: Pretence,
    answers: int,
    door: int,
    *,
    root: str | None,
    cwd: str,
    umask: int,
    cpus: int,
    personality: list[str],
    processes: int,
    privileged: bool,
    env: dict[str, str],  # used by the caller's exec
) -> None:
    """Turn the forked child into what the environment asks for, up to the exec."""
    del env
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    if pretence:
        pretend.ask(answers, pretence)
    if door >= 0:
        tracer.attach(door)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.closerange(3, 1024)  # ours close by themselves at the exec
    if root:
        os.chroot(root)
    os.chdir(cwd)
    os.umask(umask)
    if cpus:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])
    kernel.set_personality(personality)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
    resource.setrlimit(resource.RLIMIT_STACK, (_STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    if not privileged:
        kernel.keep_capabilities(CAPABILITIES)
        kernel.forbid_calls()
    _reset_signals()


if __name__ == "__main__":
    start(socket.socket(fileno=int(sys.argv[1])))
