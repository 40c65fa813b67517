"""Statements from wherever they lie: files, folders, and addresses.

Whatever is found and cannot be used is offered too, refused with the reason: what is broken is never just absent.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from repro.attest import remote
from repro.attest.reading import LIMIT, Offered
from repro.attest.remote import ALL_BYTES, ENDINGS, MOST, TOO_MUCH
from repro.model.errors import InvalidInput, Unavailable
from repro.model.text import printable
from repro.system.http import Http
from repro.system.progress import Observer

_HINT = "a source is a file, a folder, or the http(s) address of a statement or of a published folder"


def gather(
    sources: Sequence[str],
    http: Http,
    observer: Observer,
    *,
    unreached: Callable[[str, Unavailable], None] | None = None,
) -> list[Offered]:
    """What `sources` offer, in their order, each place once: a file whatever its name; of a folder and those in it
    every `*.intoto.json` and `*.link`, sorted, without following links; of an address that statement, or all that its
    `index.json` lists.

    Raises InvalidInput where a source is not there, is no published folder, or holds more than MOST files or ALL_BYTES.
    A server that cannot be reached is told to `unreached`, with the source; without it Unavailable is raised.
    """
    found: dict[str, Offered] = {}
    size = 0
    for source in sources:
        try:
            several = remote.fetch(source, http, observer) if remote.is_address(source) else _local(source, observer)
        except Unavailable as error:
            if unreached is None:
                raise
            unreached(source, error)
            continue
        for each in several:
            size += 0 if each.where in found else len(each.data)
            found.setdefault(each.where, each)
            if len(found) > MOST or size > ALL_BYTES:
                raise InvalidInput(f"{printable(source)}: {TOO_MUCH}")

    return list(found.values())


def read_regular(path: str | Path, where: str, *, follow: bool = False) -> Offered:
    """The file at `path`, refused where it is no regular file, cannot be read, or is larger than LIMIT. Neither blocks
    nor touches a device."""
    look = os.stat if follow else os.lstat
    try:
        if why := _no_file(look(path).st_mode):
            return Offered(where, b"", why)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        with open(os.open(path, flags), "rb") as file:
            if why := _no_file(os.fstat(file.fileno()).st_mode):  # another one by now
                return Offered(where, b"", why)
            data = file.read(LIMIT + 1)
    except OSError as error:
        return Offered(where, b"", f"cannot be read: {error.strerror}")
    return Offered(where, data) if len(data) <= LIMIT else Offered(where, b"", f"larger than {LIMIT} bytes")


def _no_file(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link, which is not followed"
    return "" if stat.S_ISREG(mode) else "not a regular file"


def _local(source: str, observer: Observer) -> Iterator[Offered]:
    try:
        mode = os.stat(source).st_mode
    except (OSError, ValueError) as error:
        missing = isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOTDIR)
        said = "there is no such file or folder" if missing else str(getattr(error, "strerror", error))
        raise InvalidInput(f"{printable(source)}: {said}", hint=_HINT) from error
    if not stat.S_ISDIR(mode):
        yield read_regular(source, source, follow=True)
        return
    paths, broken = _below(source, observer)
    yield from broken
    with observer.task("reading statements", len(paths)) as task:
        for path in paths:
            yield read_regular(path, path)
            task.advance()


def _below(folder: str, observer: Observer) -> tuple[list[str], list[Offered]]:
    """The paths of all that look like statements, sorted, and the folders that cannot be read. Raises InvalidInput."""
    broken: list[Offered] = []
    found: list[str] = []

    def unreadable(error: OSError) -> None:
        broken.append(Offered(error.filename, b"", f"the folder cannot be read: {error.strerror}"))

    for top, folders, files in os.walk(folder, onerror=unreadable):
        found += (os.path.join(top, name) for name in files if name.endswith(ENDINGS))
        for name in folders:
            if os.path.islink(path := os.path.join(top, name)):
                observer.note(f"{printable(path)} is a symbolic link to a folder, and not followed")
        if len(found) > MOST:
            raise InvalidInput(f"{printable(folder)}: {TOO_MUCH}")
    return sorted(found), sorted(broken, key=lambda each: each.where)
