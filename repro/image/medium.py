"""The files of a medium that the system starts from, the same ones on an ISO and on a USB image.

GRUB loads kernel and initrd. Under UEFI it is Debian's signed chain: shim, GRUB's image for media with its signature,
MokManager. That image looks for /.disk/info and reads /boot/grub/grub.cfg; the one for BIOS is made here and finds the
medium by a file that bears the build's id.
"""

from __future__ import annotations

import re

from repro.image.order import Order
from repro.image.root import OUTPUT
from repro.sandbox.session import Session

TREE = "/medium"
INSIDE = "repro.image.medium_inside"
INFO = "/.disk/info"  # NAME EPOCH BUILD-ID
SIGNED = {
    "EFI/BOOT/BOOTX64.EFI": "/usr/lib/shim/shimx64.efi.signed",
    "EFI/BOOT/grubx64.efi": "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
    "EFI/BOOT/mmx64.efi": "/usr/lib/shim/mmx64.efi.signed",
}
_MODULES = "biosdisk part_msdos part_gpt linux normal configfile search search_fs_file serial terminal echo"

_LOAD = """\
search --no-floppy --set=root --file {marker}
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
"""
_HEAD = """\
search --no-floppy --set=root --file {marker}
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout={timeout}
"""
_ENTRY = """\
menuentry "{title}" {{
  linux /live/vmlinuz {cmdline}
  initrd /live/initrd.img
}}
"""


def lay_medium(session: Session, order: Order) -> None:
    """Lay the files at TREE, from OUTPUT's squashfs (if it is there), kernel and initrd. Raises BuildFailed."""
    epoch = session.environment.source_date_epoch
    recipe = order.recipe
    manifest = "".join(f"{package.name} {package.version}\n" for package in order.lock.image)
    files = {
        "boot/grub/grub.cfg": _menu(order),
        INFO.lstrip("/"): f"{recipe.name} {epoch} {order.build_id}\n",
        marker(order).lstrip("/"): "",
        "live/filesystem.packages": manifest,
    }
    links = {**SIGNED} | {
        f"live/{name}": f"{OUTPUT}/{name}" for name in ("filesystem.squashfs", "vmlinuz", "initrd.img")
    }
    session.call(INSIDE, "lay", tree=TREE, files=files, links=links, epoch=epoch)


def bios_core(session: Session, order: Order, target: str, kind: str, modules: str) -> None:
    """Make GRUB's image for BIOS at `target`: `kind` is that of grub-mkimage, `modules` those for its file system."""
    session.put_bytes(_LOAD.format(marker=marker(order)).encode(), "/load.cfg")
    grub = ["grub-mkimage", "--compression=auto", "-p", "/boot/grub", "-c", "/load.cfg", "-O", kind, "-o", target]
    session.run([*grub, *_MODULES.split(), *modules.split()], what=f"grub-mkimage ({kind})")


def marker(order: Order) -> str:
    """The file by which a medium of this build is told from others."""
    return f"/.disk/repro-{order.build_id[:16]}"


def _menu(order: Order) -> str:
    recipe = order.recipe
    entries = [(recipe.summary, recipe.cmdline)]
    entries += [(entry.title, f"{recipe.cmdline} {entry.cmdline}") for entry in recipe.menu]
    head = _HEAD.format(marker=marker(order), timeout=5 if recipe.menu else 2)
    return head + "".join(_ENTRY.format(title=_quoted(title), cmdline=cmdline) for title, cmdline in entries)


def _quoted(text: str) -> str:
    """`text` within double quotes as GRUB's scripts have it."""
    return re.sub(r'([\\"$`])', r"\\\1", text)
