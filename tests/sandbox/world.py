"""Sandboxes for tests, each opened by a process of its own (`driver`), as root or as an ordinary user."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pickle
import pwd
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from repro.model import lock as locks
from repro.model.lock import Lock
from repro.sandbox.backend import NAMES, RANGE, missing
from repro.sandbox.session import Ran
from tests.sandbox.driver import ROOT

RECIPE_LOCK = ROOT / "recipes/minimal/recipe.lock"
DRIVER = Path(__file__).with_name("driver.py")
# Enough of the toolchain for a shell, its usual programs and Perl; with LIGHT also for Python, and what fakes times
# and orders.
TINY = (
    *("base-passwd", "coreutils", "dash", "fakeroot", "libacl1", "libattr1", "libc6", "libcrypt1", "libfakeroot"),
    *("libfaketime", "libgcc-s1", "libgmp10", "libpcre2-8-0", "libselinux1", "libssl3", "perl-base"),
)
LIGHT = (
    *TINY,
    *(
        "bash",
        "disorderfs",
        "faketime",
        "findutils",
        "fuse",
        "gzip",
        "libc-bin",
        "libc-l10n",
        "locales",
        "libexpat1",
        "libffi8",
        "libfuse2",
    ),
    *("libpython3.11-minimal", "libpython3.11-stdlib", "libstdc++6", "libtinfo6", "python3-minimal"),
    *("python3.11-minimal", "tar", "zlib1g"),
)
# What a shell that somebody works in may have set, and no build may see.
STRANGE = {
    "SECRET_TOKEN": "hunter2",
    "LD_LIBRARY_PATH": "/nonexistent",
    "PERL5OPT": "-w",
    "PYTHONSTARTUP": "/nonexistent",
    "LC_ALL": "tr_TR.UTF-8",
    "LANGUAGE": "tr",
    "TZ": "Asia/Tokyo",
    "SOURCE_DATE_EPOCH": "1",
    "TMPDIR": "/tmp",
    "CFLAGS": "-O0",
    "MAKEFLAGS": "-j9",
    "GZIP": "-1",
    "TAR_OPTIONS": "--owner=me",
    "XZ_OPT": "-0",
    "DPKG_ROOT": "/nonexistent",
    "APT_CONFIG": "/nonexistent",
}


@dataclass(frozen=True)
class User:
    """An ordinary user of this host."""

    name: str
    uid: int
    gid: int


def minimal_lock() -> Lock:
    return locks.decode(RECIPE_LOCK.read_text(), str(RECIPE_LOCK))


def user_with_ids() -> User | None:
    """A user that has subordinate ids: the caller, or, for root, any; in CI one is made where there is none.

    One test process at a time looks and makes: each would make a user of its own, or find the accounts locked.
    """
    with open(Path(tempfile.gettempdir(), f"repro-test-user-{os.geteuid()}"), "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return _found_or_made()


def _found_or_made() -> User | None:
    owners = _owners("/etc/subuid") & _owners("/etc/subgid")
    if os.geteuid():
        account = pwd.getpwuid(os.geteuid())
        return User(account.pw_name, account.pw_uid, account.pw_gid) if account.pw_name in owners else None
    for account in pwd.getpwall():
        if account.pw_uid and account.pw_name in owners:
            return User(account.pw_name, account.pw_uid, account.pw_gid)
    if os.environ.get("CI") != "true":
        return None
    name, ids = "repro-test", f"{_free_ids()}-{_free_ids() + RANGE - 1}"
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        name = f"{name}-{uuid.uuid4().hex[:6]}"
    subprocess.run(["useradd", "--system", "--create-home", name], check=True)
    subprocess.run(["usermod", "--add-subuids", ids, "--add-subgids", ids, name], check=True)
    account = pwd.getpwnam(name)
    return User(name, account.pw_uid, account.pw_gid)


def _rows(file: str) -> list[list[str]]:
    try:
        return [line.split(":") for line in Path(file).read_text().splitlines() if line.count(":") == 2]
    except OSError:
        return []


def _owners(file: str) -> set[str]:
    return {name for name, _, count in _rows(file) if int(count) >= RANGE}


def _free_ids() -> int:
    """The first id after all that /etc/subuid and /etc/subgid give away."""
    ends = [int(first) + int(count) for file in ("/etc/subuid", "/etc/subgid") for _, first, count in _rows(file)]
    return max([100000, *ends])


class Sandbox:
    """A sandbox held open by a driver. Its methods are those of `driver.Driver`; errors come over as themselves."""

    def __init__(self, backend: str, store: Path, user: User | None, folder: Path, **how: Any) -> None:
        self.mark = f"mark-{uuid.uuid4().hex}"
        self.backend = backend
        folder.chmod(0o777)
        self.log = folder / f"{uuid.uuid4().hex}.log"  # not the mark: it is on the driver's command line
        paths = [sys.prefix, sys.base_prefix, str(ROOT), str(store), str(folder)]
        config = {
            "backend": backend,
            "store": str(store),
            "log": str(self.log),
            "only": how.get("only", ()),
            "factors": how.get("factors", {}),
            "timeout": how.get("timeout", 60),
            "size": how.get("size", 2 << 30),
            "user": user and {**vars(user), "paths": paths},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(DRIVER), json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **STRANGE, **how.get("env", {})},
        )
        try:
            self.answer()
        except BaseException:
            self.close()
            raise

    def ask(self, name: str, *args: Any, **kwargs: Any) -> None:
        assert self.process.stdin
        pickle.dump((name, args, kwargs), self.process.stdin)
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout
        answer = pickle.load(self.process.stdout)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __getattr__(self, name: str) -> Any:
        def method(*args: Any, **kwargs: Any) -> Any:
            self.ask(name, *args, **kwargs)
            return self.answer()

        return method

    def python(self, code: str, *args: str, **how: Any) -> str:
        """What a program of the inside's Python writes."""
        ran: Ran = self.run(["/usr/bin/python3", "-I", "-S", "-c", code, *args], **how)
        return ran.output

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Factory:
    """Opens sandboxes of one backend, skipping where this host or user cannot have it."""

    backend: str
    store: Path
    user: User | None
    folder: Path
    opened: list[Sandbox] = field(default_factory=list)

    def __call__(self, **how: Any) -> Sandbox:
        sandbox = Sandbox(self.backend, self.store, self.user, self.folder, **how)
        self.opened.append(sandbox)
        return sandbox

    def close(self) -> None:
        for sandbox in self.opened:
            sandbox.close()


def require(backend: str, user: User | None) -> None:
    """Skip where `backend` cannot be tried on this host by `user` (None: by ourselves)."""
    assert backend in NAMES
    if backend == "root" and os.geteuid():
        pytest.skip("host: only root can try the backend root")
    if backend == "subuid" and (user is None or (os.geteuid() and missing("subuid"))):
        pytest.skip("host: no user with subordinate ids")


def marked(mark: str) -> list[int]:
    """The ids, on the host, of the processes whose command line holds `mark`."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                    found.append(int(name))
    return found


def gone(mark: str, seconds: float = 10) -> bool:
    """Whether all processes with `mark` end within `seconds`."""
    return until(lambda: not marked(mark), seconds)


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
