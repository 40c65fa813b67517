"""The locked toolchain: the programs that make an image, unpacked as the sandbox's own root.

Only unpacked: no maintainer script of it runs, so what those would have done and the tools need is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import IO

from repro.model.errors import InvalidInput
from repro.model.lock import LockedPackage
from repro.sandbox.environment import BUILTIN_LOCALES, LOCALES, MOVING, STILL, Environment
from repro.sandbox.session import Session
from repro.system.progress import Observer

# What is asked of apt for the toolchain; the lock holds the closure.
PACKAGES = (
    "apt",
    "cpio",
    "disorderfs",
    "fakeroot",
    "faketime",
    "fdisk",
    "grub-common",
    "grub-efi-amd64-signed",
    "grub-pc-bin",
    "libfaketime",
    "locales",
    "mmdebstrap",
    "mtools",
    "shim-signed",
    "squashfs-tools",
    "usr-is-merged",
    "xorriso",
    "xz-utils",
    "zstd",
)
# mmdebstrap would mount and make device nodes where it can: without these all backends take the same path.
_ABSENT = ("mount", "umount", "mknod")
# mmdebstrap tries mknod and takes it badly if it is not there; awk's link is update-alternatives' work.
_LINKS = {"/usr/bin/mknod": "false", "/usr/bin/awk": "mawk"}

MODULE = "repro.sandbox.toolchain_inside"
UNPACK = "repro.sandbox.unpack"
PRELOAD = "/.repro"  # in the toolchain and, while programs run there, in the image's tree
FAKETIME = f"{PRELOAD}/libfaketime.so.1"
FAKEROOT = f"{PRELOAD}/libfakeroot-sysv.so"
_LIBRARIES = {
    FAKETIME: "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    FAKEROOT: "/usr/lib/x86_64-linux-gnu/libfakeroot/libfakeroot-sysv.so",
}
_FAKEROOT_KEY = 7_031_982  # in the sandbox's own IPC namespace


def install(
    session: Session,
    packages: Iterable[LockedPackage],
    opened: Callable[[LockedPackage], IO[bytes]],
    observer: Observer,
) -> None:
    """Unpack `packages` at the sandbox's root; `opened` gives each as a file whose hash was just checked.

    Raises BuildFailed where one is not a .deb, InvalidInput where the environment has a locale that glibc has not.
    """
    wanted = list(packages)
    session.call(UNPACK, "merge_usr", folder="/")
    with observer.task("unpacking the toolchain", len(wanted)) as task:
        for package in wanted:
            with opened(package) as stream:
                session.unpack(stream, "/")
            task.advance()
    session.call(MODULE, "finish", absent=_ABSENT, links=_LINKS, libraries=_LIBRARIES)
    compile_locale(session)
    if session.backend.fake:
        session.daemon(["faked-sysv", "--foreground", "--key", str(_FAKEROOT_KEY)])


def preloads(session: Session) -> dict[str, str]:
    """The variables by which programs find the libraries that fake what this environment cannot have."""
    variables: dict[str, str] = {}
    libraries = []
    if session.backend.fake:
        libraries.append(FAKEROOT)
        variables |= {"FAKEROOTKEY": str(_FAKEROOT_KEY), "FAKEROOTDONTTRYCHOWN": "1"}
    faked = clock(session)
    if faked:
        libraries.append(FAKETIME)
    return variables | faked | ({"LD_PRELOAD": " ".join(libraries)} if libraries else {})


def clock(session: Session) -> dict[str, str]:
    """The variables that preload libfaketime and tell it the time of the session's environment; none where the host's
    clock is the right one."""
    told = _time(session.environment, session.opened)
    quiet = {"FAKETIME_DISABLE_SHM": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    return {**told, **quiet, "LD_PRELOAD": FAKETIME} if told else {}


def _time(environment: Environment, opened: float) -> dict[str, str]:
    """libfaketime's variables for the clock of `environment` in a sandbox that was opened at `opened` (seconds since
    1970); none where the host's clock is the right one."""
    start = environment.source_date_epoch + environment.clock_shift
    if environment.clock == STILL:
        return {"FAKETIME": str(start), "FAKETIME_FMT": "%s"}
    shift = start - int(opened) if environment.clock == MOVING else environment.clock_shift
    return {"FAKETIME": f"{shift:+d}"} if shift else {}


def compile_locale(session: Session) -> None:
    """Compile the locale of the session's environment, where libc does not bring it along. Raises BuildFailed,
    InvalidInput."""
    name = session.environment.locale
    if name in BUILTIN_LOCALES:
        return
    charmap = session.call(MODULE, "charmap", locale=name)
    if not charmap:
        raise InvalidInput(f"glibc has no locale {name!r}", hint="see /usr/share/i18n/SUPPORTED of package locales")
    source = name.partition(".")[0] + ("@" + name.partition("@")[2] if "@" in name else "")
    session.call(MODULE, "make_folder", path=LOCALES)
    session.run(["localedef", "--no-archive", "-i", source, "-f", charmap, f"{LOCALES}/{name}"], what="localedef")
