"""The ISO stage: squashfs, kernel and initrd to a hybrid image that boots by BIOS and UEFI, as a CD and as a disk.

GRUB for both firmwares, written by one xorriso call instead of grub-mkrescue, which leaves the time of day in
boot.catalog and a random serial in the EFI system partition. Layout: El Torito entries for BIOS and UEFI, GRUB's
hybrid MBR, and the EFI system partition appended and named in a GPT whose GUIDs follow from the volume date.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from repro.image.root import OUTPUT
from repro.image.steps import FAT_SERIAL, FAT_TIMES, ISO_DATES, ISO_TIMEZONE
from repro.model.recipe import Recipe
from repro.sandbox.session import Session
from repro.sandbox.toolchain import FAKETIME, preloads

TREE = "/iso"
_WORK = "/iso-work"
_BIOS_MODULES = (
    "biosdisk iso9660 part_msdos part_gpt linux normal configfile search search_fs_file serial terminal echo"
)
_EFI_MODULES = "iso9660 fat part_msdos part_gpt linux normal configfile search search_fs_file serial terminal echo"
_ESP_SECTORS = 2880  # of 512 bytes
MARKER = "/.disk/repro"

_MENU = """\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=2
menuentry "{title}" {{
  linux /live/vmlinuz {cmdline}
  initrd /live/initrd.img
}}
"""
_FIND_ROOT = f"search --set=root --file {MARKER}\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"


def make_iso(session: Session, recipe: Recipe, manifest: str, name: str, without: frozenset[str]) -> None:
    """Write OUTPUT/`name` from the other outputs; `manifest` lists the installed packages, a line each;
    `without` names normalizers that are switched off.

    Raises BuildFailed with the failing tool's last words.
    """
    epoch = session.environment.source_date_epoch
    files: Mapping[str, str] = {
        f"{TREE}/boot/grub/grub.cfg": _MENU.format(title=recipe.summary, cmdline=recipe.cmdline),
        f"{TREE}{MARKER}": f"{recipe.name} {epoch}\n",
        f"{TREE}/live/filesystem.packages": manifest,
        f"{_WORK}/load.cfg": _FIND_ROOT,
    }
    for path, text in files.items():
        session.put_bytes(text.encode(), path)
    _make_boot_images(session, epoch, without)
    stamp = time.strftime("%Y%m%d%H%M%S00", time.gmtime(epoch))
    session.call("repro.image.root_inside", "gather", tree=TREE, output=OUTPUT, epoch=epoch)
    dates = ("--modification-date=" + stamp, "--set_all_file_dates", f"={epoch}")
    undated = ISO_DATES.name in without
    session.run(
        [
            *(("env", "-u", "SOURCE_DATE_EPOCH") if undated else ()),
            *("xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-o", f"{OUTPUT}/{name}"),
            *("-V", recipe.volume, *(() if undated else dates)),
            *("-R", "-J", "-joliet-long", "-uid", "0", "-gid", "0"),
            *("-c", "boot/boot.cat", "-b", "boot/grub/bios.img", "-no-emul-boot", "-boot-load-size", "4"),
            *("-boot-info-table", "--grub2-boot-info"),
            *("--grub2-mbr", "/usr/lib/grub/i386-pc/boot_hybrid.img"),
            *("-append_partition", "2", "0xef", f"{_WORK}/efi.img", "-appended_part_as_gpt"),
            *("-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot"),
            TREE,
        ],
        env={} if ISO_TIMEZONE.name in without else {"TZ": "UTC"},
        what="xorriso",
    )


def _make_boot_images(session: Session, epoch: int, without: frozenset[str]) -> None:
    grub = ["grub-mkimage", "--compression=auto", "-p", "/boot/grub", "-c", f"{_WORK}/load.cfg"]
    bios = [*grub, "-O", "i386-pc-eltorito", "-o", f"{TREE}/boot/grub/bios.img", *_BIOS_MODULES.split()]
    efi = [*grub, "-O", "x86_64-efi", "-o", f"{_WORK}/BOOTX64.EFI", *_EFI_MODULES.split()]
    session.run(bios, what="grub-mkimage (BIOS)")
    session.run(efi, what="grub-mkimage (UEFI)")
    image = f"{_WORK}/efi.img"
    serial = f"{epoch & 0xFFFFFFFF:08x}"
    # mmd stamps folders with the time of day, in local time: a still clock is the only way to tell it otherwise
    still = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(epoch))
    env = {"LD_PRELOAD": FAKETIME, "FAKETIME": still, "FAKETIME_DISABLE_SHM": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    if FAT_TIMES.name in without:
        env = preloads(session)
    identity = () if FAT_SERIAL.name in without else ("-N", serial)
    size = ("-T", str(_ESP_SECTORS), "-h", "2", "-s", "18")
    session.run(["mformat", "-i", image, "-C", *size, *identity, "::"], env=env)
    session.run(["mmd", "-i", image, "::/EFI", "::/EFI/BOOT"], env=env)
    session.run(["mcopy", "-m", "-i", image, f"{_WORK}/BOOTX64.EFI", "::/EFI/BOOT/BOOTX64.EFI"], env=env)
