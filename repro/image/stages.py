"""The stages of an image and how each follows from others: the one table that building, caching and publishing read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ROOT, SQUASHFS, ISO, USB, TAR, OCI, KIT = "root", "squashfs", "iso", "usb", "tar", "oci", "kit"


@dataclass(frozen=True)
class Stage:
    """`needs` are the stages whose `outputs` (files of the sandbox's output folder) it reads; the first of its own is
    what it publishes, as a file called after the recipe with `suffix`."""

    name: str
    label: str
    needs: tuple[str, ...]
    outputs: tuple[str, ...]
    suffix: str

    @property
    def published(self) -> str:
        """Its artifact's name in the sandbox."""
        return self.outputs[0]


_ALL = (
    Stage(ROOT, "root file system", (), ("root.tar", "vmlinuz", "initrd.img"), ".tar"),
    Stage(SQUASHFS, "squashfs", (ROOT,), ("filesystem.squashfs",), ".squashfs"),
    Stage(ISO, "ISO image", (ROOT, SQUASHFS), ("image.iso",), ".iso"),
    Stage(USB, "USB image", (ROOT, SQUASHFS), ("image.usb",), ".img"),
    Stage(TAR, "root tarball", (ROOT,), ("root.tar.zst",), ".tar.zst"),
    Stage(OCI, "OCI image", (ROOT,), ("image.oci",), ".oci.tar"),
    Stage(KIT, "upgrade kit", (ROOT, SQUASHFS), ("upgrade.kit",), ".kit"),
)
STAGES = {stage.name: stage for stage in _ALL}


def needed(outputs: Iterable[str]) -> tuple[str, ...]:
    """The names of the stages that lead to `outputs`, themselves included, in the order in which they are done."""
    wanted: set[str] = set()
    for name in outputs:
        wanted |= {name, *needed(STAGES[name].needs)}
    return tuple(name for name in STAGES if name in wanted)
