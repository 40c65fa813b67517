"""The part of laying out a toolchain that runs inside the sandbox; standard library only."""

from __future__ import annotations

import contextlib
import os
import shutil


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
    for folder in ("/tmp", "/var/tmp"):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o1777)
    for copy, library in libraries.items():
        place(copy, library)


def place(copy: str, library: str) -> None:
    """Copy `library` to `copy`, through links, executable by all."""
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    shutil.copyfile(library, copy)
    os.chmod(copy, 0o755)
