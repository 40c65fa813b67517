"""Which format bytes are in, by their magic numbers alone: names are never trusted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from repro.formats import ar, cpio, elf, oci, squashfs, streams, tar
from repro.formats.base import Container, Malformed
from repro.formats.disk import Disk
from repro.formats.ext import Ext, is_ext
from repro.formats.fat import Fat
from repro.formats.iso9660 import Iso9660
from repro.formats.layouts import Pyc


def opened(view: memoryview) -> Container | None:
    """The container that `view` holds, None where it is in no known format.

    Raises Malformed where it announces a format and does not hold to it.
    """
    opener = _opener(view)
    return opener(view) if opener else _layout(view)


def _layout(view: memoryview) -> Container | None:
    """A file without members whose bytes have names; where they do not read so, it is a file like any other."""
    for matches, kind in _LAYOUTS:
        if matches(view):
            with suppress(Malformed):
                return kind(view)
    return None


def _opener(view: memoryview) -> Callable[[memoryview], Container] | None:
    return next((opener for matches, opener in _FORMATS if matches(view)), None) or _disk_opener(view)


def _is_pyc(view: memoryview) -> bool:
    return len(view) >= 16 and bytes(view[2:4]) == b"\r\n" and int.from_bytes(view[4:8], "little") < 4


_FORMATS: tuple[tuple[Callable[[memoryview], bool], Callable[[memoryview], Container]], ...] = (
    (lambda view: bytes(view[32769:32774]) == b"CD001", Iso9660),
    (lambda view: bytes(view[:4]) == squashfs.MAGIC, squashfs.Squashfs),
    (lambda view: bytes(view[:6]) in cpio.MAGICS, cpio.opened),
    (lambda view: bytes(view[:8]) == ar.MAGIC, ar.Ar),
    (lambda view: streams.compression(view) is not None, streams.Stream),
    (oci.is_oci, oci.Oci),
    (tar.is_tar, tar.Tar),
    (is_ext, Ext),
)
_LAYOUTS: tuple[tuple[Callable[[memoryview], bool], Callable[[memoryview], Container]], ...] = (
    (lambda view: bytes(view[:4]) == elf.MAGIC, elf.Elf),
    (_is_pyc, Pyc),
)


def _disk_opener(view: memoryview) -> Callable[[memoryview], Container] | None:
    if bytes(view[510:512]) != b"\x55\xaa":
        return None
    for kind in (Fat, Disk):
        try:
            kind(view)
        except Malformed:
            continue
        return kind
    return None


def reconciled(left: Container, right: Container, views: tuple[memoryview, memoryview]) -> tuple[Container, Container]:
    """Both containers on `views`; where one is an initrd of several segments, the other as an initrd of one."""
    kinds = {left.format, right.format}
    if cpio.Initrd.format in kinds and kinds < {cpio.Initrd.format, cpio.Cpio.format, streams.Stream.format}:
        return cpio.Initrd(views[0]), cpio.Initrd(views[1])
    return left, right
