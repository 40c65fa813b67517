"""A virtual machine without a network that boots an image, never writing to it. QEMU touches no bit of a build."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from repro.boot import firmware
from repro.boot.console import Console
from repro.boot.errors import BootFailed, HostLacks
from repro.boot.monitor import Monitor
from repro.system.run import BASE_ENVIRONMENT

PROGRAM = "qemu-system-x86_64"
# Emulation is the default: it works on every host, also where the host is a virtual machine itself. There, clearing
# a page with one `rep stosb` (ERMS) is 4,096 steps; without that feature kernels do it in fewer.
_ACCELERATORS = {
    "tcg": ("-accel", "tcg,thread=multi", "-cpu", "max,erms=off"),
    "kvm": ("-accel", "kvm", "-cpu", "host"),
}
_DEVICES = {
    "cd": "ide-cd,drive=image,bootindex=0",
    "ide": "ide-hd,drive=image,bootindex=0",
    "virtio": "virtio-blk-pci,drive=image,bootindex=0",
}


@dataclass(frozen=True)
class Setup:
    """What to boot and how: `attach` as a CD, or as an IDE or virtio disk; `memory` in MiB."""

    image: Path
    attach: Literal["cd", "ide", "virtio"] = "cd"
    firmware: Literal["bios", "uefi"] = "bios"
    accelerator: Literal["tcg", "kvm"] = "tcg"
    memory: int = 1024
    processors: int = 2


class Machine:
    """A machine that runs: its serial `console`, and screenshots."""

    def __init__(self, console: Console, monitor: Monitor) -> None:
        self.console, self._monitor = console, monitor

    def screenshot(self, path: Path) -> None:
        """Write what the screen shows to `path`, as PNG. Raises BootFailed."""
        self._monitor.screenshot(str(path.absolute()))


@contextlib.contextmanager
def start(setup: Setup, log: IO[bytes]) -> Iterator[Machine]:
    """Start a machine; it is switched off at the end, whatever happens. Its serial console goes to `log`.

    Raises HostLacks where QEMU or the firmware is missing, BootFailed where QEMU does not start.
    """
    program = shutil.which(PROGRAM, path=BASE_ENVIRONMENT["PATH"])
    if not program:
        raise HostLacks(f"this host has no {PROGRAM}", hint="install the package qemu-system-x86")
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="repro-boot-")))
        ours, theirs = zip(*(socket.socketpair() for _ in ("serial", "qmp")), strict=True)
        for end in (*ours, *theirs):
            stack.enter_context(end)
        command = [program, *_arguments(setup, scratch), *_doors(theirs)]
        stack.enter_context(_running(command, scratch, [end.fileno() for end in theirs]))
        for end in theirs:
            end.close()
        yield Machine(Console(ours[0], log), Monitor(ours[1]))


def _arguments(setup: Setup, scratch: Path) -> list[str]:
    if not setup.image.is_file():
        raise BootFailed(f"{setup.image} is not a file")
    drive = f"if=none,id=image,format=raw,file={_quoted(setup.image)}"
    return [
        *("-nodefaults", "-no-user-config", "-no-reboot", "-machine", "pc", *_ACCELERATORS[setup.accelerator]),
        *("-smp", str(setup.processors), "-m", str(setup.memory), "-vga", "std", "-display", "none", "-nic", "none"),
        *("-drive", f"{drive},readonly=on" if setup.attach == "cd" else f"{drive},snapshot=on"),
        *("-device", _DEVICES[setup.attach]),
        *(_pflash(scratch) if setup.firmware == "uefi" else ()),
    ]


def _pflash(scratch: Path) -> list[str]:
    found = firmware.uefi()
    own = scratch / "variables.fd"
    shutil.copyfile(found.variables, own)
    return [
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_quoted(found.code)}"),
        *("-drive", f"if=pflash,unit=1,format=raw,file={_quoted(own)}"),
    ]


def _doors(ends: Sequence[socket.socket]) -> list[str]:
    """Serial console and monitor over sockets that QEMU inherits: no name in any folder, nothing to wait for."""
    serial, qmp = (end.fileno() for end in ends)
    return [
        *("-chardev", f"socket,id=console,fd={serial}", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=qmp,fd={qmp}", "-mon", "chardev=qmp,mode=control"),
    ]


def _quoted(path: Path) -> str:
    """A path as QEMU's option lists want it: commas doubled."""
    return str(path.absolute()).replace(",", ",,")


@contextlib.contextmanager
def _running(command: list[str], scratch: Path, inherited: list[int]) -> Iterator[None]:
    """The one process that this module starts, and the only one that it ever kills.

    Raises BootFailed with QEMU's own words where it ended by itself and what was done with it failed.
    """
    if keeper := shutil.which("setpriv", path=BASE_ENVIRONMENT["PATH"]):
        command = [keeper, "--pdeathsig", "KILL", *command]  # should we be killed, so is the machine
    words = scratch / "qemu.stderr"
    with open(words, "wb") as stderr:
        process = subprocess.Popen(
            command,
            env={**BASE_ENVIRONMENT, "TMPDIR": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=inherited,
            start_new_session=True,
        )
        try:
            yield
        except BootFailed as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)  # a machine that ended has closed its console just before
            if process.poll():
                said = words.read_text(errors="replace").strip()
                raise BootFailed(f"QEMU exited with {process.returncode}: {said}\n{error.message}") from error
            raise
        finally:
            process.kill()
            process.wait()
