"""Leaf files whose headers carry a time or a flag of their own, named so that a difference there can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from repro.formats import base
from repro.formats.base import IDENTITY, Malformed, Member, Problems, Structure, unpack


class Pyc:
    """Compiled Python (PEP 552): magic, flags, then source time and size or a hash; no members."""

    format: ClassVar[str] = "pyc"

    def __init__(self, view: memoryview) -> None:
        if len(view) < 16 or bytes(view[2:4]) != b"\r\n":
            raise Malformed("no pyc header")
        self.view = view
        self.problems = Problems()

    def members(self) -> Iterator[Member]:
        return iter(())

    def structures(self) -> Iterator[Structure]:
        (flags,) = unpack("<I", self.view, 4)
        yield Structure(0, 4, "pyc header magic", IDENTITY)
        yield Structure(4, 8, "pyc header flags", IDENTITY, flags)
        if flags & 1:
            yield Structure(8, 16, "pyc header source hash", IDENTITY)
        else:
            mtime, size = unpack("<II", self.view, 8)
            yield Structure(8, 12, "pyc header mtime", IDENTITY, mtime)
            yield Structure(12, 16, "pyc header source size", base.DERIVED, size)
        yield Structure(16, len(self.view), "pyc code")
