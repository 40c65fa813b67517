"""The normalized surroundings of a build.

Baseline values follow the field's practice (SOURCE_DATE_EPOCH, C.UTF-8, UTC, umask 022); nothing is inherited
from the host. What can be changed in them on purpose is in `variations`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILTIN_LOCALES = ("C", "POSIX", "C.UTF-8")  # which libc has without being given them
LOCALES = "/.repro/locale"  # where others are compiled to

RUNNING, STILL, MOVING = "running", "still", "moving"
NATIVE = "native"
TMPFS, EXT4 = "tmpfs", "ext4"
BIOS, UEFI = "bios", "uefi"


@dataclass(frozen=True)
class Environment:
    """What a program in the sandbox finds around it.

    `source_date_epoch` in seconds. `clock`: the time of day is that of the host (`running`), stands at
    `source_date_epoch` (`still`), or starts there (`moving`); `clock_shift` seconds are added to it. `umask` as a
    number; `domain` empty: none; `build_path` the folder in which the image grows, on `filesystem`; `cpus` the most
    processors (0: all that there are), `memory` the bytes that programs are told there are (0: as it is),
    `parallelism` how many jobs make and its like are told to run (0: nothing is said); `directory_order` is `native`
    or what disorderfs can do (`shuffle`, `reverse`, `sorted`); `personality` names flags of the execution domain,
    `release` is the kernel's as uname says it (empty: as it is), `firmware` what booted the machine as /sys says it;
    `aslr`: whether addresses are random, `hash_seed` that of Perl's and Python's tables (empty: random as well);
    `extra` variables by name, `extra_path` is added to PATH; `user`, `uid` and `gid` say who called the build, as
    sudo's variables would; `backend` is a sandbox backend that stands in for the one that was chosen (empty: none).
    """

    source_date_epoch: int
    clock: str = RUNNING
    clock_shift: int = 0
    timezone: str = "UTC"
    locale: str = "C.UTF-8"
    hostname: str = "repro"
    domain: str = ""
    umask: int = 0o022
    cpus: int = 0
    parallelism: int = 0
    memory: int = 0
    build_path: str = "/build"
    home: str = "/root"
    user: str = "root"
    uid: int = 0
    gid: int = 0
    extra: tuple[tuple[str, str], ...] = ()
    extra_path: str = ""
    directory_order: str = NATIVE
    filesystem: str = TMPFS
    personality: tuple[str, ...] = ()
    release: str = ""
    firmware: str = BIOS
    aslr: bool = True
    hash_seed: str = ""
    backend: str = ""

    def variables(self) -> dict[str, str]:
        """The whole environment of a program: nothing else is set."""
        return {
            "DEBIAN_FRONTEND": "noninteractive",
            "HOME": self.home,
            "LANG": self.locale,
            "LC_ALL": self.locale,
            "LOGNAME": self.user,
            "PATH": f"{PATH}:{self.extra_path}" if self.extra_path else PATH,
            "SHELL": "/bin/sh",
            "SOURCE_DATE_EPOCH": str(self.source_date_epoch),
            "SUDO_GID": str(self.gid),
            "SUDO_UID": str(self.uid),
            "TERM": "dumb",
            "TZ": self.timezone,
            "USER": self.user,
            **self._language(),
            **self._jobs(),
            **self._seeds(),
            **dict(self.extra),
        }

    def _language(self) -> dict[str, str]:
        if self.locale in BUILTIN_LOCALES:
            return {}
        name = self.locale.partition(".")[0].partition("@")[0]
        return {"LANGUAGE": f"{name}:{name.partition('_')[0]}", "LOCPATH": LOCALES}

    def _jobs(self) -> dict[str, str]:
        if not self.parallelism:
            return {}
        jobs = str(self.parallelism)
        said = {"DEB_BUILD_OPTIONS": f"parallel={jobs}", "MAKEFLAGS": f"-j{jobs}"}
        return said | {"CMAKE_BUILD_PARALLEL_LEVEL": jobs}

    def _seeds(self) -> dict[str, str]:
        if not self.hash_seed:
            return {}
        # without the last one Perl still changes the order as keys are added, by what lies in memory
        return {"PYTHONHASHSEED": self.hash_seed, "PERL_HASH_SEED": self.hash_seed, "PERL_PERTURB_KEYS": "0"}

    def flags(self) -> list[str]:
        """The flags of the execution domain (keys of `kernel.PERSONALITIES`)."""
        return [*self.personality, *(() if self.aslr else ("no-randomize",))]

    def facts(self) -> dict[str, Any]:
        """The environment as the build record states it."""
        return {
            **asdict(self),
            "umask": f"{self.umask:04o}",
            "personality": list(self.personality),
            "extra": dict(self.extra),
        }
