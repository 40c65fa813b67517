"""The kit stage: what a system of an earlier build needs to become this one, and no more.

A kit is a tar: `control.json`, a squashfs with what changed in the root tree (a layer for overlayfs: what is gone is a
character device 0:0, kernel's Documentation/filesystems/overlayfs), and the files of the medium that are others. The
layer is laid over those that the system has, by live-boot's `filesystem.module`. `control.json` binds all by SHA-256;
its signature lies beside the kit, so that two rebuilders have the same kit.
"""

from __future__ import annotations

from repro.image.medium import TREE, lay_medium
from repro.image.order import Order
from repro.image.pack import pack
from repro.image.root import OUTPUT
from repro.image.squash import make_squashfs
from repro.model import kit as kits
from repro.sandbox.session import Session
from repro.sandbox.toolchain import preloads

BASE = "base.squashfs"  # among the outputs, where a kit is wanted
_FILES = "repro.image.files_inside"
_INSIDE = "repro.image.kit_inside"
_WORK = "/kit-work"
_KIT = "/kit"


def make_kit(session: Session, order: Order, name: str) -> None:
    """Write OUTPUT/`name` from the other outputs and the base's squashfs. Raises BuildFailed."""
    base = order.base
    assert base is not None
    layer = f"live/{order.build_id[:16]}.squashfs"
    session.call(_FILES, "folder", path=_WORK)
    unsquash = ["unsquashfs", "-no-progress", "-quiet", "-dest", f"{_WORK}/base", f"{OUTPUT}/{BASE}"]
    session.run(unsquash, env=preloads(session), what="unsquashfs")
    pack(session, f"{_WORK}/base", f"{_WORK}/base.tar", frozenset())
    session.call(_FILES, "remove", path=f"{_WORK}/base")
    session.call(_INSIDE, "delta", old=f"{_WORK}/base.tar", new=f"{OUTPUT}/root.tar", target=f"{_WORK}/layer.tar")
    recipe = order.recipe
    made = f"{_WORK}/layer.squashfs"
    make_squashfs(session, f"{_WORK}/layer.tar", made, recipe.compression, recipe.compression_level)
    lay_medium(session, order)
    chosen = session.call(_INSIDE, "gather", medium=TREE, known=dict(base.medium), layer=made, path=layer, kit=_KIT)
    control = kits.Control(
        name=recipe.name,
        old=kits.State(base.build, base.squashfs.sha256),
        new=kits.State(order.build_id, session.call(_FILES, "digest", path=f"{OUTPUT}/filesystem.squashfs")[0]),
        layer=layer,
        files=tuple(kits.File(*row) for row in chosen),
    )
    session.put_bytes(kits.encode(control), f"{_KIT}/{kits.CONTROL}")
    session.call(_FILES, "settle", top=_KIT, epoch=session.environment.source_date_epoch)
    pack(session, _KIT, f"{OUTPUT}/{name}", order.without)
