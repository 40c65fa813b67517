"""Which normalizers would change a root tree, and which it does without: nothing is unpacked and nothing changed."""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from debian.deb822 import Packages
from debian.debian_support import Version

from repro import formats
from repro.compare import content
from repro.compare.budget import Budget, Limits
from repro.compare.owners import STATUS
from repro.formats.base import DIRECTORY, FILE, Container, Member
from repro.image.normalize import changes, matches
from repro.image.normalizers import NORMALIZERS
from repro.image.steps import CLAMPED_TIMES
from repro.model.errors import Inconclusive, InvalidInput
from repro.model.lint import Finding, Fixed, Lint, Linted

_LARGEST = 64 << 20  # bytes of a file that is read
_DEPTH = 4  # containers in each other
_SMALLEST = 1 << 16  # bytes of a root tree in an image


@dataclass(frozen=True)
class Entry:
    """A path of a tree: whether it is a regular file, how to read it, and its time in seconds since 1970."""

    regular: bool
    read: Callable[[], bytes]
    mtime: int


def lint(path: Path, epoch: int | None, scratch: Path) -> Lint:
    """The root trees in the folder or image at `path`, judged by `epoch` (None: the newest time in each).

    `scratch` is a folder for what has to be decompressed. Raises InvalidInput where there is nothing at `path`,
    Inconclusive where it holds no root tree or cannot be read.
    """
    try:
        if path.is_dir():
            return Lint(path.name, (_linted((), _on_disk(path), epoch),))
        with open(path, "rb") as stream:
            view = content.mapped(stream)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    trees = tuple(_linted(*found, epoch) for found in _Search(scratch).trees((), view, 0))
    if not trees:
        raise Inconclusive(f"{path} holds no root tree", hint="give a folder, a squashfs, a tar or an image of one")
    return Lint(path.name, trees)


def _linted(location: tuple[str, ...], entries: Mapping[str, Entry], epoch: int | None) -> Linted:
    as_of = max((entry.mtime for entry in entries.values()), default=0) if epoch is None else epoch
    stale = tuple(_stale(entries))
    done_without = {each.normalizer for each in stale}
    changed = changes(_Entries(entries), as_of)
    if late := sorted(path for path, entry in entries.items() if entry.mtime > as_of):
        changed[CLAMPED_TIMES.name] = late
    reasons = {each.name: each.reason for each in (*NORMALIZERS, CLAMPED_TIMES)}
    findings = (
        Finding(name, reasons[name], tuple(sorted(paths)), name not in done_without) for name, paths in changed.items()
    )
    return Linted(location, len(entries), as_of, tuple(findings), stale)


def _stale(entries: Mapping[str, Entry]) -> Iterator[Fixed]:
    """The normalizers that the packages of a tree do without, by dpkg's status."""
    installed = dict(_installed(entries[STATUS].read())) if STATUS in entries else {}
    for normalizer in NORMALIZERS:
        package, since = normalizer.fixed
        version = installed.get(package, "")
        with suppress(ValueError):  # a version that is none
            if version and Version(version) >= Version(since):
                yield Fixed(normalizer.name, package, version, since)


def _installed(status: bytes) -> Iterator[tuple[str, str]]:
    wanted = {normalizer.fixed[0] for normalizer in NORMALIZERS}
    for stanza in Packages.iter_paragraphs(status, use_apt_pkg=False, fields=["Package", "Version", "Status"]):
        if stanza.get("Package") in wanted and stanza.get("Status", "").endswith(" installed"):
            yield str(stanza["Package"]), str(stanza.get("Version", ""))


class _Entries:
    """A tree that is only looked at: what would go has gone for the normalizers that come later."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries, self._names = entries, sorted(entries)
        self._gone: set[str] = set()

    def matching(self, pattern: str) -> Iterable[str]:
        literal = pattern[: min((pattern.find(sign) for sign in "*?[" if sign in pattern), default=len(pattern))]
        for number in range(bisect_left(self._names, literal), len(self._names)):
            name = self._names[number]
            if not name.startswith(literal):
                return
            if matches(pattern, name):
                yield name

    def regular(self, path: str) -> bool | None:
        above = path
        while above:
            if above in self._gone:
                return None
            above = above.rpartition("/")[0]
        return self._entries[path].regular

    def read(self, path: str) -> bytes:
        return self._entries[path].read()

    def remove(self, path: str) -> None:
        self._gone.add(path)

    def write(self, path: str, data: bytes) -> None:
        """Nothing: this tree is only looked at."""


def _on_disk(top: Path) -> dict[str, Entry]:
    """What is below the folder `top`; no link is followed. Raises OSError."""
    found = {}
    for folder, folders, files in os.walk(top, onerror=_fail):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            regular = stat.S_ISREG(status.st_mode)
            found[os.path.relpath(path, top)] = Entry(regular, partial(_read, path), int(status.st_mtime))
    return found


def _read(path: str) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(_LARGEST)


def _fail(error: OSError) -> None:
    raise error


class _Search:
    """Looks for root trees in containers in containers."""

    def __init__(self, scratch: Path) -> None:
        self._budget, self._scratch = Budget(Limits()), scratch

    def trees(
        self, location: tuple[str, ...], view: memoryview, depth: int
    ) -> Iterator[tuple[tuple[str, ...], dict[str, Entry]]]:
        container = formats.opened(view)
        if container is None or depth > _DEPTH:
            return
        members = list(self._members(container))
        if container.problems.found:
            name, why = container.problems.found[0]
            raise Inconclusive(f"{' → '.join((*location, name)) or 'the image'} cannot be read: {why}")
        names = {member.name for member in members}
        if STATUS in names or {"etc", "usr", "var"} <= names:
            yield location, {member.name: self._entry(member) for member in members if member.name != "."}
            return
        for member in members:
            if member.content is not None and member.content.size >= _SMALLEST:
                inside = content.within_reach(member.content, self._budget, self._scratch)
                place = location if container.format == "stream" else (*location, member.name)
                yield from self.trees(place, inside, depth + 1)

    def _members(self, container: Container) -> Iterator[Member]:
        for member in container.members():
            self._budget.member()
            yield member

    def _entry(self, member: Member) -> Entry:
        # a hard link of a tar bears no content of its own
        regular = member.kind == FILE and member.content is not None
        mtime = member.mtime if isinstance(member.mtime, int) and member.kind in (FILE, DIRECTORY) else 0
        return Entry(regular, partial(self._bytes, member), mtime)

    def _bytes(self, member: Member) -> bytes:
        if member.content is None or member.content.size > _LARGEST:
            return b""
        return bytes(content.within_reach(member.content, self._budget, self._scratch))
