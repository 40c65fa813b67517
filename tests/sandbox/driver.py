"""A process that opens a sandbox and does with it what is asked on its standard input; see `tests.sandbox.world`.

Started by root it first becomes the user that it is told, in a mount namespace where that user can read what it
needs (a checkout or a Python in root's home folder is closed to others).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import resource
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from repro.model import lock as locks  # noqa: E402
from repro.sandbox import kernel, toolchain  # noqa: E402
from repro.sandbox.backend import choose  # noqa: E402
from repro.sandbox.environment import Environment  # noqa: E402
from repro.sandbox.session import Session, open_session  # noqa: E402
from repro.sandbox.variations import unavailable, vary  # noqa: E402
from repro.store import Store  # noqa: E402
from repro.system.progress import Null  # noqa: E402

MODULES = (toolchain.MODULE, toolchain.UNPACK, "repro.image.root_inside", "repro.image.normalize")
MANY = 1100  # descriptors open in the caller of a sandbox


def become(name: str, uid: int, gid: int, paths: list[str]) -> None:
    """Make `paths` readable in a mount namespace of our own, then be the user `name` for good."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    if os.path.exists("/dev/fuse"):
        open_fuse()
    closed: dict[str, list[str]] = {}
    for path in sorted({os.path.realpath(path) for path in paths}):
        if top := closed_ancestor(path):
            closed.setdefault(top, []).append(path)
    for top, inside in closed.items():
        outermost = [path for path in inside if not any(path.startswith(f"{other}/") for other in inside)]
        with tempfile.TemporaryDirectory() as stage:
            for number, path in enumerate(outermost):
                os.mkdir(f"{stage}/{number}")
                kernel.mount(path, f"{stage}/{number}", flags=kernel.MS_BIND | kernel.MS_REC)
            kernel.mount("tmpfs", top, "tmpfs", options="mode=755")
            for number, path in enumerate(outermost):
                os.makedirs(path)
                kernel.mount(f"{stage}/{number}", path, flags=kernel.MS_BIND | kernel.MS_REC)
                kernel.umount(f"{stage}/{number}")
    os.initgroups(name, gid)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def open_fuse() -> None:
    """A /dev/fuse for everybody, as udev makes it and bare machines do not have it."""
    with tempfile.TemporaryDirectory() as stage:
        kernel.mount("tmpfs", stage, "tmpfs")
        os.mknod(f"{stage}/fuse", 0o020666, os.stat("/dev/fuse").st_rdev)
        os.chmod(f"{stage}/fuse", 0o666)
        kernel.mount(f"{stage}/fuse", "/dev/fuse", flags=kernel.MS_BIND)
        kernel.umount(stage)


def closed_ancestor(path: str) -> str:
    """The topmost folder on the way to `path` (or itself) that others may not enter; empty where all may."""
    for folder in [*reversed(Path(path).parents), Path(path)]:
        if folder.is_dir() and not folder.stat().st_mode & 0o001:
            return str(folder)
    return ""


def be_a_strange_caller() -> None:
    """Things that a careless caller has about it, none of which may reach the inside."""
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    if raise_limits(MANY + 100):
        for _ in range(MANY):
            os.set_inheritable(os.open(__file__, os.O_RDONLY), True)


def raise_limits(wanted: int) -> bool:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_STACK, (16 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return True


class Driver:
    """What can be asked."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.run, self.call, self.daemon = session.run, session.call, session.daemon
        self.populate, self.depopulate = session.populate, session.depopulate

    def ping(self) -> int:
        return os.getpid()

    def preloads(self) -> dict[str, str]:
        return toolchain.preloads(self.session)

    def unavailable(self, factor: str) -> str:
        return unavailable(factor)

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        self.session.put_bytes(data, path, mode)

    def get(self, path: str) -> bytes:
        with tempfile.TemporaryFile() as target:
            self.session.get(path, target)
            target.seek(0)
            return target.read()

    def unpack(self, data: bytes, folder: str) -> int:
        with tempfile.TemporaryFile() as package:
            package.write(data)
            package.seek(0)
            return self.session.unpack(package, folder)


def serve(config: Mapping[str, Any], requests: IO[bytes], answers: IO[bytes]) -> None:
    lock = locks.decode((ROOT / "recipes/minimal/recipe.lock").read_text(), "recipe.lock")
    store = Store(Path(config["store"]))
    environment = vary(Environment(lock.source_date_epoch), config["factors"])
    packages = [p for p in lock.toolchain if not config["only"] or p.name in config["only"]]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(config["log"], "wb"))
        session = stack.enter_context(
            open_session(
                environment,
                choose(config["backend"]),
                log=log,
                preload=MODULES,
                timeout=config["timeout"],
                size=config["size"],
                fuse=environment.directory_order != "native",
            )
        )
        toolchain.install(session, packages, lambda p: store.open_verified(p.sha256, p.size), Null())
        driver = Driver(session)
        answer: Any = "ready"
        while True:
            pickle.dump(answer, answers)
            answers.flush()
            try:
                name, args, kwargs = pickle.load(requests)
            except EOFError:
                return
            try:
                answer = getattr(driver, name)(*args, **kwargs)
            except Exception as error:
                answer = error


def main() -> None:
    config = json.loads(sys.argv[1])
    if user := config.pop("user"):
        become(user["name"], user["uid"], user["gid"], user["paths"])
        # anew, so that /proc/self belongs to the user
        os.execv(sys.executable, [sys.executable, "-B", __file__, json.dumps({**config, "user": None})])
    kernel.die_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what prints by mistake does not end among the answers
    be_a_strange_caller()
    try:
        serve(config, io.BufferedReader(io.FileIO(0)), answers)
    except Exception as error:
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(error, answers)
            answers.flush()


if __name__ == "__main__":
    main()
