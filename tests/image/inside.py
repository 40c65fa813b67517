"""Runs inside a sandbox: plants trees and says what is in them. Standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat


def plant(tree: str, entries: list[list[str]]) -> None:
    """A fresh tree at `tree`. Each entry is path, kind (dir, file, link, hard, fifo), content or target, mode."""
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    for path, kind, content, mode in entries:
        place = f"{tree}/{path}"
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if kind == "dir":
            os.makedirs(place, exist_ok=True)
        elif kind == "link":
            os.symlink(content, place)
            continue
        elif kind == "hard":
            os.link(f"{tree}/{content}", place)
            continue
        elif kind == "fifo":
            os.mkfifo(place)
        else:
            with open(place, "wb") as file:
                file.write(content.encode("latin-1"))
        os.chmod(place, int(mode or "0", 8) or (0o755 if kind == "dir" else 0o644))


def own(path: str, uid: int, gid: int) -> None:
    os.chown(path, uid, gid)


def facts(tree: str) -> dict[str, list[object]]:
    """What is below `tree`: path → kind and mode, owner, content's digest or target, how many names it has."""
    found: dict[str, list[object]] = {}
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            links = 0 if stat.S_ISDIR(status.st_mode) else status.st_nlink
            owner = [status.st_uid, status.st_gid]
            found[os.path.relpath(path, tree)] = [oct(status.st_mode), owner, content, links]
    return found


def read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode("latin-1")
