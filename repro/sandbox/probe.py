"""What this host allows a sandbox to do: each backend is really tried, kernel settings are read, nothing is changed."""

from __future__ import annotations

import errno
import os
import pwd
import time
from pathlib import Path

from repro.model.doctor import BUILD, LIMITED, MISSING, OK, Check
from repro.model.errors import ReproError
from repro.sandbox import backend
from repro.sandbox.environment import Environment
from repro.sandbox.session import open_session
from repro.sandbox.variations import VARIATIONS, unavailable

_SYSCTL = Path("/proc/sys")
_PURPOSE = "one of three ways to build"
_CONTAINER = "leave the chroot, or have the container allow namespaces and mounts (--privileged)"


def sandbox_checks() -> list[Check]:
    """Namespaces, each backend, and what the variations need."""
    tried = [_try(name) for name in backend.NAMES]
    works = any(check.state == OK for check in tried)
    return [_namespaces(works), *tried, _fuse(), *_variations()]


def chosen(checks: list[Check]) -> str | None:
    """The backend that `auto` takes, None where it does not work."""
    name = backend.choose("auto").name
    works = any(check.name == _title(name) and check.state == OK for check in checks)
    return name if works else None


def _title(name: str) -> str:
    return f"backend {name}"


def _try(name: str) -> Check:
    """Open a sandbox by the backend `name`, and close it."""
    started = time.monotonic()
    try:
        with open(os.devnull, "wb") as log, open_session(Environment(0), backend.choose(name), log=log, size=1 << 20):
            pass
    except ReproError as error:
        reason = backend.missing(name)
        detail = reason or error.message.splitlines()[0]
        return Check(_title(name), LIMITED, detail, "one of three ways to build", _remedy(name, reason))
    return Check(
        _title(name), OK, f"made a sandbox in {time.monotonic() - started:.2f} s", "one of three ways to build"
    )


def _remedy(name: str, reason: str) -> str:
    """What would make the backend work; nothing for `root`, since nobody should become root for us."""
    if not reason:
        return "see user namespaces"
    if name == "root":
        return ""
    if "uidmap" in reason:
        return "install the package uidmap"
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "use an account that /etc/passwd knows"
    return f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"


def _namespaces(some_backend_works: bool) -> Check:
    """Kernel settings that stand against unprivileged user namespaces (user_namespaces(7), and Ubuntu's AppArmor)."""
    against = []
    if _setting("kernel/unprivileged_userns_clone") == "0":
        against.append("kernel.unprivileged_userns_clone=1")
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        against.append("kernel.apparmor_restrict_unprivileged_userns=0")
    if _setting("user/max_user_namespaces") == "0":
        against.append("user.max_user_namespaces=10000")
    remedy = f"sysctl -w {' '.join(against)}" if against else _CONTAINER
    if some_backend_works:
        detail = f"work here; for others not without: sysctl -w {' '.join(against)}" if against else "work here"
        return Check("user namespaces", OK, detail, BUILD)
    detail = "forbidden by kernel settings" if against else "forbidden, by no setting known to us"
    return Check("user namespaces", MISSING, detail, BUILD, remedy)


def _setting(name: str) -> str:
    try:
        return (_SYSCTL / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _fuse() -> Check:
    purpose = "the variation directory_order"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        closed = "chmod 666 /dev/fuse, as udev has it"
        remedy = closed if error.errno == errno.EACCES else "modprobe fuse; in a container, lend it /dev/fuse"
        return Check("/dev/fuse", LIMITED, f"{error.strerror}: this factor is left as it is", purpose, remedy)
    return Check("/dev/fuse", OK, "can be opened", purpose)


def _variations() -> list[Check]:
    """Which factors can be varied here: one row for all that can, one for each that cannot."""
    lacking = {name: why for name in VARIATIONS if (why := unavailable(name))}
    there = [name for name in VARIATIONS if name not in lacking]
    detail = f"{len(there)} of {len(VARIATIONS)} work here: {', '.join(there)}"
    rows = [
        Check(f"vary {name}", LIMITED, f"{why}: this factor is left as it is", f"the variation {name}", why)
        for name, why in lacking.items()
    ]
    return [Check("variations", OK, detail, "verify and hunt"), *rows]
