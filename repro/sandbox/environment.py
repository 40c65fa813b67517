"""The normalized surroundings of a build, and the named factors of it that can be varied on purpose.

Baseline values follow the field's practice (SOURCE_DATE_EPOCH, C.UTF-8, UTC, umask 022); nothing is inherited
from the host. A variation changes one factor; the bits must not care.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from repro.model.errors import InvalidInput
from repro.sandbox.kernel import PERSONALITIES

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Environment:
    """What a program in the sandbox finds around it.

    `source_date_epoch` in seconds; `clock_shift` seconds added to the time of day; `umask` as a number;
    `build_path` the folder in which the image grows; `cpus` the most processors (0: all that there are);
    `directory_order` is `native` or what disorderfs can do (`shuffle`, `reverse`); `personality` names flags
    of the execution domain; `user`, `uid` and `gid` say who called the build, as sudo's variables would.
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
    accepted, what = _ACCEPTED[name]
    if not re.fullmatch(accepted, value):
        raise InvalidInput(f"variation {name}: {value!r} is not a value it can take", hint=f"it takes {what}")
    return {next(iter(VARIATIONS[name])): _READ.get(name, str)(value)}


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
# The toolchain's own folders and those that the stages use: the image's tree cannot be there.
_TAKEN = "(apt|bin|boot|dev|etc|hold|iso(-work)?|lib\\w*|output|overlay-file|proc|repository|run|sbin|sys|usr|var)"
_ORDERS = ("native", "reverse", "shuffle")
_FLAG = "|".join(PERSONALITIES)
# For each factor the values it can take, as a pattern and in words.
_ACCEPTED: dict[str, tuple[str, str]] = {
    "time": (r"[+-]?[0-9]{1,9}", "seconds to add to the time of day, less than 32 years"),
    "timezone": (r"(?a:[\w+,/:.<>-]{1,64})", "a zone as in TZ, such as Asia/Tokyo or GMT+12"),
    "locale": (r"(?a:[\w.@-]{1,64})", "a locale such as fr_CH.UTF-8"),
    "hostname": (rf"(?=.{{1,64}}\Z){_LABEL}(\.{_LABEL})*", "at most 64 letters, digits, dots and hyphens"),
    "umask": ("0?[0-7]{1,3}", "an octal number, 0 to 0777"),
    "cpus": ("[1-9][0-9]{0,4}", "a number of processors, 1 or more"),
    "build_path": (
        rf"(?!/{_TAKEN}(/|\Z))(?=.{{1,200}}\Z)(/(?!\.)[A-Za-z0-9._+-]+)+",
        "an absolute path of letters, digits and ._+- that is not in a folder of the toolchain, such as /srv/build",
    ),
    "home": (r"/[^\x00-\x1f\x7f]{0,200}", "an absolute path"),
    "user": ("[a-z_][a-z0-9_-]{0,31}", "the name of a user"),
    "directory_order": ("|".join(_ORDERS), f"one of {', '.join(_ORDERS)}"),
    "kernel": (rf"({_FLAG})(,({_FLAG}))*", f"one or more of {', '.join(PERSONALITIES)}, separated by commas"),
}


def _octal(text: str) -> int:
    return int(text, 8)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


_READ: dict[str, Callable[[str], Any]] = {"time": int, "cpus": int, "umask": _octal, "kernel": _words}
