"""The directory records of whole trees as structures: the primary volume's, and those of volumes that repeat it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial

from repro.formats.base import DERIVED, Malformed, Structure
from repro.formats.iso_directories import (
    DIRECTORY,
    PARENT,
    SELF,
    Directory,
    Record,
    Tree,
    record_at,
    records,
    wide_name,
)
from repro.formats.iso_records import Records
from repro.model.text import printable


def primary(tree: Tree, names: Mapping[int, str], kind: Records, continued: Container[int]) -> Iterator[Structure]:
    """The records of the tree whose members have `names`, by the byte where their record starts.

    `continued`: where directories start whose records go on elsewhere; their records are named in any case.
    """
    parents = {directory.record.at: directory.parent for directory in tree.values()}

    def fields(directory: Directory) -> Iterator[Structure]:
        for found in _records(directory, kind):
            repeats: Callable[[], bool] | None = None
            if found.identifier == SELF:
                of = directory.inside(".")
                if directory.path != ".":
                    repeats = partial(kind.same, found.at, directory.record.at)
            elif found.identifier == PARENT:
                above = parents.get(directory.parent, directory.parent)
                of, repeats = directory.inside(".."), partial(kind.same, found.at, directory.parent, above)
            else:
                of = names.get(found.at) or directory.inside(printable(found.identifier.decode("ascii", "replace")))
            yield from kind.structures(found.at, of, repeats)

    for start, directory in tree.items():
        if start in continued:
            yield from fields(directory)
        else:
            yield _region(directory, kind, directory.path, partial(fields, directory))


def _records(directory: Directory, kind: Records) -> Iterator[Record]:
    with suppress(Malformed):
        yield from records(kind.view, directory.record, kind.block)


def _region(directory: Directory, kind: Records, of: str, fields: Callable[[], Iterator[Structure]]) -> Structure:
    """A directory as one region, whose records are looked at only where it differs."""
    start = directory.record.start
    end = min(start + directory.record.size, len(kind.view))

    def padded() -> bool:
        inside = [(found.at, found.at + kind.view[found.at]) for found in _records(directory, kind)]
        ends = [start, *(stop for _, stop in inside)]
        return not any(any(kind.view[a:b]) for a, b in zip(ends, [*(at for at, _ in inside), end], strict=True))

    return Structure(start, end, f"{kind.prefix}directories", DERIVED, None, of, padded, fields)


@dataclass
class Repeated:
    """A tree (Joliet's) whose files are those of the primary tree, and its records again their records."""

    tree: Tree
    kind: Records
    primary: Tree
    names: Mapping[int, str]
    number: str

    def structures(self) -> Iterator[Structure]:
        for directory in self.tree.values():
            of = self._named(directory.path)
            yield _region(directory, self.kind, of, partial(self._fields, directory))

    def _fields(self, directory: Directory) -> Iterator[Structure]:
        for found in _records(directory, self.kind):
            below = found.identifier not in (SELF, PARENT)
            name = wide_name(found) if below else "." * (1 + found.identifier[0])
            of = directory.inside(name)
            repeats = partial(self._repeats, found, of if below else directory.path)
            yield from self.kind.structures(found.at, self._named(of), repeats)

    def _named(self, path: str) -> str:
        return f"{path} (volume {self.number})" if self.number else path

    def _repeats(self, found: Record, path: str) -> bool:
        """Whether a record of the primary tree of the same file, or of the directory `path` or above, says the same."""
        facts = self.kind.facts
        if found.flags & DIRECTORY:
            above = [path]
            while found.identifier == PARENT and above[-1] != ".":
                above.append(above[-1].rpartition("/")[0] or ".")
            twins = [self._directories[each] for each in above if each in self._directories]
            twins = twins or list(self._directories.values())
        else:
            twins = self._files.get(found.start, [])
        with suppress(Malformed):
            return facts(found.at) in [facts(at) for at in twins]
        return False

    @cached_property
    def _directories(self) -> dict[str, int]:
        return {directory.path: directory.record.at for directory in self.primary.values()}

    @cached_property
    def _files(self) -> dict[int, list[int]]:
        """The primary tree's records by where their files start."""
        starts: dict[int, list[int]] = {}
        for at in self.names:
            with suppress(Malformed):
                starts.setdefault(record_at(self.kind.view, at, self.kind.block).start, []).append(at)
        return starts
