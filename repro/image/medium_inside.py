"""The part of making media that runs inside the sandbox: standard library only."""

from __future__ import annotations

import os
import shutil
import struct

from repro.image.files_inside import settle

SECTOR = 512
_KERNEL_SECTOR = 0x5C  # in boot.img: where core.img begins, 8 bytes (GRUB's include/grub/i386/pc/boot.h)
_DRIVE_CHECK = 0x66  # in boot.img: two bytes, a jump that is taken out for hard disks
_CODE = 440  # bytes of boot.img that are code; what follows is the partition table's
_BLOCK_LIST = 0x1F4  # in core.img's first sector: where the rest of it begins (8 bytes), its sectors (2), segment (2)


def lay(tree: str, files: dict[str, str], links: dict[str, str], epoch: int) -> None:
    """A new folder `tree` with `files` (text by path) and hard links to what there is of `links` (by path); every time
    in it is `epoch`."""
    shutil.rmtree(tree, ignore_errors=True)
    for path in (*files, *links):
        os.makedirs(os.path.dirname(f"{tree}/{path}"), exist_ok=True)
    for path, text in files.items():
        with open(f"{tree}/{path}", "w", encoding="utf-8") as file:
            file.write(text)
    for path, source in links.items():
        if os.path.exists(source):
            os.link(os.path.realpath(source), f"{tree}/{path}")
    settle(tree, epoch)


def install_grub(disk: str, boot: str, core: str, sector: int, room: int) -> None:
    """Write GRUB for BIOS into `disk`: the first sector's code from `boot`, `core` at `sector`, `room` sectors there.

    As grub-bios-setup does on a device (GRUB's util/setup.c). Raises ValueError where it does not fit.
    """
    with open(boot, "rb") as file:
        code = bytearray(file.read(SECTOR))
    with open(core, "rb") as file:
        data = bytearray(file.read())
    data += bytes(-len(data) % SECTOR)
    sectors = len(data) // SECTOR
    if len(code) != SECTOR or sectors > room:
        raise ValueError(f"GRUB's core takes {sectors} sectors; there are {room}")
    struct.pack_into("<Q", code, _KERNEL_SECTOR, sector)
    code[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    struct.pack_into("<QH", data, _BLOCK_LIST, sector + 1, sectors - 1)
    with open(disk, "r+b") as file:
        file.write(code[:_CODE])
        file.seek(sector * SECTOR)
        file.write(data)
