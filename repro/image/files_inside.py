"""Files and folders inside the sandbox, for the stages behind the root tree: standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil


def digest(path: str) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


def adopt(source: str, layout: str) -> tuple[str, int]:
    """Move `source` among the blobs of an OCI layout; its SHA-256 and size."""
    name, size = digest(source)
    os.makedirs(f"{layout}/blobs/sha256", exist_ok=True)
    os.rename(source, f"{layout}/blobs/sha256/{name}")
    return name, size


def folder(path: str) -> None:
    """An empty folder at `path`, whatever was there."""
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)


def remove(path: str) -> None:
    """The folder at `path` and all that is in it go."""
    shutil.rmtree(path)


def settle(top: str, epoch: int) -> None:
    """Modes and times of a folder as they shall be in an archive."""
    for folder, _, names in os.walk(top, topdown=False):
        for name in (*names, "."):
            path = os.path.join(folder, name)
            os.chmod(path, 0o755 if name == "." else 0o644)
            os.utime(path, (epoch, epoch))


def listing(tree: str) -> list[tuple[str, bool]]:
    """What is in `tree`: path and whether it is a folder, each folder before what is in it, sorted by name."""
    found = []
    for entry in sorted(os.scandir(tree), key=lambda entry: entry.name):
        found.append((entry.name, entry.is_dir()))
        if entry.is_dir():
            found += [(f"{entry.name}/{path}", folder) for path, folder in listing(entry.path)]
    return found


def size(tree: str, unit: int) -> int:
    """The bytes that files and folders of `tree` take in whole `unit`s, at least one each."""
    there = [os.path.join(tree, path) for path, _ in listing(tree)]
    return sum(max(unit, -(-os.stat(path).st_size // unit) * unit) for path in there)


def blank(path: str, bytes: int) -> None:
    """A file of zeros, as a hole."""
    with open(path, "wb") as file:
        file.truncate(bytes)
