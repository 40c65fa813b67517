"""The root stage: from locked packages, overlay and hooks to `root.tar`, kernel and initrd.

mmdebstrap of the toolchain installs from a repository that holds the locked .debs and nothing else. The result is
a tar with sorted members and clamped times (reproducible-builds.org/docs/archives): one form of the tree that
later stages read, so that no order or inode number of a file system can reach them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import IO

from repro.image.order import Order
from repro.image.pack import pack
from repro.image.steps import TEX_FORMATS
from repro.model.errors import BuildFailed
from repro.model.lock import LockedPackage
from repro.sandbox import disorder, tracer
from repro.sandbox.environment import LOCALES, NATIVE, UEFI
from repro.sandbox.session import Session
from repro.sandbox.toolchain import FAKEROOT, FAKETIME, PRELOAD, preloads
from repro.sandbox.toolchain import MODULE as TOOLCHAIN

REPOSITORY = "/repository"
OUTPUT = "/output"
LAYING = "/overlay-file"
MODULE = "repro.image.root_inside"
NORMALIZE = "repro.image.normalize"
_FIRMWARE = "/sys/firmware/efi"

# While packages are configured update-initramfs does nothing: it would run twice, each time two thirds of the rest.
_HOLD = """
set -e
chroot "$1" dpkg-divert --quiet --local --rename \\
  --divert /usr/sbin/update-initramfs.held --add /usr/sbin/update-initramfs
mkdir -p "$1/usr/sbin"
printf '#!/bin/sh\\nexit 0\\n' > "$1/usr/sbin/update-initramfs"
chmod 755 "$1/usr/sbin/update-initramfs"
"""
_RELEASE = """
set -e
rm /usr/sbin/update-initramfs
dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs
if [ -x /usr/sbin/update-initramfs ] && [ -d /lib/modules ]; then update-initramfs -c -k all; fi
"""


def make_root(session: Session, order: Order, opened: Callable[[LockedPackage], IO[bytes]]) -> Mapping[str, list[str]]:
    """Make the tree and leave `root.tar` (and `vmlinuz`, `initrd.img`) in OUTPUT; what each normalizer changed.

    Raises BuildFailed with the failing step's last words.
    """
    root = session.environment.build_path
    session.traced = [root] if order.trace else []
    _install(session, order, opened, root)
    view = _ordered_view(session, root)
    for file in order.overlay:
        session.put_bytes(file.data, LAYING)
        session.call(
            MODULE, "lay", tree=view, path=file.path, source=LAYING, target=file.target, executable=file.executable
        )
    if order.trace:
        session.traced = [root, view] if view != root else [root]
        session.call(tracer.__name__, "laid", top=root, title="overlay", paths=[file.path for file in order.overlay])
    session.populate(view)
    try:
        _run_hooks(session, order, view)
        session.run(["/bin/sh", "-c", _RELEASE], root=view, env=_variables(session, order), what="update-initramfs")
    finally:
        session.depopulate(view)
        session.traced = []
    session.call(MODULE, "tidy", root=view, preload=PRELOAD)
    epoch, without = session.environment.source_date_epoch, sorted(order.without)
    changed = session.call(NORMALIZE, "normalize", root=view, epoch=epoch, without=without)
    session.call(MODULE, "boot_files", tree=view, output=OUTPUT)
    pack(session, view, f"{OUTPUT}/root.tar", order.without)
    assert isinstance(changed, dict)
    return changed


def _install(session: Session, order: Order, opened: Callable[[LockedPackage], IO[bytes]], root: str) -> None:
    session.put_bytes(order.index, f"{REPOSITORY}/Packages")
    for package in order.lock.image:
        with opened(package) as stream:
            session.put(stream, f"{REPOSITORY}/{package.path}")
    session.call(MODULE, "prepare", tree=root, libraries=[FAKEROOT, FAKETIME], locales=LOCALES)
    if session.environment.firmware == UEFI:
        for folder in ("", root):
            session.call(TOOLCHAIN, "make_folder", path=folder + _FIRMWARE)
    session.put_bytes(_HOLD.encode(), "/hold", 0o755)
    session.populate(root, links=False)
    command = [
        *("mmdebstrap", "--mode=root", "--format=directory", "--variant=essential"),
        *(f"--architectures={','.join(order.recipe.architectures)}", "--skip=check/empty,check/qemu,cleanup/apt"),
        *("--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::AllowInsecureRepositories true"),
        *("--dpkgopt=force-unsafe-io", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"),
        *(f"--include={','.join(('apt', *order.recipe.asked))}", '--essential-hook=sh /hold "$1"'),
        *("", root, f"deb [trusted=yes] copy:{REPOSITORY} ./"),
    ]
    try:
        # /proc and /dev are there already, and are not tar's to change
        env = {**_variables(session, order), "TAR_OPTIONS": "--exclude=./proc --exclude=./dev"}
        session.run(command, env=env, what="mmdebstrap")
    finally:
        session.depopulate(root)
    installed = session.call(MODULE, "installed", root=root)
    locked = sorted(f"{package.name} {package.version} {package.arch}" for package in order.lock.image)
    if odd := sorted(set(installed) ^ set(locked)):
        hint = "write the lock again with `repro lock`"
        raise BuildFailed(f"what is installed is not what is locked: {', '.join(odd[:5])}", hint=hint)


def _variables(session: Session, order: Order) -> dict[str, str]:
    """What programs in the tree find in their environment beside that of the sandbox."""
    return {**preloads(session), **({} if TEX_FORMATS.name in order.without else {"FORCE_SOURCE_DATE": "1"})}


def _run_hooks(session: Session, order: Order, root: str) -> None:
    for hook in order.hooks:
        inside = f"/tmp/{PurePosixPath(hook.path).name}"
        session.put_bytes(hook.data, root + inside, 0o755)
        session.run([inside], root=root, env=_variables(session, order), what=f"hook {hook.path}")


def _ordered_view(session: Session, root: str) -> str:
    """The tree as programs shall see it: itself, or through disorderfs where the order of entries is varied."""
    if session.environment.directory_order == NATIVE:
        return root
    view = f"{root}-{session.environment.directory_order}"
    disorder.view(session, root, view, session.environment.directory_order)
    return view
