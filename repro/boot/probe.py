"""Whether KVM can run a kernel here. That it opens is not enough: in some virtual machines it starts and then hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from pathlib import Path

from repro.boot.console import Console
from repro.boot.errors import BootFailed
from repro.boot.machine import ACCELERATORS, program, running

_KVM = "/dev/kvm"
_PATIENCE = 15.0  # seconds; where KVM works it takes two


def kvm_works(kernel: Path) -> bool:
    """Boot `kernel` under KVM without any root: whether it gets as far as to miss it. Raises HostLacks."""
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return False
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory(prefix="repro-boot-") as folder, ours, theirs, open(os.devnull, "wb") as log:
        command = [
            *(program(), "-nodefaults", "-no-user-config", "-no-reboot", "-machine", "pc", *ACCELERATORS["kvm"]),
            *("-m", "256", "-display", "none", "-nic", "none", "-kernel", str(kernel)),
            *("-append", "console=ttyS0 panic=-1"),
            *("-chardev", f"socket,id=console,fd={theirs.fileno()}", "-serial", "chardev:console"),
        ]
        try:
            with running(command, Path(folder), [theirs.fileno()]):
                theirs.close()
                Console(ours, log).expect(r"VFS: (Unable to mount root|Cannot open root)", _PATIENCE)
        except (BootFailed, subprocess.SubprocessError):
            return False
    return True
