"""The normalizers: what a root tree is rid of because it would differ from build to build, each with its reason.

They run inside the sandbox, chrooted into the tree, so they may import nothing but the standard library and no
path of theirs can leave it. Each reports the paths it changed; with `apply` false it only says what it would.
Sources: Debian's live-build and mmdebstrap, Tails' hooks, the reproducible-builds.org issue list.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Normalizer:
    """`patterns` are shell patterns below the root (`*` does not cross `/`, a last `/**` means all below)."""

    name: str
    reason: str
    patterns: tuple[str, ...]
    action: Callable[[str, int, bool], bool]


def _remove(path: str, epoch: int, apply: bool) -> bool:
    if apply:
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    return True


def _empty(path: str, epoch: int, apply: bool) -> bool:
    if not stat.S_ISREG(os.lstat(path).st_mode) or not os.path.getsize(path):
        return False
    if apply:
        os.truncate(path, 0)
    return True


def _rewriting(change: Callable[[bytes, int], bytes]) -> Callable[[str, int, bool], bool]:
    """An action that passes a file's bytes through `change`, in place: owner, mode and links stay."""

    def action(path: str, epoch: int, apply: bool) -> bool:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with open(path, "r+b" if apply else "rb") as file:
            old = file.read()
            new = change(old, epoch)
            if apply and new != old:
                file.seek(0)
                file.write(new)
                file.truncate()
        return new != old

    return action


def _shadow_days(text: bytes, epoch: int) -> bytes:
    """The day of the last password change (shadow(5), third field) becomes that of `epoch`."""
    days = str(epoch // 86400).encode()
    return re.sub(rb"(?m)^([^:\n]*:[^:\n]*:)\d+(?=:)", rb"\g<1>" + days, text)


def _stale_bytecode(path: str, epoch: int, apply: bool) -> bool:
    """A .pyc checked by source time (PEP 552: flags word 0) carries that time; one checked by hash stays."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return False
    with open(path, "rb") as file:
        header = file.read(16)
    return len(header) == 16 and header[4:8] == bytes(4) and _remove(path, epoch, apply)


NORMALIZERS = (
    Normalizer(
        "machine-id", "identity of one machine; empty, so that the first boot makes one", ("etc/machine-id",), _empty
    ),
    Normalizer("dbus-machine-id", "identity of one machine", ("var/lib/dbus/machine-id",), _remove),
    Normalizer(
        "host-keys",
        "secrets and identities made at installation",
        (
            "etc/ssh/ssh_host_*_key*",
            "etc/ssl/private/ssl-cert-snakeoil.key",
            "etc/ssl/certs/ssl-cert-snakeoil.pem",
            "etc/nvme/hostid",
            "etc/nvme/hostnqn",
            "etc/udev/rules.d/70-persistent-*.rules",
        ),
        _remove,
    ),
    Normalizer("logs", "time, host and order of the installation", ("var/log/**",), _empty),
    Normalizer(
        "apt-state",
        "indexes and archives of one run; binary caches hold paths and times",
        ("var/lib/apt/lists/**", "var/cache/apt/archives/**", "var/cache/apt/*.bin", "var/lib/apt/extended_states.bak"),
        _remove,
    ),
    Normalizer(
        "backups",
        "the state before the last change depends on the order of changes",
        (
            "var/lib/dpkg/*-old",
            "var/cache/debconf/*-old",
            "etc/passwd-",
            "etc/shadow-",
            "etc/group-",
            "etc/gshadow-",
            "etc/subuid-",
            "etc/subgid-",
            "etc/.pwd.lock",
            "var/lib/dpkg/lock*",
            "var/lib/dpkg/triggers/Lock",
            "var/lib/apt/daily_lock",
        ),
        _remove,
    ),
    Normalizer(
        "caches",
        "made anew when needed; hold times, inodes or hash order",
        (
            "var/cache/ldconfig/aux-cache",
            "var/lib/systemd/catalog/database",
            "var/cache/man/**",
            "root/.cache",
            "var/cache/app-info/**",
            "usr/share/icons/*/icon-theme.cache",
            "var/cache/fontconfig/**",
            "var/lib/dkms/*/*/*/*/log/make.log",
        ),
        _remove,
    ),
    Normalizer("volatile", "belongs to a running system", ("run/**", "tmp/**", "var/tmp/**"), _remove),
    Normalizer(
        "bytecode", "a .pyc with the time of its source; Python makes it again", ("usr/**/*.pyc",), _stale_bytecode
    ),
    Normalizer("shadow-days", "the day on which an account was made", ("etc/shadow",), _rewriting(_shadow_days)),
    Normalizer(
        "host-names",
        "mmdebstrap copies these from where it runs; live-config writes them at boot",
        ("etc/hostname", "etc/resolv.conf"),
        _remove,
    ),
)


def normalize(epoch: int, apply: bool = True, without: Sequence[str] = ()) -> dict[str, list[str]]:
    """Run every normalizer but those `without` on the tree at `/`: changed paths by normalizer's name."""
    changed: dict[str, list[str]] = {}
    for normalizer in NORMALIZERS:
        if normalizer.name in without:
            continue
        for pattern in normalizer.patterns:
            # the deepest first, so that what a folder holds is reported before the folder goes
            for path in sorted(_matches(pattern), reverse=True):
                if os.path.lexists(path) and normalizer.action(path, epoch, apply):
                    changed.setdefault(normalizer.name, []).append(path)
    return {name: sorted(paths) for name, paths in changed.items()}


def _matches(pattern: str) -> Iterable[str]:
    if "**" not in pattern:
        return _glob(".", pattern.split("/"))
    top, _, rest = pattern.partition("/**")
    return [path for start in _glob(".", top.split("/")) for path in _below(start, rest.lstrip("/") or "*")]


def _glob(folder: str, parts: list[str]) -> list[str]:
    """Paths below `folder` whose components match `parts`; no symbolic link is followed on the way."""
    try:
        names = sorted(os.listdir(folder))
    except (NotADirectoryError, FileNotFoundError):
        return []
    found = [os.path.normpath(os.path.join(folder, name)) for name in names if fnmatchcase(name, parts[0])]
    if len(parts) == 1:
        return found
    return [path for start in found if not os.path.islink(start) for path in _glob(start, parts[1:])]


def _below(top: str, name_pattern: str) -> list[str]:
    """Everything below `top`, not itself, whose file name matches; symbolic links are not followed."""
    if os.path.islink(top):
        return []
    return [
        os.path.join(folder, name)
        for folder, folders, files in os.walk(top)
        for name in (*folders, *files)
        if fnmatchcase(name, name_pattern)
    ]
