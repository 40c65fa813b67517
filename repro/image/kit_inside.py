"""The part of making an upgrade kit that runs inside the sandbox: standard library only."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from typing import Any

from repro.image.files_inside import digest

_FILES = "files"  # folder of a kit whose files go to the same paths of the medium

Facts = tuple[Any, ...]


def delta(old: str, new: str, target: str) -> None:
    """Write to the tar `target` what has to lie over the tree in the tar `old` to make it that in the tar `new`:
    members that are not the same, the folders above them, and a whiteout for each that is gone.

    Hard links come with all their group, so that none leads nowhere.
    """
    with tarfile.open(old) as before, tarfile.open(new) as after:
        was, now = dict(_facts(before)), dict(_facts(after))
        members = {_path(member): member for member in after}
        changed = {path for path in now if now[path] != was.get(path)}
        groups: dict[str, set[str]] = {}
        for path, member in members.items():
            if member.islnk():
                groups.setdefault(os.path.normpath(member.linkname), set()).add(path)
        for first, others in groups.items():
            if not changed.isdisjoint({first, *others}):
                changed |= {first, *others}
        gone = [path for path in was if path not in now and _is_folder(now, os.path.dirname(path))]
        for path in (*changed, *gone):
            while path := os.path.dirname(path):
                changed.add(path)
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            for path, member in members.items():
                if path in changed:
                    archive.addfile(member, after.extractfile(member) if member.isreg() else None)
            for path in sorted(gone):
                archive.addfile(_whiteout(path))


def gather(medium: str, known: dict[str, str], layer: str, path: str, kit: str) -> list[tuple[str, int, str]]:
    """Lay into the folder `kit` the files of `medium` but its squashfs whose SHA-256 is not `known` by path, and
    `layer` at `path`; path, size and SHA-256 of each, sorted by path."""
    wanted = {path: layer}
    for folder, _, names in os.walk(medium):
        for name in names:
            there = os.path.join(folder, name)
            relative = os.path.relpath(there, medium)
            if relative != "live/filesystem.squashfs" and known.get(relative) != digest(there)[0]:
                wanted[relative] = there
    found = []
    for relative, source in sorted(wanted.items()):
        goal = os.path.join(kit, _FILES, relative)
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        os.link(source, goal)
        sha256, size = digest(goal)
        found.append((relative, size, sha256))
    return found


def _facts(tree: tarfile.TarFile) -> Iterator[tuple[str, Facts]]:
    """Of each member of a tree all that makes it what it is, but for which others are the same file."""
    seen: dict[str, Facts] = {}
    for member in tree:
        path = _path(member)
        if member.islnk():
            facts = seen[os.path.normpath(member.linkname)]
        else:
            xattrs = tuple(sorted((k, v) for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")))
            content = _digest(tree, member) if member.isreg() else member.linkname
            kind = b"0" if member.isreg() else member.type
            device = (member.devmajor, member.devminor) if member.ischr() or member.isblk() else ()
            facts = kind, member.mode, member.uid, member.gid, member.mtime, content, device, xattrs
        seen[path] = facts
        yield path, facts


def _digest(tree: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tree.extractfile(member)
    assert file is not None
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto


def _path(member: tarfile.TarInfo) -> str:
    return "" if member.name == "." else os.path.normpath(member.name)


def _is_folder(facts: dict[str, Facts], path: str) -> bool:
    return path in facts and facts[path][0] == tarfile.DIRTYPE


def _whiteout(path: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"./{path}")
    member.type, member.mode = tarfile.CHRTYPE, 0
    return member
