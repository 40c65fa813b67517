"""Laying a .deb's files out without running anything of it, with libarchive.

A .deb is an ar archive whose member `data.tar.*` holds the files (deb(5)).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import libarchive
from libarchive import extract

_FLAGS = (
    extract.EXTRACT_PERM
    | extract.EXTRACT_TIME
    | extract.EXTRACT_SECURE_NODOTDOT
    | extract.EXTRACT_SECURE_NOABSOLUTEPATHS
)
MERGED = ("bin", "sbin", "lib", "lib64")


def merge_usr(folder: str) -> None:
    """Make `bin`, `sbin`, `lib` and `lib64` in `folder` links into `usr`, as bookworm lays them out."""
    for name in MERGED:
        os.makedirs(f"{folder}/usr/{name}", exist_ok=True)
        if not os.path.islink(f"{folder}/{name}"):
            os.symlink(f"usr/{name}", f"{folder}/{name}")


def unpack_deb(descriptor: int, folder: str) -> int:
    """Extract the files of the .deb open at `descriptor` below `folder`; how many entries there were.

    Owners are not restored: everything belongs to whoever runs this. A name that is absolute or has `..` is refused.
    Raises ValueError or ArchiveError where it is not a .deb.
    """
    os.chdir(folder)
    try:
        with libarchive.fd_reader(descriptor, format_name="ar") as package:
            for member in package:
                if member.pathname.startswith("data.tar"):
                    return _extract(b"".join(member.get_blocks()))
    finally:
        os.chdir("/")
    raise ValueError("no data.tar member: not a Debian package")


def unpack_tar(path: str, folder: str) -> int:
    """Extract the tar at `path` below `folder`, as `unpack_deb` does. Raises ArchiveError."""
    os.chdir(folder)
    try:
        names: list[str] = []
        with libarchive.file_reader(path) as files:
            extract.extract_entries(_counted(files, names), _FLAGS)
        return len(names)
    finally:
        os.chdir("/")


def _extract(data: bytes) -> int:
    names: list[str] = []
    with libarchive.memory_reader(data) as files:
        extract.extract_entries(_counted(files, names), _FLAGS)
    return len(names)


def _counted(files: Iterable[Any], names: list[str]) -> Iterator[Any]:
    for entry in files:
        names.append(entry.pathname)
        yield entry
