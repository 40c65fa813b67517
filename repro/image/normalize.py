"""Running the normalizers: over a tree on disk, where they change it, or over any other, where they only say what they
would. The engine goes into the sandbox, chrooted into the tree: standard library only, and no path leaves the tree.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from repro.image.normalizers import NORMALIZERS, Normalizer


class Tree(Protocol):
    """A root tree: paths are relative, without a leading slash."""

    def matching(self, pattern: str) -> Iterable[str]:
        """The paths that match a pattern of a normalizer; no symbolic link is followed on the way."""
        ...

    def regular(self, path: str) -> bool | None:
        """Whether `path` is a regular file; None where it is not there (any more)."""
        ...

    def read(self, path: str) -> bytes: ...

    def remove(self, path: str) -> None: ...

    def write(self, path: str, data: bytes) -> None: ...


def normalize(epoch: int, apply: bool = True, without: Sequence[str] = ()) -> dict[str, list[str]]:
    """Run every normalizer but those `without` on the tree at `/`: changed paths by normalizer's name."""
    changed = changes(Disk(apply), epoch, without)
    return {name: sorted(paths) for name, paths in changed.items()}


def changes(tree: Tree, epoch: int, without: Sequence[str] = ()) -> dict[str, list[str]]:
    """What every normalizer but those `without` does to `tree`: changed paths by normalizer's name."""
    changed: dict[str, list[str]] = {}
    for normalizer in NORMALIZERS:
        if normalizer.name not in without:
            for path in _changed(tree, normalizer, epoch):
                changed.setdefault(normalizer.name, []).append(path)
    return changed


def _changed(tree: Tree, normalizer: Normalizer, epoch: int) -> Iterator[str]:
    for pattern in normalizer.patterns:
        # the deepest first, so that what a folder holds is reported before the folder goes
        for path in sorted(tree.matching(pattern), reverse=True):
            regular = tree.regular(path)
            if regular is None:
                continue
            if normalizer.wanted is None:
                tree.remove(path)
                yield path
            elif regular:
                old = tree.read(path)
                new = normalizer.wanted(old, epoch)
                if new is None:
                    tree.remove(path)
                elif new != old:
                    tree.write(path, new)
                if new != old:
                    yield path


class Disk:
    """The tree at the working directory; nothing is changed where `apply` is false."""

    def __init__(self, apply: bool) -> None:
        self._apply = apply

    def matching(self, pattern: str) -> Iterable[str]:
        if "**" not in pattern:
            return _glob(".", pattern.split("/"))
        top, _, rest = pattern.partition("/**")
        return [path for start in _glob(".", top.split("/")) for path in _below(start, rest.lstrip("/") or "*")]

    def regular(self, path: str) -> bool | None:
        return stat.S_ISREG(os.lstat(path).st_mode) if os.path.lexists(path) else None

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def remove(self, path: str) -> None:
        if self._apply:
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)

    def write(self, path: str, data: bytes) -> None:
        """In place: owner, mode and links stay."""
        if self._apply:
            with open(path, "r+b") as file:
                file.write(data)
                file.truncate()


def matches(pattern: str, path: str) -> bool:
    """Whether `Disk.matching` finds `path` by `pattern`, where no symbolic link is on the way."""
    top, deep, rest = pattern.partition("/**")
    parts, names = top.split("/"), path.split("/")
    if len(names) != len(parts) and not (deep and len(names) > len(parts)):
        return False
    if deep and len(names) == len(parts):
        return False  # the folder itself
    last = rest.lstrip("/") or "*"
    return all(map(fnmatchcase, names, parts)) and (not deep or fnmatchcase(names[-1], last))


def _glob(folder: str, parts: list[str]) -> list[str]:
    """Paths below `folder` whose components match `parts`; no symbolic link is followed on the way."""
    try:
        names = sorted(os.listdir(folder))
    except (NotADirectoryError, FileNotFoundError):
        return []
    found = [os.path.normpath(os.path.join(folder, name)) for name in names if fnmatchcase(name, parts[0])]
    if len(parts) == 1:
        return found
    return [path for start in found if not os.path.islink(start) for path in _glob(start, parts[1:])]


def _below(top: str, name_pattern: str) -> list[str]:
    """Everything below `top`, not itself, whose file name matches; symbolic links are not followed."""
    if os.path.islink(top):
        return []
    return [
        os.path.join(folder, name)
        for folder, folders, files in os.walk(top)
        for name in (*folders, *files)
        if fnmatchcase(name, name_pattern)
    ]
