"""What the store's files need from the file system: locks that die with their owner, durable renames, typed errors."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repro.model.errors import InvalidInput, ReproError, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR)


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turns an OSError under the store at `root` into InvalidInput (not ours to write) or Unavailable (no room)."""
    try:
        yield
    except ReproError:
        raise
    except OSError as error:
        where = error.filename or root
        if error.errno in _FULL:
            raise Unavailable(
                f"no room left in the store: {where}: {error.strerror}",
                hint=f"free some space below {root}, or choose another place with --store",
            ) from error
        if error.errno in _FORBIDDEN:
            raise InvalidInput(
                f"the store cannot be written: {where}: {error.strerror}",
                hint="choose a folder of your own with --store or REPRO_STORE",
            ) from error
        raise Unavailable(f"the store fails: {where}: {error.strerror}") from error


def open_locked(path: Path) -> int:
    """A descriptor of the file at `path` (made where missing), locked by this process alone.

    Waits while another holder, thread or process, has it. The lock goes with the descriptor, also on kill -9.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if same_file(fd, path):  # else its last holder finished and removed it while we waited
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def same_file(fd: int, path: Path) -> bool:
    """Whether `path` still names the file that `fd` has open."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def remove_abandoned(folder: Path) -> int:
    """Remove the files in `folder` that no living process has locked; the number removed."""
    removed = 0
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            fd = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)
                removed += 1
            finally:
                os.close(fd)
    return removed


def publish(fd: int, source: Path, target: Path) -> None:
    """Move the written file `source`, open as `fd`, to `target`: durable, read-only, all at once."""
    os.fchmod(fd, 0o444)
    os.fsync(fd)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename within `folder` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
