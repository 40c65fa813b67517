"""Where the host keeps its virtual machine's UEFI firmware. BIOS needs nothing: QEMU brings it along."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repro.boot.errors import HostLacks

# Code and the variables that belong to it: empty ones, and with Microsoft's keys, which Debian's shim is signed by.
_PLACES = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),  # Debian, Ubuntu
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),  # the same, older
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),  # Fedora
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),  # Arch
)
_SECURE = (
    ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),  # Debian, Ubuntu
    ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),  # Fedora
)


@dataclass(frozen=True)
class Firmware:
    """`code` is only read; a machine gets its own copy of `variables`, which it writes to."""

    code: Path
    variables: Path


def uefi(places: tuple[tuple[str, str], ...] = _PLACES, *, secure: bool = False) -> Firmware:
    """The first pair of `places` (`secure`: of those with keys) that this host has. Raises HostLacks."""
    for code, variables in _SECURE if secure else places:
        if Path(code).is_file() and Path(variables).is_file():
            return Firmware(Path(code), Path(variables))
    raise HostLacks(
        "this host has no UEFI firmware for virtual machines",
        hint="install the package ovmf (edk2-ovmf on Fedora and Arch)",
    )
