"""A room in which a command runs with the programs of this host: its /usr and /etc are lent, read-only, no more; or
with those of a root tree that was made for it, where nothing of the host is there.

For hunting in any source folder, where no toolchain is locked. The folder goes in as a tar and what the command made
comes out as one, so that neither the folder nor the host is touched. There is no network inside.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from repro.model.errors import BuildFailed
from repro.sandbox import toolchain
from repro.sandbox.backend import Backend
from repro.sandbox.disorder import view
from repro.sandbox.environment import NATIVE, RUNNING, UEFI, Environment
from repro.sandbox.session import Session, open_session

FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/opt", "/var/lib")
MODULE = "repro.sandbox.lent_inside"
_FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"
_TREES_FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
NEEDED = ("disorderfs", "libfaketime", "locales")  # packages that a root tree needs for all to be varied
_LOCALES = "/usr/share/i18n/SUPPORTED"
_SOURCE, _MADE, _TREE = "/source.tar", "/made.tar", "/root.tar"
_UNDER = "/under"  # where the folder really lies, where its order is not the native one


def missing(name: str) -> str:
    """Why the factor `name` cannot be varied in such a room, in a few words; empty where nothing here is against it."""
    if name == "time" and not glob.glob(_FAKETIME):
        return "libfaketime is missing (package faketime)"
    if name == "directory_order" and not shutil.which("disorderfs"):
        return "disorderfs is missing (package disorderfs)"
    if name == "locale" and not (os.path.exists(_LOCALES) and shutil.which("localedef")):
        return "the sources of locales are missing (package locales)"
    if name == "backend":
        return "a command runs with the host's own programs, in one way"
    return ""


def settled(environment: Environment) -> Environment:
    """`environment` as far as it can be had in such a room."""
    return replace(environment, clock=RUNNING) if missing("time") else environment


@contextlib.contextmanager
def open_room(
    environment: Environment,
    backend: Backend,
    *,
    log: IO[bytes],
    timeout: float,
    last_pid: int,
    tree: Path | None = None,
) -> Iterator[Room]:
    """A room with an empty folder for the build, in `environment`; `tree` is the tar of a root tree with the packages
    NEEDED, in place of the host's folders. Raises BuildFailed, InvalidInput."""
    ordered = environment.directory_order != NATIVE
    ground = replace(environment, build_path=_UNDER) if ordered else environment
    modules = (MODULE, toolchain.MODULE)
    lend = () if tree else FOLDERS
    with open_session(
        ground, backend, log=log, preload=modules, timeout=timeout, fuse=ordered, last_pid=last_pid, lend=lend
    ) as session:
        if tree:
            with open(tree, "rb") as archive:
                session.put(archive, _TREE)
            session.call(MODULE, "furnish", archive=_TREE)
            session.call(toolchain.MODULE, "place", copy=toolchain.FAKETIME, library=_TREES_FAKETIME)
        elif libraries := sorted(glob.glob(_FAKETIME)):
            with open(libraries[0], "rb") as library:
                session.put(library, toolchain.FAKETIME, 0o755)
        session.call(toolchain.MODULE, "temporary_folders")
        toolchain.compile_locale(session)
        if environment.firmware == UEFI:
            session.call(toolchain.MODULE, "make_folder", path="/sys/firmware/efi")
        yield Room(session, environment.build_path, ground.build_path)


@dataclass(frozen=True)
class Room:
    """An open room: `folder` is where the command sees its files, `tree` where they lie."""

    session: Session
    folder: str
    tree: str

    def run(self, source: IO[bytes], name: str, argv: Sequence[str], patterns: Sequence[str], made: IO[bytes]) -> None:
        """Lay the tar `source` out as the folder `name`, run `argv` in it, and write what it made to the tar `made`:
        what matches `patterns` (as glob.glob has them, from that folder), or, without them, what is new or changed.

        Raises BuildFailed where the command fails, or made nothing.
        """
        self.session.put(source, _SOURCE)
        before = self.session.call(MODULE, "lay", archive=_SOURCE, folder=f"{self.tree}/{name}")
        if self.folder != self.tree:
            order = self.session.environment.directory_order
            view(self.session, self.tree, self.folder, order)
        where = f"{self.folder}/{name}"
        self.session.run(argv, cwd=where, env=toolchain.clock(self.session), what=" ".join(argv))
        count = self.session.call(
            MODULE, "collect", top=self.folder, folder=where, patterns=list(patterns), before=before, archive=_MADE
        )
        if not count:
            wanted = f"nothing matches {' '.join(patterns)}" if patterns else "it changed no file in its folder"
            raise BuildFailed(f"{' '.join(argv)}: {wanted}", hint="name what it makes with --artifact GLOB")
        self.session.get(_MADE, made)
