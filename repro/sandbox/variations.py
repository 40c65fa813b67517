"""The factors of a build's surroundings that can be changed on purpose, each with its baseline and its varied setting.

The catalogue follows what reprotest varies and what Debian's rebuilders have seen leak (reproducible-builds.org,
"Variations tested"), and goes further where one factor alone explains a difference: hash seeds, address space
layout, the file system, the machine's memory and firmware.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from repro.model.errors import InvalidInput
from repro.sandbox import backend, pretend
from repro.sandbox.environment import EXT4, MOVING, RUNNING, STILL, UEFI, Environment
from repro.sandbox.kernel import PERSONALITIES

Setting = Mapping[str, Any]


def _nothing() -> str:
    return ""


@dataclass(frozen=True)
class Variation:
    """One factor. `what` says in a few words what changes; `varied` are the fields of Environment that it sets where
    no value is given. `takes` says what a value is, `accepts` as a pattern that it must match whole, and `read` turns
    it into fields; `missing` says why the factor cannot be varied on this host, empty where it can; `dear`:
    builds take much longer."""

    name: str
    what: str
    varied: Setting
    takes: str
    accepts: str
    read: Callable[[str], Setting]
    missing: Callable[[], str] = _nothing
    dear: bool = False

    def setting(self, value: str | None) -> Setting:
        """The fields that `value` (None: the standard one) sets. Raises InvalidInput for what it cannot take."""
        if value is None:
            return self.varied
        if not re.fullmatch(self.accepts, value):
            raise InvalidInput(
                f"variation {self.name}: {value!r} is not a value it can take", hint=f"it takes {self.takes}"
            )
        return self.read(value)


def _field(name: str, kind: Callable[[str], Any] = str) -> Callable[[str], Setting]:
    return lambda value: {name: kind(value)}


def _octal(text: str) -> int:
    return int(text, 8)


def _time(value: str) -> Setting:
    return {"clock": value} if value in (RUNNING, STILL, MOVING) else {"clock_shift": int(value)}


def _hostname(value: str) -> Setting:
    name, _, domain = value.partition(".")
    return {"hostname": name, "domain": domain}


def _kernel(value: str) -> Setting:
    flags = tuple(value.split(","))
    return {"personality": flags} if set(flags) <= PERSONALITIES.keys() else {"release": value}


def _environment(value: str) -> Setting:
    name, _, text = value.partition("=")
    return {"extra": ((name, text),)}


def _bytes(value: str) -> int:
    units = {"M": 1 << 20, "G": 1 << 30}
    return int(value[:-1]) * units[value[-1]]


def _on(value: str) -> bool:
    return value == "on"


def _fuse_missing() -> str:
    if os.geteuid() and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse is missing or closed to this user"
    return "" if os.path.exists("/dev/fuse") else "/dev/fuse is missing (modprobe fuse)"


def _processors_missing() -> str:
    return "this host has one processor" if len(os.sched_getaffinity(0)) == 1 else ""


def _ext4_missing() -> str:
    if os.geteuid():
        return "mounting ext4 needs root"
    if not os.path.exists("/dev/loop-control"):
        return "/dev/loop-control is missing (modprobe loop)"
    return "" if shutil.which("mkfs.ext4") else "mkfs.ext4 is missing (package e2fsprogs)"


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
# The toolchain's own folders and those that the stages use: the image's tree cannot be there.
_TAKEN = "(apt|bin|boot|dev|etc|hold|iso(-work)?|lib\\w*|output|overlay-file|proc|repository|run|sbin|sys|usr|var)"
_ORDERS = ("native", "reverse", "shuffle", "sorted")
_FLAG = "|".join(PERSONALITIES)

_ALL = (
    Variation(
        "time",
        "the time of day, by three years",
        {"clock_shift": 1128 * 86400 + 5 * 3600 + 17},
        "seconds to add to the time of day, less than 32 years, or still, moving or running",
        r"[+-]?[0-9]{1,9}|still|moving|running",
        _time,
    ),
    Variation(
        "timezone",
        "TZ",
        {"timezone": "GMT+12"},
        "a zone as in TZ, such as Asia/Tokyo or GMT+12",
        r"(?a:[\w+,/:.<>-]{1,64})",
        _field("timezone"),
    ),
    Variation(
        "locale",
        "LC_ALL, LANG and LANGUAGE, with the locale's data",
        {"locale": "fr_CH.UTF-8"},
        "a locale that glibc knows, such as fr_CH.UTF-8, tr_TR.UTF-8 (another i) or tr_TR (ISO-8859-9)",
        r"(?a:[\w.@-]{1,64})",
        _field("locale"),
    ),
    Variation(
        "hostname",
        "host name and domain",
        {"hostname": "i-capture-the-hostname", "domain": "i-capture-the-domain.example"},
        "at most 64 letters, digits, dots and hyphens; what is behind the first dot is the domain",
        rf"(?=.{{1,64}}\Z){_LABEL}(\.{_LABEL})*",
        _hostname,
    ),
    Variation(
        "umask", "the umask", {"umask": 0o077}, "an octal number, 0 to 0777", "0?[0-7]{1,3}", _field("umask", _octal)
    ),
    Variation(
        "cpus",
        "how many processors there are",
        {"cpus": 1},
        "a number of processors, 1 or more",
        "[1-9][0-9]{0,4}",
        _field("cpus", int),
        _processors_missing,
    ),
    Variation(
        "kernel",
        "uname's release, and its machine by the personality",
        {"personality": ("linux32",), "release": "4.19.0-99-varied"},
        f"one or more of {', '.join(PERSONALITIES)}, separated by commas, or a release such as 5.10.0-1-amd64",
        rf"({_FLAG})(,({_FLAG}))*|[0-9]\.[0-9]+[0-9A-Za-z.+~-]{{0,50}}",
        _kernel,
        pretend.missing,
    ),
    Variation(
        "build_path",
        "the folder of the build",
        {"build_path": "/nonexistent/second/build-path-that-is-longer"},
        "an absolute path of letters, digits and ._+- that is not in a folder of the toolchain, such as /srv/build",
        rf"(?!/{_TAKEN}(/|\Z))(?=.{{1,200}}\Z)(/(?!\.)[A-Za-z0-9._+-]+)+",
        _field("build_path"),
    ),
    Variation(
        "home",
        "HOME",
        {"home": "/nonexistent/home"},
        "an absolute path",
        r"/[^\x00-\x1f\x7f]{0,200}",
        _field("home"),
    ),
    Variation(
        "user",
        "who calls the build: name, uid, gid",
        {"user": "builder", "uid": 1234, "gid": 5678},
        "the name of a user",
        "[a-z_][a-z0-9_-]{0,31}",
        _field("user"),
    ),
    Variation(
        "environment",
        "more variables, and a folder more in PATH",
        {
            "extra": (("CAPTURED_ENVIRONMENT", "i capture the environment"), ("EDITOR", "/i/capture/the/editor")),
            "extra_path": "/i/capture/the/path",
        },
        "one variable, such as DEBEMAIL=me@example.org",
        r"(?!(PATH|LD_\w*|HOME|TZ|LC_ALL|LANG)=)[A-Z_][A-Z0-9_]{0,63}=[ -~]{0,200}",
        _environment,
    ),
    Variation(
        "directory_order",
        "in which order folders list what is in them",
        {"directory_order": "shuffle"},
        f"one of {', '.join(_ORDERS)}",
        "|".join(_ORDERS),
        _field("directory_order"),
        _fuse_missing,
    ),
    Variation("aslr", "whether addresses are random", {"aslr": False}, "on or off", "on|off", _field("aslr", _on)),
    Variation(
        "hash_seed",
        "PERL_HASH_SEED and PYTHONHASHSEED",
        {"hash_seed": "987654321"},
        "a number below 4294967296",
        "0|[1-9][0-9]{0,8}",
        _field("hash_seed"),
    ),
    Variation(
        "backend",
        "how the sandbox gets its powers",
        {"backend": "fakeroot"},
        f"one of {', '.join(backend.NAMES)}",
        "|".join(backend.NAMES),
        _field("backend"),
        dear=True,
    ),
    Variation(
        "filesystem",
        "the file system of the build: order, grain of times, blocks",
        {"filesystem": EXT4},
        "tmpfs or ext4",
        "tmpfs|ext4",
        _field("filesystem"),
        _ext4_missing,
    ),
    Variation(
        "parallelism",
        "how many jobs make and its like run",
        {"parallelism": 3},
        "a number of jobs",
        "[1-9][0-9]{0,2}",
        _field("parallelism", int),
    ),
    Variation(
        "memory",
        "how much memory programs are told there is",
        {"memory": 1536 << 20},
        "an amount such as 800M or 2G",
        "[1-9][0-9]{0,4}[MG]",
        _field("memory", _bytes),
        pretend.missing,
    ),
    Variation(
        "firmware",
        "whether /sys says that UEFI booted the machine",
        {"firmware": UEFI},
        "bios or uefi",
        "bios|uefi",
        _field("firmware"),
    ),
)
VARIATIONS: Mapping[str, Variation] = {variation.name: variation for variation in _ALL}

# For an experiment everything that would be another one each time stands still, or what varies by itself would look
# like the work of each factor; the factors then set it loose.
_HELD: Setting = {"clock": STILL, "aslr": False, "hash_seed": "0"}
_LOOSE: Mapping[str, Setting] = {"aslr": {"aslr": True}, "directory_order": {"directory_order": "reverse"}}


def unavailable(name: str) -> str:
    """Why the factor `name` cannot be varied on this host, in a few words; empty where it can."""
    return VARIATIONS[name].missing()


def vary(baseline: Environment, factors: Mapping[str, str | None]) -> Environment:
    """`baseline` with `factors` changed: to the given value, or to the standard varied one where that is None.

    Raises InvalidInput for a factor that does not exist or a value that it cannot take.
    """
    varied = baseline
    for name, value in factors.items():
        varied = replace(varied, **known(name).setting(value))
    return varied


def known(name: str) -> Variation:
    """The variation called `name`. Raises InvalidInput where there is none."""
    if name not in VARIATIONS:
        raise InvalidInput(f"no variation is called {name!r}", hint=f"there are: {', '.join(VARIATIONS)}")
    return VARIATIONS[name]


def held(baseline: Environment) -> Environment:
    """`baseline` for experiments: the clock stands, addresses and hash seeds are fixed."""
    return replace(baseline, **_HELD)


def experiment(baseline: Environment, factors: Iterable[str], values: Mapping[str, str | None]) -> Environment:
    """`held(baseline)` with `factors` set loose, to their values in `values` where there is one."""
    varied = held(baseline)
    for name in factors:
        value = values.get(name)
        setting = _LOOSE.get(name) if value is None else None
        varied = replace(varied, **(setting or known(name).setting(value)))
    return varied
