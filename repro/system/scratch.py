"""Temporary folders that do not outlive their process for long: what a killed one left, the next one removes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".in-use"  # locked (flock(2)) as long as the process lives; the kernel unlocks it at any end


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A new folder in TMPDIR whose name begins with `prefix`, removed at the end. Raises OSError.

    Folders of the same prefix and user whose process is surely dead are removed first.
    """
    _sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with open(folder / (_LOCK + "-soon"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(lock.name).rename(folder / _LOCK)  # nobody sees it unlocked
            yield folder


def _sweep(prefix: str) -> None:
    with contextlib.suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                status = folder.lstat()
                if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                    _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    """Remove `folder` unless its lock is held. Raises OSError, also where it has no lock: nothing is known of it."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
