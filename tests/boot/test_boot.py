"""The minimal ISO really boots: by BIOS and by UEFI, as a CD and as a disk, to a login that works.

Where QEMU or its firmware is missing these tests fail and say so: `make test` installs both.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from repro.boot.machine import Machine, Setup, start
from repro.boot.shell import Shell, log_in
from repro.model import recipe as recipes
from tests.boot.images import ROOT
from tests.schemas import check

pytestmark = [pytest.mark.boot, pytest.mark.xdist_group("boot")]

WAYS = [
    pytest.param("cd", "bios", "/dev/sr0", id="bios-cd"),
    pytest.param("cd", "uefi", "/dev/sr0", id="uefi-cd", marks=pytest.mark.long),
    pytest.param("ide", "bios", "/dev/sda", id="bios-disk", marks=pytest.mark.long),
    pytest.param("virtio", "uefi", "/dev/vda", id="uefi-disk", marks=pytest.mark.long),
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


CHECKS = """\
schema = "repro/checks/v1"
user = "user"
password = "live"
append = "quiet"

[[question]]
name = "UEFI"
run = "test -d /sys/firmware/efi; cat /proc/cmdline"
says = ' quiet$'

[[question]]
name = "somebody else's name"
run = "hostname; false"
status = 1
says = '^nobody$'
silent = 'deb.an'

[[question]]
name = "a network card"
run = "ls /sys/class/net"
says = '^e'
"""


def test_by_the_command_line(iso: Path, tmp_path: Path) -> None:
    """One answer that does not hold: exit code 1, and it is said what was expected; all the rest works."""
    checks, picture, pcap, log = (tmp_path / name for name in ("checks.toml", "screen.png", "net.pcap", "serial.log"))
    checks.write_text(CHECKS)
    args = ["boot", str(iso), "--check", str(checks), "--firmware", "uefi", "--accelerator", "auto", "--json"]
    args += ["--screenshot", str(picture), "--pcap", str(pcap), "--log", str(log)]
    done = subprocess.run(
        [sys.executable, "-m", "repro.cli.main", "--progress", "plain", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    found = check(done.stdout)
    assert [answer["holds"] for answer in found["answers"]] == [True, False, True], found
    assert found["answers"][1]["why"] == "it does not say /^nobody$/; it says “debian”"
    assert (found["firmware"], found["attach"], found["image"]["name"]) == ("uefi", "cd", iso.name)
    assert "FAILS: somebody else's name" in done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG") and pcap.stat().st_size >= 24 and b"login: " in log.read_bytes()
