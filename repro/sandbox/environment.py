"""The normalized surroundings of a build, and the named factors of it that can be varied on purpose.

Baseline values follow the field's practice (SOURCE_DATE_EPOCH, C.UTF-8, UTC, umask 022); nothing is inherited
from the host. A variation changes one factor; the bits must not care.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import Any

from repro.model.errors import InvalidInput

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Environment:
    """What a program in the sandbox finds around it.

    `source_date_epoch` in seconds; `clock_shift` seconds added to the time of day; `umask` as a number;
    `build_path` the folder in which the image grows; `cpus` the most processors (0: all that there are);
    `directory_order` is `native` or an option of disorderfs (`shuffle`, `reverse`); `personality` names flags of
    the execution domain; `user`, `uid` and `gid` say who called the build, as sudo's variables would.
    """

    source_date_epoch: int
    clock_shift: int = 0
    timezone: str = "UTC"
    locale: str = "C.UTF-8"
    hostname: str = "repro"
    umask: int = 0o022
    cpus: int = 0
    build_path: str = "/build"
    home: str = "/root"
    user: str = "root"
    uid: int = 0
    gid: int = 0
    directory_order: str = "native"
    personality: tuple[str, ...] = ()

    def variables(self) -> dict[str, str]:
        """The whole environment of a program: nothing else is set."""
        return {
            "DEBIAN_FRONTEND": "noninteractive",
            "HOME": self.home,
            "LANG": self.locale,
            "LC_ALL": self.locale,
            "LOGNAME": self.user,
            "PATH": PATH,
            "SHELL": "/bin/sh",
            "SOURCE_DATE_EPOCH": str(self.source_date_epoch),
            "SUDO_GID": str(self.gid),
            "SUDO_UID": str(self.uid),
            "TERM": "dumb",
            "TZ": self.timezone,
            "USER": self.user,
        }

    def facts(self) -> dict[str, Any]:
        """The environment as the build record states it."""
        return {**asdict(self), "umask": f"{self.umask:04o}", "personality": list(self.personality)}


# What each factor becomes when it is varied, and what a VALUE given on the command line means for it.
YEAR = 365 * 86400
VARIATIONS: dict[str, dict[str, Any]] = {
    "time": {"clock_shift": 398 * 86400 + 5 * 3600 + 17},
    "timezone": {"timezone": "GMT+12"},
    "locale": {"locale": "fr_CH.UTF-8"},
    "hostname": {"hostname": "i-capture-the-hostname"},
    "umask": {"umask": 0o077},
    "cpus": {"cpus": 1},
    "build_path": {"build_path": "/nonexistent/second/build-path-that-is-longer"},
    "home": {"home": "/nonexistent/home"},
    "user": {"user": "builder", "uid": 1234, "gid": 5678},
    "directory_order": {"directory_order": "shuffle"},
    "kernel": {"personality": ("linux32",)},  # uname-2.6 is there too, but libc6 refuses to be installed under it
}


def unavailable(name: str) -> str:
    """Why the factor `name` cannot be varied on this host, in a few words; empty where it can."""
    if name == "directory_order" and os.geteuid() and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse is missing or closed to this user"
    if name == "directory_order" and not os.path.exists("/dev/fuse"):
        return "/dev/fuse is missing (modprobe fuse)"
    if name == "cpus" and len(os.sched_getaffinity(0)) == 1:
        return "this host has one processor"
    return ""


def vary(baseline: Environment, factors: dict[str, str | None]) -> Environment:
    """`baseline` with `factors` changed: to the given value, or to the standard varied one where that is None.

    Raises InvalidInput for a factor that does not exist or a value that it cannot take.
    """
    varied = baseline
    for name, value in factors.items():
        if name not in VARIATIONS:
            raise InvalidInput(f"no variation is called {name!r}", hint=f"there are: {', '.join(VARIATIONS)}")
        setting = VARIATIONS[name] if value is None else _setting(name, value)
        varied = replace(varied, **setting)
    return varied


def _setting(name: str, value: str) -> dict[str, Any]:
    field, standard = next(iter(VARIATIONS[name].items()))
    try:
        if name == "umask":
            return {field: int(value, 8)}
        if isinstance(standard, tuple):
            return {field: tuple(value.split(","))}
        return {field: type(standard)(value)}
    except ValueError as error:
        raise InvalidInput(f"variation {name}: {value!r} is not a value it can take") from error
