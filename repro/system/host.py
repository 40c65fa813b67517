"""What the host offers to any work of ours: interpreter, libraries, programs, memory, disk. Looks, changes nothing."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from repro.model.doctor import BUILD, MISSING, OK, Check
from repro.model.text import human_size, printable
from repro.system.memory import available

MEMORY = 3_000_000_000  # bytes that the scratch file system of a small live image and its squashfs take
LIBARCHIVE = "libarchive.so.13"
DISK = 2_000_000_000  # bytes that its packages and results take
_OVMF = ("/usr/share/OVMF", "/usr/share/ovmf", "/usr/share/edk2", "/usr/share/qemu")


def host_checks(store: Path) -> list[Check]:
    """Everything but the sandbox; `store` is where packages and results would be kept."""
    return [
        _python(),
        _machine(),
        _memory(),
        _disk(store),
        _library("libarchive", LIBARCHIVE, BUILD, "libarchive13 (libarchive13t64 on newer releases)"),
        _library("libmagic", "libmagic.so.1", "compare --deep", "libmagic1 (libmagic1t64 on newer releases)"),
        _diffoscope(),
        _program("qemu", "qemu-system-x86_64", "starting images in a virtual machine", "qemu-system-x86"),
        _firmware(),
    ]


def _python() -> Check:
    return Check("Python", OK, f"{platform.python_version()} ({printable(sys.executable)})", BUILD)


def _machine() -> Check:
    found = f"{platform.system()} {platform.release()} on {platform.machine()}"
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        return Check("machine", OK, found, BUILD)
    return Check("machine", MISSING, found, BUILD, "the locked toolchain is amd64: use Linux on x86_64")


def _memory() -> Check:
    free = available() + _swap()
    found = f"{human_size(free)} free, swap included"
    if free >= MEMORY:
        return Check("memory", OK, found, BUILD)
    return Check("memory", MISSING, found, BUILD, f"have {human_size(MEMORY)} free: images grow in memory")


def _swap() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("SwapFree:"))


def _disk(store: Path) -> Check:
    place = next(folder for folder in (store, *store.parents) if folder.is_dir())
    where = printable(str(store))
    if not os.access(place, os.W_OK | os.X_OK):
        return Check("store", MISSING, f"{where} cannot be written", BUILD, "name another with --store or REPRO_STORE")
    free = shutil.disk_usage(place).free
    found = f"{human_size(free)} free for {where}"
    if free >= DISK:
        return Check("store", OK, found, BUILD)
    remedy = f"free {human_size(DISK)}, or name another place with --store or REPRO_STORE"
    return Check("store", MISSING, found, BUILD, remedy)


def _library(name: str, file: str, purpose: str, package: str) -> Check:
    if can_load(file):
        return Check(name, OK, file, purpose)
    return Check(name, MISSING, f"{file} cannot be loaded", purpose, f"install the package {package}")


def can_load(file: str) -> bool:
    """Whether the shared library of that name is there."""
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True


def _diffoscope() -> Check:
    purpose = "compare --deep"
    try:
        return Check("diffoscope", OK, version("diffoscope"), purpose)
    except PackageNotFoundError:
        return Check("diffoscope", MISSING, "not in this Python", purpose, "pip install diffoscope")


def _program(name: str, program: str, purpose: str, package: str) -> Check:
    if path := shutil.which(program):
        return Check(name, OK, path, purpose)
    return Check(name, MISSING, f"no {program}", purpose, f"install the package {package}")


def _firmware() -> Check:
    purpose = "starting images by UEFI"
    for folder in _OVMF:
        if found := sorted(Path(folder).glob("**/OVMF*.fd")):
            return Check("UEFI firmware", OK, str(found[0]), purpose)
    return Check("UEFI firmware", MISSING, "no OVMF", purpose, "install the package ovmf")
