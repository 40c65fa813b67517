"""The minimal ISO really boots: by BIOS and by UEFI, as a CD and as a disk, to a login that works.

Where QEMU or its firmware is missing these tests fail and say so: `make test` installs both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from repro.boot.machine import Machine, Setup, start
from repro.boot.shell import Shell, log_in
from repro.model import recipe as recipes
from tests.boot.images import ROOT

pytestmark = [pytest.mark.boot, pytest.mark.xdist_group("boot")]

WAYS = [
    pytest.param("cd", "bios", "/dev/sr0", id="bios-cd"),
    pytest.param("cd", "uefi", "/dev/sr0", id="uefi-cd"),
    pytest.param("ide", "bios", "/dev/sda", id="bios-disk"),
    pytest.param("virtio", "uefi", "/dev/vda", id="uefi-disk"),
]


@pytest.mark.parametrize(("attach", "firmware", "device"), WAYS)
def test_boots_to_a_login_that_works(
    attach: Literal["cd", "ide", "virtio"],
    firmware: Literal["bios", "uefi"],
    device: str,
    iso: Path,
    stick: Path,
    tmp_path: Path,
) -> None:
    setup = Setup(iso if attach == "cd" else stick, attach, firmware)
    with open(tmp_path / "serial.log", "wb") as log, start(setup, log) as machine:
        shell = log_in(machine.console, "user", "live")
        runs_what_was_built(shell)
        boots_from(shell, device, firmware)
        asks_for_a_login_everywhere(shell)
        shows_a_screen(machine, tmp_path / "screen.png")


def ask(shell: Shell, command: str) -> str:
    answer = shell.run(command, timeout=180)
    assert answer.status == 0, f"{command}: {answer}"
    return answer.output.strip()


def runs_what_was_built(shell: Shell) -> None:
    text = (ROOT / "recipes/minimal/recipe.toml").read_text()
    recipe = recipes.decode("minimal", text, "recipe.toml")
    assert ask(shell, "systemctl is-system-running --wait") == "running", ask(shell, "systemctl --failed")
    assert "VERSION_CODENAME=bookworm" in ask(shell, "cat /etc/os-release").splitlines()
    assert ask(shell, "cat /proc/cmdline").endswith(f" {recipe.cmdline}")
    assert ask(shell, "sudo -n id -u") == "0"


def boots_from(shell: Shell, device: str, firmware: str) -> None:
    assert ask(shell, "findmnt -n -o FSTYPE /") == "overlay"
    assert ask(shell, "findmnt -n -o FSTYPE /run/live/rootfs/filesystem.squashfs") == "squashfs"
    assert ask(shell, "findmnt -n -o SOURCE,FSTYPE /run/live/medium").split() == [device, "iso9660"]
    assert ask(shell, "test -d /sys/firmware/efi && echo uefi || echo bios") == firmware


def asks_for_a_login_everywhere(shell: Shell) -> None:
    units = "getty@tty1.service serial-getty@ttyS0.service"
    assert ask(shell, f"systemctl is-active {units}").split() == ["active", "active"]
    assert ask(shell, "ps -C agetty -o tty=") == "tty1", "a login prompt on the screen, nobody logged in"


def shows_a_screen(machine: Machine, picture: Path) -> None:
    machine.screenshot(picture)
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
