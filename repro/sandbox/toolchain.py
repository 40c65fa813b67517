"""The locked toolchain: the programs that make an image, unpacked as the sandbox's own root.

Only unpacked: no maintainer script of it runs, so what those would have done and the tools need is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import IO

from repro.model.lock import LockedPackage
from repro.sandbox.session import Session
from repro.system.progress import Observer

# What is asked of apt for the toolchain; the lock holds the closure.
PACKAGES = (
    "apt",
    "cpio",
    "disorderfs",
    "fakeroot",
    "faketime",
    "grub-common",
    "grub-efi-amd64-bin",
    "grub-pc-bin",
    "libfaketime",
    "mmdebstrap",
    "mtools",
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

    Raises BuildFailed where one is not a .deb.
    """
    wanted = list(packages)
    session.call(UNPACK, "merge_usr", folder="/")
    with observer.task("unpacking the toolchain", len(wanted)) as task:
        for package in wanted:
            with opened(package) as stream:
                session.unpack(stream, "/")
            task.advance()
    session.call(MODULE, "finish", absent=_ABSENT, links=_LINKS, libraries=_LIBRARIES)
    if session.backend.fake:
        session.daemon(["faked-sysv", "--foreground", "--key", str(_FAKEROOT_KEY)])


def preloads(session: Session) -> dict[str, str]:
    """The variables by which programs find the libraries that fake what this environment cannot have."""
    variables: dict[str, str] = {}
    libraries = []
    if session.backend.fake:
        libraries.append(FAKEROOT)
        variables |= {"FAKEROOTKEY": str(_FAKEROOT_KEY), "FAKEROOTDONTTRYCHOWN": "1"}
    if session.environment.clock_shift:
        libraries.append(FAKETIME)
        variables |= {
            "FAKETIME": f"{session.environment.clock_shift:+d}",
            "FAKETIME_DISABLE_SHM": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
    return variables | ({"LD_PRELOAD": " ".join(libraries)} if libraries else {})
