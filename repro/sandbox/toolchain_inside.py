"""The part of laying out a toolchain that runs inside the sandbox; standard library only."""

from __future__ import annotations

import contextlib
import os
import shutil
import time


def finish(absent: list[str], links: dict[str, str], libraries: dict[str, str]) -> None:
    """Make a root that was only unpacked usable: accounts, links, temporary folders, preloadable libraries."""
    for name in absent:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"/usr/bin/{name}")
    for path, target in links.items():
        if not os.path.lexists(path):
            os.symlink(target, path)
    for name in ("passwd", "group"):  # base-passwd's postinst copies these
        shutil.copyfile(f"/usr/share/base-passwd/{name}.master", f"/etc/{name}")
    temporary_folders()
    for copy, library in libraries.items():
        place(copy, library)


def temporary_folders() -> None:
    for folder in ("/tmp", "/var/tmp"):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o1777)


def place(copy: str, library: str) -> None:
    """Copy `library` to `copy`, through links, executable by all."""
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    shutil.copyfile(library, copy)
    os.chmod(copy, 0o755)


def make_folder(path: str) -> None:
    os.makedirs(path, 0o755)


def wait_for_mount(path: str, seconds: float = 10) -> None:
    """Return once something is mounted at `path`. Raises TimeoutError where nothing comes."""
    deadline = time.monotonic() + seconds
    while not os.path.ismount(path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing was mounted at {path}")
        time.sleep(0.02)


def charmap(locale: str) -> str:
    """The character set of `locale` by glibc's own list of those that it supports; empty where it is not there."""
    with open("/usr/share/i18n/SUPPORTED", encoding="ascii") as file:
        return dict(line.split() for line in file if len(line.split()) == 2).get(locale, "")
