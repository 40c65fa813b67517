"""What takes more than one session of the amnesic system: storage that persists, upgrades, every way to start it.

Many minutes, so that `make test` leaves it out; `make test-boot` runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from repro.boot.machine import Setup
from repro.model import checks as checking
from repro.system.run import run
from tests.boot.images import ROOT, build, repro
from tests.boot.sessions import ADMINISTRATION, CHECKS, MEMORY, PERSISTENCE, SERIAL, Stick, answer, holds, session

pytestmark = [pytest.mark.boot, pytest.mark.amnesic, pytest.mark.long, pytest.mark.xdist_group("amnesic")]

PASSPHRASE = "correct horse battery staple"
SECRET = "what-is-kept-between-sessions"


def test_persistent_storage_is_made_opened_when_asked_and_absent_when_not(amnesic: Path, tmp_path: Path) -> None:
    stick = Stick.of(amnesic, tmp_path / "stick.img", 3 << 30)
    with session(stick.setup(), tmp_path) as (_, shell):
        assert "no persistent storage" in answer(shell, "sudo -n amnesic-persistence status")
        said = answer(shell, f"echo {PASSPHRASE} | sudo -n amnesic-persistence create", timeout=900)
        assert "made; choose" in said
        assert "is closed" in answer(shell, "sudo -n amnesic-persistence status")
        told = answer(shell, "sudo -n cryptsetup luksDump $(blkid -t PARTLABEL=AmnesicData -o device || ls /dev/sda3)")
        assert "Version:       \t2" in told and "Label:         \tAmnesicData" in told and "argon2id" in told
    append = f"persistence {ADMINISTRATION}"  # the entry says so; the last `components` counts
    for first in (True, False):
        with session(stick.setup(), tmp_path, entry=PERSISTENCE, append=append, passphrase=PASSPHRASE) as (_, shell):
            assert "is open" in answer(shell, "sudo -n amnesic-persistence status")
            if first:
                answer(shell, f"echo {SECRET} > ~/Persistent/note; echo {SECRET}-not > ~/elsewhere")
            else:
                assert SECRET in answer(shell, "cat ~/Persistent/note")
                answer(shell, "cat ~/elsewhere", status=1)
    with session(stick.setup(), tmp_path) as (_, shell):
        assert "is closed" in answer(shell, "sudo -n amnesic-persistence status")
        answer(shell, "ls ~/Persistent/note", status=2)
    assert not holds(stick.path, SECRET), "what is kept is encrypted"


def test_a_wrong_passphrase_opens_nothing(amnesic: Path, tmp_path: Path) -> None:
    stick = Stick.of(amnesic, tmp_path / "stick.img", 3 << 30)
    with session(stick.setup(), tmp_path) as (_, shell):
        answer(shell, f"echo {PASSPHRASE} | sudo -n amnesic-persistence create", timeout=900)
    append = f"persistence {ADMINISTRATION}"
    with session(
        stick.setup(), tmp_path, entry=PERSISTENCE, append=append, passphrase="wrong", then=("Retry", "n")
    ) as (_, shell):
        assert "is closed" in answer(shell, "sudo -n amnesic-persistence status")


@pytest.fixture(scope="module")
def newer(amnesic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a later version of the system, with a kit from the one to the other, signed, and the key."""
    project = tmp_path_factory.mktemp("newer")
    for name in ("snapshots", "recipes/amnesic"):
        shutil.copytree(ROOT / name, project / name)
    recipe = project / "recipes/amnesic"
    (recipe / "overlay/usr/share/amnesic-version").write_text("2\n")
    hook = recipe / "hooks/90-newer"
    hook.write_text("#!/bin/sh\nset -e\numask 022\nrm -r /usr/share/doc/xfce4-panel\necho changed >> /etc/issue\n")
    hook.chmod(0o755)
    out = build("amnesic", project / "out", "--output", "kit,squashfs", "--kit-from", str(amnesic), project=project)
    repro("attest", "keygen", str(out / "release"), "--no-passphrase", project=project)
    repro("attest", "kit", str(out / "amnesic.kit"), "--key", str(out / "release.key"), project=project)
    return out


# What a tree is: each file with its kind, mode, owner, size and target, and the hash of what is in it.
_LISTING = (
    "cd {top} && find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run \\) -prune -o "
    "-printf '%p %y %m %U %G %l\\n' | LC_ALL=C sort | sha256sum"
)


def test_an_upgrade_is_applied_and_starts(amnesic: Path, newer: Path, tmp_path: Path) -> None:
    stick = Stick.of(amnesic, tmp_path / "stick.img", 2 << 30)
    parcel = tmp_path / "parcel.iso"
    files = [newer / name for name in ("amnesic.kit", "amnesic.kit.sig", "release.pub")]
    run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", str(parcel), *map(str, files)])
    full, kit = ((newer / f"amnesic.{kind}").stat().st_size for kind in ("squashfs", "kit"))
    print(f"kit {kit} bytes, full squashfs {full} bytes: {kit / full:.4f}")
    assert kit * 4 < full
    setup = stick.setup(disks=(parcel,))
    with session(setup, tmp_path) as (_, shell):
        answer(shell, "test ! -e /usr/share/amnesic-version")
        answer(shell, "sudo -n mount -o ro /dev/vda /mnt")
        refused = answer(shell, "sudo -n amnesic-upgrade /mnt/amnesic.kit", status=1)
        assert "no key in /etc/amnesic/upgrade-keys has signed it" in refused
        answer(shell, "sudo -n cp /mnt/release.pub /etc/amnesic/upgrade-keys/")
        assert "would upgrade" in answer(shell, "sudo -n amnesic-upgrade --check /mnt/amnesic.kit")
        assert "upgraded; restart" in answer(shell, "sudo -n amnesic-upgrade /mnt/amnesic.kit", timeout=900)
        answer(shell, "sudo -n umount /mnt")
    with session(stick.setup(), tmp_path) as (_, shell):
        assert answer(shell, "cat /usr/share/amnesic-version").strip() == "2"
        assert "changed" in answer(shell, "cat /etc/issue")
        answer(shell, "ls /usr/share/doc/xfce4-panel", status=2)
        mounted = answer(shell, "cat /proc/mounts | grep -c '^/dev/loop.* /run/live/rootfs/'")
        assert mounted.strip() == "2"
        # the layers of the running system, without what this session wrote over them
        layers = answer(shell, "ls -d /run/live/rootfs/*.squashfs | sort -r | tr '\\n' ':'").strip().rstrip(":")
        first = next(each for each in layers.split(":") if "filesystem" not in each)
        below = f"{first}:/run/live/rootfs/filesystem.squashfs"
        answer(shell, f"sudo -n mount -t overlay -o ro,lowerdir={below} none /mnt")
        inside = answer(shell, 'sudo -n sh -c "' + _LISTING.format(top="/mnt").replace('"', '\\"') + '"', timeout=900)
    assert inside.split()[0] == listed(newer / "amnesic.squashfs", tmp_path)


def listed(squashfs: Path, folder: Path) -> str:
    """The listing of the tree in `squashfs`, mounted here where nobody else sees it."""
    if os.getuid():
        pytest.skip("host: mounting needs root")
    top = folder / "full"
    top.mkdir()
    script = f"mount -o loop,ro {squashfs} {top} && {_LISTING.format(top=top)}"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def test_a_kit_that_was_tampered_with_is_not_taken(amnesic: Path, newer: Path, tmp_path: Path) -> None:
    """Its control file and signature are right; a file in it is another."""
    (tmp_path / "kit").mkdir()
    run(["tar", "-C", str(tmp_path / "kit"), "-xf", str(newer / "amnesic.kit")])
    layer = next((tmp_path / "kit/files/live").glob("*.squashfs"))
    data = bytearray(layer.read_bytes())
    data[len(data) // 2] ^= 1
    layer.write_bytes(data)
    run(["tar", "-C", str(tmp_path / "kit"), "-cf", str(tmp_path / "amnesic.kit"), "."])
    parcel = tmp_path / "parcel.iso"
    files = [tmp_path / "amnesic.kit", newer / "amnesic.kit.sig", newer / "release.pub"]
    run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", str(parcel), *map(str, files)])
    stick = Stick.of(amnesic, tmp_path / "stick.img", 2 << 30)
    with session(stick.setup(disks=(parcel,)), tmp_path) as (_, shell):
        answer(shell, "sudo -n mount -o ro /dev/vda /mnt; sudo -n cp /mnt/release.pub /etc/amnesic/upgrade-keys/")
        said = answer(shell, "sudo -n amnesic-upgrade /mnt/amnesic.kit", status=1, timeout=900)
        assert "has another hash than its control file says" in said
        left = answer(shell, "find /run/live/medium -name '*.new' -o -name '*.module'; ls /run/live/medium/live")
        assert left.split() == ["filesystem.packages", "filesystem.squashfs", "initrd.img", "vmlinuz"]


@pytest.mark.parametrize("firmware", ["uefi", "secure"])
def test_the_stick_starts_under_uefi(amnesic: Path, firmware: str, tmp_path: Path) -> None:
    setup = Setup(amnesic, "usb", firmware, memory=MEMORY)  # type: ignore[arg-type]
    with session(setup, tmp_path, append="") as (_, shell):
        assert answer(shell, "test -d /sys/firmware/efi && echo uefi").strip() == "uefi"
        state = answer(shell, "od -An -tu1 -j4 /sys/firmware/efi/efivars/SecureBoot-*").strip()
        assert state == ("1" if firmware == "secure" else "0")


@pytest.mark.parametrize("attach", ["cd", "usb"])
def test_the_iso_starts_as_a_cd_and_from_a_stick(
    tmp_path_factory: pytest.TempPathFactory, attach: str, tmp_path: Path
) -> None:
    iso = build("amnesic", tmp_path_factory.mktemp("iso"), "--output", "iso") / "amnesic.iso"
    setup = Setup(iso, attach, memory=MEMORY)  # type: ignore[arg-type]
    with session(setup, tmp_path, append=SERIAL) as (_, shell):
        assert "iso9660" in answer(shell, "findmnt -no FSTYPE /run/live/medium")


def test_an_ordinary_user_cannot_get_past_tor(amnesic: Path) -> None:
    """By the command line, as a person would ask."""
    checking.decode((CHECKS / "user.toml").read_text(), "user.toml")
    said = repro("boot", str(amnesic), "--network", "--check", str(CHECKS / "user.toml"))
    assert "3 of 3 checks hold" in said
