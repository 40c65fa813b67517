"""The part of a lent room that runs inside the sandbox."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import tarfile
from collections.abc import Iterator

from repro.sandbox.unpack import unpack_tar

Facts = list[str | int]  # kind and mode, and what is in it


def furnish(archive: str) -> None:
    """Lay the root tree in the tar `archive` out at `/`."""
    unpack_tar(archive, "/")
    os.unlink(archive)


def lay(archive: str, folder: str) -> dict[str, Facts]:
    """Lay the tar `archive` out in `folder`; the facts of all that is there then, by path."""
    os.makedirs(folder)
    unpack_tar(archive, folder)
    os.unlink(archive)
    return dict(_facts(folder))


def collect(top: str, folder: str, patterns: list[str], before: dict[str, Facts], archive: str) -> int:
    """Write to the tar `archive` what matches `patterns`, which start at `folder` and end below `top`, or all in
    `folder` that is not as it was `before`; how many there are. Times are left out: they are those of the clock."""
    names = _matching(top, folder, patterns) if patterns else _changed(folder, before)
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as made:
        for name in names:
            made.add(os.path.join(folder, name), arcname=name, recursive=False, filter=_timeless)
    return len(names)


def _matching(top: str, folder: str, patterns: list[str]) -> list[str]:
    found: set[str] = set()
    for pattern in patterns:
        for name in glob.glob(pattern, root_dir=folder, recursive=True, include_hidden=True):
            path = os.path.normpath(os.path.join(folder, name))
            if path.startswith(f"{top}/"):
                found.update(_below(folder, os.path.relpath(path, folder)))
    return sorted(found)


def _below(folder: str, name: str) -> Iterator[str]:
    yield name
    path = os.path.join(folder, name)
    if os.path.isdir(path) and not os.path.islink(path):
        for entry in os.listdir(path):
            yield from _below(folder, os.path.join(name, entry))


def _changed(folder: str, before: dict[str, Facts]) -> list[str]:
    return sorted(name for name, facts in _facts(folder) if before.get(name) != facts)


def _facts(folder: str) -> Iterator[tuple[str, Facts]]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                status = os.lstat(path)
                yield os.path.relpath(path, folder), [status.st_mode, _content(path)]


def _content(path: str) -> str:
    if os.path.islink(path):
        return os.readlink(path)
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _timeless(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.mtime = 0
    return entry if entry.isreg() or entry.isdir() or entry.issym() or entry.islnk() else None
