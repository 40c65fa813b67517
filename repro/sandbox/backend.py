"""How a sandbox gets its powers. All of them are a user namespace; they differ in which ids it can hold.

- `root`: started by root, which maps 65,536 unprivileged ids. Real root never runs anything of a build.
- `subuid`: newuidmap maps the caller's range from /etc/subuid and /etc/subgid.
- `fakeroot`: one id, the caller's; libfakeroot (of the locked toolchain) remembers the owners that files would have.
"""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from repro.model.errors import BuildFailed
from repro.system.run import run

NAMES = ("root", "subuid", "fakeroot")
RANGE = 65536
_ROOT_BASE = 0x6FFF0000 - RANGE  # the end of what systemd sets aside for containers (UIDS-GIDS.md)


@dataclass(frozen=True)
class Backend:
    """One way in: `uids` and `gids` as (first id outside, how many)."""

    name: str
    uids: tuple[int, int]
    gids: tuple[int, int]

    @property
    def fake(self) -> bool:
        """Whether owners have to be faked, since only one id is there."""
        return self.name == "fakeroot"

    def write_maps(self, pid: int) -> None:
        """Map 0… in the user namespace of process `pid`. Raises BuildFailed where the host refuses."""
        if self.name == "subuid":
            for program, (first, count) in (("newuidmap", self.uids), ("newgidmap", self.gids)):
                run([program, str(pid), "0", str(first), str(count)], hint="see `repro doctor`")
            return
        try:
            if self.fake:
                Path(f"/proc/{pid}/setgroups").write_text("deny", encoding="ascii")
            for name, (first, count) in (("uid_map", self.uids), ("gid_map", self.gids)):
                Path(f"/proc/{pid}/{name}").write_text(f"0 {first} {count}\n", encoding="ascii")
        except OSError as error:
            raise BuildFailed(
                f"backend {self.name}: the id maps were refused: {error}", hint="see `repro doctor`"
            ) from error


def choose(name: str) -> Backend:
    """The backend called `name`; `auto` is the least powerful one at full speed (root's own when root runs us).

    Raises BuildFailed where this host cannot offer it, with the package or setting that is missing.
    """
    if name == "auto":
        if os.geteuid() == 0:
            return choose("root")
        return choose("fakeroot" if missing("subuid") else "subuid")
    if reason := missing(name):
        raise BuildFailed(f"backend {name} cannot be used here: {reason}", hint="`repro doctor` says what would help")
    if name == "root":
        return Backend(name, (_ROOT_BASE, RANGE), (_ROOT_BASE, RANGE))
    if name == "subuid":
        return Backend(name, _subordinate("/etc/subuid"), _subordinate("/etc/subgid"))
    own = os.geteuid() or _ROOT_BASE  # root would not be bound by the limit on processes
    return Backend(name, (own, 1), (os.getegid() or _ROOT_BASE, 1))


def missing(name: str) -> str:
    """Why the backend called `name` cannot be used here, in a few words; empty where it can."""
    if name == "root":
        return "" if os.geteuid() == 0 else "this is not root"
    if name == "subuid":
        if not (shutil.which("newuidmap") and shutil.which("newgidmap")):
            return "newuidmap is missing (package uidmap)"
        for file in ("/etc/subuid", "/etc/subgid"):
            if _subordinate(file)[1] < RANGE:
                return f"{file} gives this user no {RANGE} ids (usermod --add-subuids 100000-165535 …)"
    return ""


def _subordinate(file: str) -> tuple[int, int]:
    """The first range of at least RANGE ids that `file` (subuid(5)) gives the caller; (0, 0) where none does."""
    uid = os.geteuid()
    try:
        names = {str(uid), pwd.getpwuid(uid).pw_name}
    except KeyError:
        names = {str(uid)}
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return (0, 0)
    for line in lines:
        owner, _, rest = line.partition(":")
        first, _, count = rest.partition(":")
        if owner in names and first.isdigit() and count.isdigit() and int(count) >= RANGE:
            return (int(first), RANGE)
    return (0, 0)
