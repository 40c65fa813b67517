"""A folder of statements for any web server: what it holds, and writing it anew without harming what is not ours.

statements/SHA256.intoto.json, statements/SHA256.link    the statements; everything else follows from these
index.json, index.html, artifact/SHA256.html, feed.xml   written anew each time
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from repro.attest.gather import read_regular
from repro.attest.listing import entry
from repro.attest.reading import Offered
from repro.model import publication
from repro.model.errors import IntegrityFailure, InvalidInput, Unavailable
from repro.model.publication import GENERATOR, INDEX, SCHEMA, SUFFIXES, Entry, Publication
from repro.system.progress import Observer

_STAGING = ".publishing-"
_FOLDERS = ("statements", "artifact")
_STATEMENT = re.compile(r"[0-9a-f]{64}(" + "|".join(map(re.escape, SUFFIXES.values())) + ")")
_PAGE = re.compile(r"[0-9a-f]{64}\.html")
_ELSEWHERE = "publish in another folder"
_HEAD = 4096  # bytes in which a file says who made it


def listed(offered: Iterable[Offered]) -> dict[str, tuple[Entry, bytes]]:
    """Entry and bytes of each of `offered`, by its path in the folder. Raises InvalidInput with the place of the first
    that is malformed or was refused."""
    found = ((entry(each), each.data) for each in offered)
    return {each.file: (each, data) for each, data in found}


@dataclass(frozen=True)
class Folder:
    """A folder to publish in, held against others. `before` is what it holds, with the title and address of last
    time; `gone` is how many statements its index listed that it holds no more."""

    path: Path
    before: Publication
    gone: int

    def write(self, statements: Mapping[str, bytes], pages: Iterable[tuple[str, bytes]]) -> None:
        """Write the new `statements` and all `pages`, by path in the folder; pages of ours that are not among these
        are removed. Everything is written aside first, and then takes its place file by file; what is the same
        already is not touched.

        Raises InvalidInput where a page would replace a file that is not ours, Unavailable where there is no room.
        """
        with _writing(self.path):
            _remove_leavings(self.path)
            staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.path))
            try:
                kept, changed = set(), []
                for folder in _FOLDERS:
                    (self.path / folder).mkdir(exist_ok=True)
                    (staging / folder).mkdir()
                for name, data in (*statements.items(), *pages):
                    kept.add(name)
                    if self._differs(name, data):
                        (staging / name).write_bytes(data)
                        changed.append(name)
                for name in changed:
                    os.replace(staging / name, self.path / name)
                self._remove_stale(kept)
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def _differs(self, name: str, data: bytes) -> bool:
        """Whether the file `name` has to be written. Raises InvalidInput where it is somebody else's."""
        path = self.path / name
        if not os.path.lexists(path):
            return True
        if not _ours(path):
            raise _foreign(path)
        return path.read_bytes() != data

    def _remove_stale(self, kept: set[str]) -> None:
        """Remove our pages of artifacts that no statement is about any more."""
        for page in (self.path / "artifact").iterdir():
            if _PAGE.fullmatch(page.name) and f"artifact/{page.name}" not in kept and _ours(page):
                page.unlink()


@contextmanager
def holding(path: Path, observer: Observer) -> Iterator[Folder]:
    """The folder at `path`, made where it is missing.

    Raises InvalidInput where it cannot be written, is the site of something else, or holds a malformed statement;
    IntegrityFailure where a statement is not what its name says; Unavailable while another process publishes there.
    """
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _writing(path):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Unavailable(f"another repro is publishing in {path}", hint="wait for it") from error
            before = _last_time(path)
            entries = _held(path, observer)
        files = {each.file for each in entries}
        gone = sum(each.file not in files for each in before.entries)
        yield Folder(path, replace(before, entries=entries), gone)
    finally:
        os.close(descriptor)


def _last_time(path: Path) -> Publication:
    """What the index says. Raises InvalidInput where it, or a page beside it, is not of ours."""
    for name in _FOLDERS:
        if (path / name).is_symlink():
            raise InvalidInput(f"{path / name} is a symbolic link, through which nothing is written", hint=_ELSEWHERE)
    for name in publication.PAGES:
        if os.path.lexists(path / name) and not _ours(path / name):
            raise _foreign(path / name)
    index = path / INDEX
    if not index.exists():
        return Publication(())
    try:
        return publication.decode(index.read_bytes(), str(index))
    except InvalidInput as error:
        raise InvalidInput(error.message, hint="remove it: it is written anew from the statements") from error


def _held(path: Path, observer: Observer) -> tuple[Entry, ...]:
    """What the statements of the folder say. Raises IntegrityFailure or InvalidInput with the path of a wrong one."""
    folder = path / "statements"
    names = sorted(filter(_STATEMENT.fullmatch, os.listdir(folder))) if folder.exists() else []
    found = []
    with observer.task("reading what is published", len(names)) as task:
        for name in names:
            offered = read_regular(folder / name, str(folder / name))
            if not offered.refused and hashlib.sha256(offered.data).hexdigest() != name[:64]:
                message = f"{offered.where}: its SHA-256 is not what its name says; nothing was written"
                raise IntegrityFailure(message, hint="remove it, and publish the right one again")
            found.append(entry(offered))
            if found[-1].file != f"statements/{name}":
                raise InvalidInput(f"{offered.where}: a {found[-1].kind}, which its name does not say")
            task.advance()
    return tuple(found)


def _ours(path: Path) -> bool:
    """Whether the file at `path` says that we wrote it."""
    if path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    return GENERATOR.encode() in head or f'"{SCHEMA}"'.encode() in head


def _foreign(path: Path) -> InvalidInput:
    return InvalidInput(f"{path} was not made by `{GENERATOR}`, and is left alone", hint=_ELSEWHERE)


def _remove_leavings(path: Path) -> None:
    """Remove what a killed run left."""
    for leaving in path.glob(f"{_STAGING}*"):
        shutil.rmtree(leaving, ignore_errors=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns an OSError into InvalidInput (not ours to write) or Unavailable (no room)."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise Unavailable(f"cannot write {where}: {error.strerror}", hint="free some space") from error
        raise InvalidInput(f"cannot write {where}: {error.strerror}", hint=_ELSEWHERE) from error
