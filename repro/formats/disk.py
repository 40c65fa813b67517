"""Raw disk images (USB sticks): an MBR or GPT whose partitions are the members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from repro.formats import base, gpt, partitions
from repro.formats.base import Malformed, Member, Problems, Stored, Structure


class Disk:
    """A `Container` on the bytes of a partitioned disk."""

    format: ClassVar[str] = "disk"

    def __init__(self, view: memoryview) -> None:
        if not (gpt.present(view) or partitions.has_mbr(view)):
            raise Malformed("no partition table")
        self.view = view
        self.problems = Problems()

    def members(self) -> Iterator[Member]:
        end = 0
        for partition in partitions.partitions(self.view):
            if partition.start < end:
                self.problems.add(f"[partition {partition.number}]", "overlaps the one before it")
                continue
            end = partition.end
            content = Stored(self.view[partition.start : end], partition.start)
            yield Member(f"[partition {partition.number}]", base.FILE, content=content)

    def structures(self) -> Iterator[Structure]:
        yield from partitions.structures(self.view)
