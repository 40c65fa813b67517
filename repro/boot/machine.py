"""A virtual machine that boots an image. QEMU touches no bit of a build, and no packet of a guest leaves this host."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
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
ADDRESS = "52:54:00:12:34:56"  # of the guest's network card, as it is before the guest changes it
# Emulation is the default: it works on every host, also where the host is a virtual machine itself. There, clearing
# a page with one `rep stosb` (ERMS) is 4,096 steps; without that feature kernels do it in fewer.
ACCELERATORS = {
    "tcg": ("-accel", "tcg,thread=multi", "-cpu", "max,erms=off"),
    "kvm": ("-accel", "kvm", "-cpu", "host"),
}
_DEVICES = {
    "cd": ("-device", "ide-cd,drive=image,bootindex=0"),
    "ide": ("-device", "ide-hd,drive=image,bootindex=0"),
    "virtio": ("-device", "virtio-blk-pci,drive=image,bootindex=0"),
    "usb": ("-device", "qemu-xhci,id=usb", "-device", "usb-storage,bus=usb.0,drive=image,removable=on,bootindex=0"),
}


@dataclass(frozen=True)
class Setup:
    """What to boot and how: `attach` as a CD, as a USB stick, or as an IDE or virtio disk; `memory` in MiB.

    `secure` firmware is UEFI with Microsoft's keys, which starts what they sign alone. The image is never written to
    unless `write` says so; `disks` are further ones, and are. `network`: there is a card, on a network that holds the
    guest and QEMU alone, which plays gateway and resolver and reaches nobody; what passes there is taken down in the
    file `pcap`. `stay`: a guest that switches itself off leaves its memory to be looked at.
    """

    image: Path
    attach: Literal["cd", "usb", "ide", "virtio"] = "cd"
    firmware: Literal["bios", "uefi", "secure"] = "bios"
    accelerator: Literal["tcg", "kvm"] = "tcg"
    memory: int = 1024
    processors: int = 2
    write: bool = False
    disks: tuple[Path, ...] = ()
    network: bool = False
    pcap: Path | None = None
    stay: bool = False


class Machine:
    """A machine that runs: its serial `console`, screenshots, what its memory holds."""

    def __init__(self, console: Console, monitor: Monitor, process: subprocess.Popen[bytes], setup: Setup) -> None:
        self.console, self._monitor, self._process, self._setup = console, monitor, process, setup

    def screenshot(self, path: Path) -> None:
        """Write what the screen shows to `path`, as PNG. Raises BootFailed."""
        self._monitor.screenshot(str(path.absolute()))

    def dump_memory(self, path: Path) -> None:
        """Write all of the guest's memory to `path`. Raises BootFailed."""
        self._monitor.ask("pmemsave", val=0, size=self._setup.memory << 20, filename=str(path.absolute()))

    def wait_off(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the guest has switched itself off. Raises BootFailed.

        What it says meanwhile is taken in, or it would wait for that.
        """
        until = time.monotonic() + timeout
        while self._process.poll() is None and not self._monitor.happened("SHUTDOWN"):
            if time.monotonic() > until:
                raise BootFailed(f"the machine did not switch itself off within {timeout:.0f} s")
            if not self.console.listen(0.5):
                time.sleep(0.1)


@contextlib.contextmanager
def start(setup: Setup, log: IO[bytes]) -> Iterator[Machine]:
    """Start a machine; it is switched off at the end, whatever happens. Its serial console goes to `log`.

    Raises HostLacks where QEMU or the firmware is missing, BootFailed where QEMU does not start.
    """
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="repro-boot-")))
        ours, theirs = zip(*(socket.socketpair() for _ in ("serial", "qmp")), strict=True)
        for end in (*ours, *theirs):
            stack.enter_context(end)
        command = [program(), *_arguments(setup, scratch), *_doors(theirs)]
        alone = bool(setup.network or setup.pcap)
        process = stack.enter_context(running(command, scratch, [end.fileno() for end in theirs], alone=alone))
        for end in theirs:
            end.close()
        yield Machine(Console(ours[0], log), Monitor(ours[1]), process, setup)


def program() -> str:
    """Where QEMU is. Raises HostLacks."""
    found = shutil.which(PROGRAM, path=BASE_ENVIRONMENT["PATH"])
    if not found:
        raise HostLacks(f"this host has no {PROGRAM}", hint="install the package qemu-system-x86")
    return found


def _arguments(setup: Setup, scratch: Path) -> list[str]:
    for path in (setup.image, *setup.disks):
        if not path.is_file():
            raise BootFailed(f"{path} is not a file")
    access = "readonly=on" if setup.attach == "cd" else "snapshot=off" if setup.write else "snapshot=on"
    secure = setup.firmware == "secure"
    machine = "q35,smm=on" if secure else "pc"
    return [
        *("-nodefaults", "-no-user-config", "-no-reboot", "-machine", machine, *ACCELERATORS[setup.accelerator]),
        *("-smp", str(setup.processors), "-m", str(setup.memory), "-vga", "std", "-display", "none"),
        *("-drive", f"if=none,id=image,format=raw,file={_quoted(setup.image)},{access}", *_DEVICES[setup.attach]),
        *(word for number, path in enumerate(setup.disks) for word in _disk(number, path)),
        *(_card(setup.pcap) if setup.network or setup.pcap else ("-nic", "none")),
        *(("-global", "driver=cfi.pflash01,property=secure,value=on") if secure else ()),
        *(_pflash(scratch, firmware.uefi(secure=secure)) if setup.firmware != "bios" else ()),
        *(("-no-shutdown",) if setup.stay else ()),
    ]


def _nowhere() -> list[str]:
    found = shutil.which("unshare", path=BASE_ENVIRONMENT["PATH"])
    if not found:
        raise HostLacks("this host has no unshare", hint="install the package util-linux")
    return [found, "--user", "--map-root-user", "--net", "--"]


def _disk(number: int, path: Path) -> list[str]:
    """A further disk, of the kind that lies in a machine. What the guest writes is written."""
    name = f"disk{number}"
    drive = f"if=none,id={name},format=raw,file={_quoted(path)}"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name}"]


def _card(pcap: Path | None) -> list[str]:
    dump = ("-object", f"filter-dump,id=dump,netdev=net,file={_quoted(pcap)}") if pcap else ()
    card = f"virtio-net-pci,netdev=net,mac={ADDRESS}"
    return ["-netdev", "user,id=net", "-device", card, *dump]


def _pflash(scratch: Path, found: firmware.Firmware) -> list[str]:
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
def running(
    command: list[str], scratch: Path, inherited: list[int], *, alone: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """The one process that this module starts, and the only one that it ever kills.

    `alone`: in a network of its own that leads nowhere, so that QEMU can play the guest's gateway and yet nothing that
    the guest sends can leave this host. Raises BootFailed with QEMU's own words where it ended by itself and what was
    done with it failed.
    """
    if keeper := shutil.which("setpriv", path=BASE_ENVIRONMENT["PATH"]):
        command = [keeper, "--pdeathsig", "KILL", *command]  # should we be killed, so is the machine
    if alone:
        command = [*_nowhere(), *command]
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
            yield process
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
