"""The part of the root stage that runs inside the sandbox: the standard library, and what else runs there."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil

from repro.sandbox.toolchain_inside import place


def prepare(tree: str, libraries: list[str], locales: str) -> None:
    """An empty tree at `tree` with the preloadable libraries in it, and with the folder `locales` if there is one."""
    for folder in (tree, "/output"):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
    for library in libraries:
        place(tree + library, library)
    if os.path.exists(locales):
        shutil.copytree(locales, tree + locales)


def installed() -> list[str]:
    """`name version architecture` of every package that dpkg has configured in the tree at `/`, sorted."""
    with open("/var/lib/dpkg/status", encoding="utf-8") as file:
        stanzas = file.read().split("\n\n")
    found = []
    for stanza in stanzas:
        fields = dict(re.findall(r"(?m)^(Package|Status|Version|Architecture): (.*)$", stanza))
        if fields.get("Status", "").endswith(" installed"):
            found.append(f"{fields['Package']} {fields['Version']} {fields['Architecture']}")
    return sorted(found)


def lay(tree: str, path: str, source: str, target: str, executable: bool) -> None:
    """Move `source` to `path` in the tree (or make a link to `target` there); folders above it as needed.

    What is there already goes. Symbolic links among those folders lead to where they would in the image.
    """
    with open(source, "rb") as file:
        data = file.read()
    os.chroot(tree)
    os.chdir("/")
    os.umask(0o022)
    there = os.path.join("/", path)
    os.makedirs(os.path.dirname(there), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(there)
    if target:
        os.symlink(target, there)
        return
    with open(there, "wb") as copy:
        copy.write(data)
    os.chmod(there, 0o755 if executable else 0o644)


def exists(path: str) -> bool:
    return os.path.exists(path)


def tidy(preload: str) -> None:
    """Take out of the tree at `/` what was there for the build alone."""
    shutil.rmtree(preload)
    if os.path.exists("/sys/firmware"):
        times = os.stat("/sys")
        shutil.rmtree("/sys/firmware")
        os.utime("/sys", ns=(times.st_atime_ns, times.st_mtime_ns))
    for folder in ("/proc", "/dev", "/sys", "/run"):
        os.makedirs(folder, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink("/etc/apt/sources.list")


def boot_files(tree: str, output: str) -> None:
    """Copy the newest kernel and its initrd, where there are any, from `tree`/boot to `output`."""
    for name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd.img", "initrd.img-*")):
        if found := sorted(glob.glob(f"{tree}/boot/{pattern}")):
            shutil.copyfile(found[-1], f"{output}/{name}")
