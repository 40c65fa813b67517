"""The USB stage: a disk image for sticks that boots by BIOS and UEFI.

A GPT of two partitions: one for GRUB's image for BIOS, one (FAT32) for the system, with the files of the medium. Its
GUIDs and the file system's serial follow from the build's id. Behind the last partition a stick has room, in which the
system may make a partition for what is to persist.
"""

from __future__ import annotations

import uuid

from repro.image.fat import make_fat
from repro.image.medium import INSIDE, TREE, bios_core, lay_medium
from repro.image.order import Order
from repro.image.root import OUTPUT
from repro.sandbox.session import Session

_FILES = "repro.image.files_inside"
_SECTOR = 512
_MIB = 1 << 20
_CORE = 2048  # sector at which GRUB's partition begins, a MiB long
_SYSTEM = 4096  # sector at which the system's begins
_SPARE = 1.25  # of the system's files, so that an upgrade finds room
_CLUSTER = 8  # sectors
_SMALL = 512 * _MIB  # below it FAT32 would have too few clusters of that size (Microsoft's FAT specification, 3.5)
_LEAST = 64 * _MIB
_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_NAMESPACE = uuid.UUID("f3a1a0de-5b0c-4d5e-9a53-1d0b7b1c2f61")  # for name-based GUIDs (RFC 4122, 4.3)

_TABLE = """\
label: gpt
label-id: {disk}
unit: sectors
first-lba: 34
start={core}, size={room}, type={bios}, uuid={first}, name="BIOS boot"
start={system}, size={sectors}, type={efi}, uuid={second}, name="System"
"""


def make_usb(session: Session, order: Order, name: str) -> None:
    """Write OUTPUT/`name` from the other outputs. Raises BuildFailed with the failing tool's last words."""
    image = f"{OUTPUT}/{name}"
    lay_medium(session, order)
    needed = int(session.call(_FILES, "size", tree=TREE, unit=_CLUSTER * _SECTOR) * _SPARE)
    system = max(_LEAST, -(-needed // _MIB) * _MIB)
    sectors = system // _SECTOR
    session.call(_FILES, "blank", path=image, bytes=(_SYSTEM + sectors) * _SECTOR + _MIB)
    disk, first, second = (_guid(order, part) for part in ("disk", "bios", "system"))
    table = _TABLE.format(
        **{"disk": disk, "first": first, "second": second, "bios": _BIOS_BOOT, "efi": _EFI_SYSTEM},
        **{"core": _CORE, "room": _SYSTEM - _CORE, "system": _SYSTEM, "sectors": sectors},
    )
    session.put_bytes(table.encode(), "/usb.table")
    script = 'exec sfdisk --quiet --no-reread "$1" < /usb.table'
    session.run(["/bin/sh", "-c", script, "sh", image], what="sfdisk")
    bios_core(session, order, "/core.img", "i386-pc", "fat")
    boot = "/usr/lib/grub/i386-pc/boot.img"
    session.call(INSIDE, "install_grub", disk=image, boot=boot, core="/core.img", sector=_CORE, room=_SYSTEM - _CORE)
    cluster = 1 if system < _SMALL else _CLUSTER
    geometry = ("-F", "-c", str(cluster), "-T", str(sectors), "-h", "255", "-s", "63", "-H", str(_SYSTEM))
    make_fat(
        session,
        f"{image}@@{_SYSTEM * _SECTOR}",
        TREE,
        serial=int(order.build_id[:8], 16),
        without=order.without,
        options=geometry,
        label=order.recipe.volume[:11],
    )


def _guid(order: Order, part: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{order.build_id} {part}")).upper()
