"""The ISO stage: a hybrid image that boots by BIOS and UEFI, as a CD and as a disk.

Written by one xorriso call instead of grub-mkrescue, which leaves the time of day in boot.catalog and a random serial
in the EFI system partition. Layout: El Torito entries for BIOS and UEFI, GRUB's hybrid MBR, and the EFI system
partition appended and named in a GPT whose GUIDs follow from the volume date.
"""

from __future__ import annotations

import time

from repro.image.fat import make_fat
from repro.image.medium import INSIDE, SIGNED, TREE, bios_core, lay_medium
from repro.image.order import Order
from repro.image.root import OUTPUT
from repro.image.steps import ISO_DATES, ISO_TIMEZONE
from repro.sandbox.session import Session

_ESP = "/efi.img"
_ESP_SECTORS = 16384  # of 512 bytes: the signed chain takes 6 MB


def make_iso(session: Session, order: Order, name: str) -> None:
    """Write OUTPUT/`name` from the other outputs. Raises BuildFailed with the failing tool's last words."""
    without = order.without
    epoch = session.environment.source_date_epoch
    lay_medium(session, order)
    bios_core(session, order, f"{TREE}/boot/grub/bios.img", "i386-pc-eltorito", "iso9660")
    session.call("repro.image.files_inside", "settle", top=TREE, epoch=epoch)
    geometry = ("-C", "-T", str(_ESP_SECTORS), "-h", "16", "-s", "32")
    session.call(INSIDE, "lay", tree="/efi", files={}, links=SIGNED, epoch=epoch)
    make_fat(session, _ESP, "/efi", serial=epoch & 0xFFFFFFFF, without=without, options=geometry)
    stamp = time.strftime("%Y%m%d%H%M%S00", time.gmtime(epoch))
    dates = ("--modification-date=" + stamp, "--set_all_file_dates", f"={epoch}")
    undated = ISO_DATES.name in without
    session.run(
        [
            *(("env", "-u", "SOURCE_DATE_EPOCH") if undated else ()),
            *("xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-o", f"{OUTPUT}/{name}"),
            *("-V", order.recipe.volume, *(() if undated else dates)),
            *("-R", "-J", "-joliet-long", "-uid", "0", "-gid", "0"),
            *("-c", "boot/boot.cat", "-b", "boot/grub/bios.img", "-no-emul-boot", "-boot-load-size", "4"),
            *("-boot-info-table", "--grub2-boot-info"),
            *("--grub2-mbr", "/usr/lib/grub/i386-pc/boot_hybrid.img"),
            *("-append_partition", "2", "0xef", _ESP, "-appended_part_as_gpt"),
            *("-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot"),
            TREE,
        ],
        env={} if ISO_TIMEZONE.name in without else {"TZ": "UTC"},
        what="xorriso",
    )
