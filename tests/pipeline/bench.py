"""Running `repro` from clones of the project, as oneself or as an ordinary user, and looking at what it left behind."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.users import ROOT

# A process that a shell put into the background ignores SIGINT and would hand that down to us.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom repro.cli.main import main; main()"
)
# An ordinary user that is known in a mount namespace of our own only: the host's accounts stay as they are.
USER, UID, IDS = "repro-test", 61234, 1_600_000_000
_DISGUISE = (
    'for file in passwd subuid subgid; do mount --bind "$0/$file" "/etc/$file"; done; uid=$1; shift; '
    'exec setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@"'
)
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "pip*", "setuptools*", "mypy*", "*mypyc*", "ruff*", "hypothesis*")

TINY = """\
schema = "repro/recipe/v1"
summary = "The essential packages, and no kernel that would boot"
pins = "bookworm"
architecture = "amd64"
packages = ["usr-is-merged"]
outputs = ["squashfs", "iso", "usb", "tar", "oci"]
volume = "TINY"
"""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Person:
    """Who runs `repro`: `python` is one that they may run, `prefix` what makes a command theirs."""

    name: str
    python: str
    prefix: tuple[str, ...] = ()
    uid: int = os.getuid()


class Clone:
    """A copy of the program and of the pins in `folder`, with the recipes that a test writes into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "repro", folder / "repro", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "snapshots", folder / "snapshots")
        self.recipe("tiny", TINY)
        for name in ("vmlinuz-0", "initrd.img-0"):
            self.write(f"recipes/tiny/overlay/boot/{name}", name * 1000)

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)
        return target

    def recipe(self, name: str, text: str) -> None:
        self.write(f"recipes/{name}/recipe.toml", text)

    def lock_like(self, other: str, name: str) -> None:
        """Give the recipe `name`, which asks for the same packages, the lock of `other`."""
        text = (self.folder / f"recipes/{other}/recipe.lock").read_text(encoding="utf-8")
        self.write(f"recipes/{name}/recipe.lock", text.replace(f'recipe = "{other}"', f'recipe = "{name}"'))

    def project(self, name: str) -> None:
        """Take the recipe `name` of the project itself, as it is."""
        shutil.copytree(ROOT / "recipes" / name, self.folder / "recipes" / name, dirs_exist_ok=True)


class Bench:
    """A folder that all users may read, with the programs, stores and outputs of one test session."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="repro-pipeline-"))
        self.folder.chmod(0o755)
        self.me = Person(pwd.getpwuid(os.getuid()).pw_name, sys.executable)
        self.temporary = self.new_folder("tmp")
        self.temporary.chmod(0o1777)
        self._python: Path | None = None

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_folder(self, name: str, owner: int | None = None) -> Path:
        path = self.folder / name
        path.mkdir()
        if owner is not None and os.getuid() == 0:
            os.chown(path, owner, owner)
        return path

    def clone(self, name: str) -> Clone:
        return Clone(self.folder / name)

    def clone_store(self, store: Path, name: str, owner: int | None = None, *, stages: bool = False) -> Path:
        """A copy of `store`: the same files by hard link, but for another owner; without the results of stages."""
        target = self.folder / name
        link = os.link if owner in (None, os.getuid()) else shutil.copy2
        for part in ("blobs", *(["stages"] if stages else [])):
            if (store / part).exists():
                shutil.copytree(store / part, target / part, copy_function=link)
        if owner is not None and os.getuid() == 0:
            for parent, folders, files in os.walk(target):
                for entry in (".", *folders, *files):
                    os.chown(os.path.join(parent, entry), owner, owner)
        return target

    def ordinary(self, number: int = 0) -> Person:
        """Somebody without privilege who has subordinate ids; another one for each `number`."""
        if os.getuid():
            return self.me
        user, uid, ids = f"{USER}{number or ''}", UID + number, IDS + 65536 * number
        faces = self.new_folder(f"faces-{number}")
        for name, line in (
            ("passwd", f"{user}:x:{uid}:{uid}::/nonexistent:/bin/sh"),
            ("subuid", f"{user}:{ids}:65536"),
            ("subgid", f"{user}:{ids}:65536"),
        ):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"/etc/{name}", faces / name)
            with open(faces / name, "a", encoding="utf-8") as file:
                file.write(f"{line}\n")
            if not os.path.exists(f"/etc/{name}"):
                pytest.skip(f"host: there is no /etc/{name} to put ours in the place of")
        prefix = ("unshare", "--mount", "sh", "-ec", _DISGUISE, str(faces), str(uid))
        self._python = self._python or self._open_python()
        person = Person(user, str(self._python / "bin" / "python"), prefix, uid)
        probe = self.run("--version", person=person, clone=self.folder)
        if probe.returncode:
            pytest.skip(f"host: no Python here that an ordinary user may run: {probe.stderr}")
        return person

    def _open_python(self) -> Path:
        """A virtual environment with our libraries, where all may read them."""
        minor = f"python3.{sys.version_info[1]}"
        library = self.folder / "library"
        shutil.copytree(sysconfig.get_path("purelib"), library, ignore=_LEFT_OUT)
        for parent, _, files in os.walk(library):
            os.chmod(parent, 0o755)
            for name in files:
                os.chmod(os.path.join(parent, name), 0o644)
        home = self.folder / "python"
        ours = os.path.realpath(sys.executable)
        # In a child, because setpriv itself starts a program with the powers that it is about to drop.
        drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "sh", "-c", '"$0" -c "import venv"']
        for python in (ours, f"/usr/bin/{minor}", f"/usr/local/bin/{minor}"):
            if subprocess.run([*drop, python], capture_output=True, check=False).returncode == 0:
                subprocess.run([python, "-m", "venv", "--without-pip", home], check=True)
                (home / "lib" / minor / "site-packages" / "library.pth").write_text(f"{library}\n")
                return home
        pytest.skip(f"host: no {minor} that an ordinary user may run")

    def command(
        self, *args: str, person: Person | None = None, store: Path | None = None, code: str = MAIN
    ) -> list[str]:
        who = person or self.me
        where = ["--store", str(store)] if store else []
        return [*who.prefix, who.python, "-B", "-c", code, "--progress", "plain", *where, *args]

    def environment(self, clone: Clone | Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key.startswith("REPRO_MIRROR") or "proxy" in key}
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        library = clone.folder if isinstance(clone, Clone) else ROOT
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/nonexistent",
            "TMPDIR": str(self.temporary),
            "XDG_CONFIG_HOME": config,
            "PYTHONPATH": str(library),
            **kept,
            **(extra or {}),
        }

    def run(
        self,
        *args: str,
        clone: Clone | Path,
        person: Person | None = None,
        store: Path | None = None,
        env: Mapping[str, str] | None = None,
        code: str = MAIN,
        timeout: float = 900,
        umask: int = -1,
        prefix: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """`repro ARGS` in the folder of `clone`, to its end."""
        return subprocess.run(
            [*prefix, *self.command(*args, person=person, store=store, code=code)],
            env=self.environment(clone, env),
            cwd=clone.folder if isinstance(clone, Clone) else clone,
            capture_output=True,
            text=True,
            timeout=timeout,
            umask=umask,
            check=False,
        )

    def start(
        self,
        *args: str,
        clone: Clone,
        person: Person | None = None,
        store: Path | None = None,
        env: Mapping[str, str] | None = None,
        code: str = MAIN,
    ) -> Running:
        """`repro ARGS` in the folder of `clone`, under way."""
        log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        process = subprocess.Popen(
            self.command(*args, person=person, store=store, code=code),
            env=self.environment(clone, env),
            cwd=clone.folder,
            stdout=log,
            stderr=log,
        )
        return Running(process, log)


@dataclass
class Running:
    """A `repro` under way; what it says on both streams goes to one file."""

    process: subprocess.Popen[bytes]
    log: Any

    def said(self) -> str:
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def wait_for(self, text: str, timeout: float = 240) -> None:
        """Return once it has said `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"it did not get as far as {text!r}: exit {self.process.wait()}\n{self.said()}")
            time.sleep(0.02)

    def end(self, number: signal.Signals) -> float:
        """Send the signal and wait for the end: seconds until then."""
        sent = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        return time.monotonic() - sent

    def finish(self, timeout: float = 900) -> int:
        return self.process.wait(timeout=timeout)


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`: id to the time at which it was started."""
    found: dict[int, str] = {}
    todo = [pid]
    while todo:
        current = todo.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{current}/task"):
                for child in Path(f"/proc/{current}/task/{task}/children").read_text().split():
                    found[int(child)] = _started(int(child))
                    todo.append(int(child))
    return found


def survivors(processes: Mapping[int, str], patience: float = 5) -> list[int]:
    """Those of `processes` that still live after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        left = [pid for pid, started in processes.items() if started and _started(pid) == started]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _started(pid: int) -> str:
    """When process `pid` was started, in ticks; nothing for one that is gone or only waits to be reaped."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]


def leavings(bench: Bench, *folders: Path) -> list[str]:
    """Temporary things that a run should have taken away, below `folders`, in $TMPDIR, and mounted anywhere below."""
    found = [str(path) for path in bench.temporary.iterdir()]
    for folder in folders:
        found += [str(path) for path in folder.rglob("*") if path.name.startswith(".building-")]
        found += [str(path) for path in folder.rglob("*.partial")]
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    return found + [line for line in mounts.splitlines() if str(bench.folder) in line]


def record(folder: Path) -> dict[str, Any]:
    """The build record that a run wrote to `folder`."""
    found = json.loads((folder / "build.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found
