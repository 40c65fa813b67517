"""The outside of a sandbox: starts the agent, hands it work, and tears everything down however we end.

All that a session makes lives in the agent's namespaces and in memory: when the agent dies, by our close, by our
own death or by `kill -9`, the kernel takes files, mounts and processes with it. Nothing is left to clean up.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import repro
from repro.model.errors import BuildFailed, ReproError, Unavailable
from repro.model.text import printable
from repro.sandbox import wire
from repro.sandbox.backend import Backend
from repro.sandbox.environment import Environment

PROCESSES = 2048  # per sandbox: a fork bomb ends here
LOGGED = 64 << 20  # the most bytes that one program may add to the log, which lies on the host's disk
_LINES = 15
_WIDTH = 240


@dataclass(frozen=True)
class Ran:
    """A program that ran in the sandbox: wall `seconds`, the last of its `output`, `peak` resident bytes."""

    seconds: float
    output: str
    peak: int


@dataclass
class Session:
    """One sandbox. Use `open_session`; not safe to use from two threads.

    Programs that `run` are traced while `traced` names folders: what is written below them is taken down
    (`tracer.REPORT`); the shortest is where the files really lie."""

    environment: Environment
    backend: Backend
    timeout: float
    log: IO[bytes]
    preload: list[str] = field(default_factory=list)
    traced: list[str] = field(default_factory=list)
    opened: float = field(default_factory=time.time)
    _control: socket.socket | None = None
    _agent: subprocess.Popen[bytes] | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        root: str | None = None,
        cwd: str = "/",
        env: dict[str, str] | None = None,
        privileged: bool = False,
        what: str = "",
        hint: str = "",
    ) -> Ran:
        """Run `argv` in the sandbox (in the tree at `root`, if given) in the session's environment plus `env`.

        Raises BuildFailed where it exits other than 0 or takes longer than the session's timeout, with the end
        of what it wrote; `what` names the step in that message.
        """
        with self._output() as (writer, tail):
            place = self._how(root, cwd, env, privileged)
            trace = {"tops": self.traced, "title": what or argv[0]} if self.traced else None
            answer = self._ask(
                {"do": "run", "argv": list(argv), "timeout": self.timeout, "trace": trace, **place}, writer
            )
        text = tail.text()
        if tail.problem:
            raise Unavailable(f"cannot write {self.log.name}: {tail.problem}", hint="free some space, or use -o")
        if answer["code"]:
            how = f"ran longer than {self.timeout:.0f} s" if answer["timed_out"] else f"exited with {answer['code']}"
            if "No space left on device" in text:
                hint = hint or "the scratch file system is full: raise `scratch` in recipe.toml"
            hint = hint or f"all that was said is in {self.log.name}"
            raise BuildFailed(f"{what or argv[0]} {how}; its last words:\n{_last_words(text)}", hint=hint)
        return Ran(answer["seconds"], text, answer["peak"])

    def daemon(self, argv: Sequence[str], *, privileged: bool = False) -> int:
        """Start a program that stays until the session ends; its process id inside."""
        with open(os.devnull, "wb") as nothing:
            answer = self._ask(
                {"do": "daemon", "argv": list(argv), **self._how(None, "/", None, privileged), "pretend_to": None},
                nothing.fileno(),
            )
        return int(answer)

    def call(self, module: str, function: str, *, root: str | None = None, **arguments: Any) -> Any:
        """Call `function` of the preloaded `module` inside (chrooted to `root`, if given); JSON in and out."""
        return self._ask({"do": "call", "module": module, "function": function, "root": root, "arguments": arguments})

    def unpack(self, package: IO[bytes], folder: str) -> int:
        """Lay the files of a .deb out below `folder`; how many entries it had."""
        return int(self._ask({"do": "unpack", "folder": folder}, package.fileno()))

    def put(self, source: IO[bytes], path: str, mode: int = 0o644) -> None:
        """Copy an open file of the host to `path` inside."""
        self._ask({"do": "put", "path": path, "mode": mode}, source.fileno())

    def put_bytes(self, data: bytes, path: str, mode: int = 0o644) -> None:
        """Write `data` to `path` inside."""
        descriptor = os.memfd_create("repro")
        with os.fdopen(descriptor, "r+b") as stream:
            stream.write(data)
            stream.seek(0)
            self.put(stream, path, mode)

    def get(self, path: str, target: IO[bytes]) -> int:
        """Copy the file at `path` inside to an open file of the host; its size in bytes.

        Raises Unavailable where the host's disk is full.
        """
        try:
            return int(self._ask({"do": "get", "path": path}, target.fileno()))
        except BuildFailed as error:
            if "No space left" not in error.message:
                raise
            raise Unavailable(f"no room on the disk for {path}", hint="free some space, then run again") from error

    def populate(self, root: str, *, links: bool = True) -> None:
        """Mount /proc and a minimal /dev in the tree at `root`; `links`: with /dev/fd and its like."""
        self._ask({"do": "populate", "root": root, "links": links})

    def depopulate(self, root: str) -> None:
        """Take them away again, unless everything is gone already."""
        if self._control:
            self._ask({"do": "depopulate", "root": root})

    def _how(self, root: str | None, cwd: str, env: dict[str, str] | None, privileged: bool) -> dict[str, Any]:
        surroundings = self.environment
        machine = "i686" if "linux32" in surroundings.personality else ""
        pretence = {"release": surroundings.release, "machine": machine, "memory": surroundings.memory}
        return {
            "root": root,
            "cwd": cwd,
            "env": {**surroundings.variables(), **(env or {})},
            "umask": surroundings.umask,
            "cpus": surroundings.cpus,
            "personality": surroundings.flags(),
            "pretend_to": None if privileged else pretence,
            "processes": PROCESSES,
            "privileged": privileged,
        }

    @contextlib.contextmanager
    def _output(self) -> Iterator[tuple[int, _Tail]]:
        reader, writer = os.pipe()
        tail = _Tail(reader, self.log)
        try:
            yield writer, tail
        finally:
            os.close(writer)
            tail.finish()

    def _ask(self, request: dict[str, Any], *descriptors: int) -> Any:
        assert self._control is not None
        try:
            wire.send(self._control, request, descriptors)
            return self._answer()
        except OSError as error:
            raise BuildFailed(f"the sandbox ended unexpectedly ({error})") from error
        except ReproError:
            raise
        except BaseException:
            self._stop()  # interrupted: whoever reads what the program writes would else wait for its end
            raise

    def _answer(self) -> Any:
        assert self._control is not None
        answer, _ = wire.receive(self._control)
        if answer is None:
            raise BuildFailed("the sandbox ended unexpectedly", hint="out of memory? see the kernel's log")
        if "error" in answer:
            text = answer["error"]
            full = "raise `scratch` in recipe.toml, or free memory" if "No space left" in text else ""
            raise BuildFailed(f"in the sandbox: {printable(text)}", hint=full)
        return answer["ok"]

    def _start(self, *, size: int, fuse: bool, last_pid: int, lend: Sequence[str]) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = here
        # where we find our libraries, so does the agent, whatever kind of installation this is
        places = [str(Path(repro.__file__).parent.parent), *filter(os.path.isabs, sys.path)]
        code = f"import sys; sys.path[:] = {places!r}; import repro.sandbox.agent as a, socket; a.start("
        with there:
            self._agent = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", f"{code}socket.socket(fileno={there.fileno()}))"],
                pass_fds=[there.fileno()],
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                start_new_session=True,
            )
        config = {
            "preload": self.preload,
            "groups": not self.backend.fake,
            "ids": self.backend.uids[1],
            "processes": PROCESSES,
            "size": size,
            "fuse": fuse,
            "last_pid": last_pid,
            "lend": list(lend),
            "owner": [self.backend.uids[0], self.backend.gids[0]],
            **{
                name: getattr(self.environment, name)
                for name in ("hostname", "domain", "memory", "filesystem", "build_path")
            },
        }
        try:
            wire.send(here, config)
            self._answer()
            self.backend.write_maps(self._agent.pid)
            here.send(b"!")
            self._answer()
        except BuildFailed as error:
            hint = error.hint or "this host may forbid user namespaces: `repro doctor` says how to allow them"
            raise BuildFailed(f"no sandbox could be made here: {error.message}", hint=hint) from error

    def _stop(self) -> None:
        if self._control:
            self._control.close()
            self._control = None
        if self._agent:
            self._agent.kill()
            self._agent.wait()


@contextlib.contextmanager
def open_session(
    environment: Environment,
    backend: Backend,
    *,
    log: IO[bytes],
    preload: Sequence[str] = (),
    timeout: float = 1800,
    size: int = 8 << 30,
    fuse: bool = False,
    last_pid: int = 0,
    lend: Sequence[str] = (),
) -> Iterator[Session]:
    """A new, empty sandbox: a root of at most `size` bytes in memory, no network, nothing of the host unasked.

    `log` gets everything that programs write; `preload` names modules whose functions `Session.call` may use;
    `timeout` in seconds holds for each program; `fuse` lends /dev/fuse; process ids inside begin after `last_pid`.
    `lend` names folders of the host that are there, read-only; the root is empty otherwise.
    Raises BuildFailed where the host does not allow it.
    """
    session = Session(environment, backend, timeout, log, preload=list(preload))
    try:
        session._start(size=size, fuse=fuse, last_pid=last_pid, lend=lend)
        yield session
    finally:
        session._stop()


class _Tail:
    """Copies a pipe to the log in a thread, up to LOGGED bytes, and remembers the end of it.

    `problem` says why the log could not be written, where it could not; the program must not suffer from it.
    """

    def __init__(self, reader: int, log: IO[bytes]) -> None:
        self._reader, self._log = reader, log
        self._end = bytearray()
        self.problem = ""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        room = LOGGED
        with os.fdopen(self._reader, "rb", buffering=0) as stream:
            while chunk := stream.read(1 << 16):
                self._end += chunk
                del self._end[: -(1 << 20)]
                if room > 0 and not self.problem:
                    room -= len(chunk)
                    self._keep(chunk if room > 0 else chunk[:room] + b"\n[the rest of what it wrote is left out]\n")

    def _keep(self, data: bytes) -> None:
        try:
            self._log.write(data)
            self._log.flush()
        except OSError as error:
            self.problem = error.strerror or str(error)

    def finish(self) -> None:
        self._thread.join()

    def text(self) -> str:
        return self._end.decode(errors="replace")


def _last_words(text: str) -> str:
    """The end of `text` as a person can read it: few lines, none of them long, control characters escaped."""
    lines = [printable(line) for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line[:_WIDTH]}…" if len(line) > _WIDTH else f"  {line}" for line in lines[-_LINES:])
