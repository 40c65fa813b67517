"""ELF files (System V gABI): a leaf whose headers, sections and notes have names, read by pyelftools."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from elftools.elf.elffile import ELFFile

from repro.formats.base import DERIVED, IDENTITY, Malformed, Member, Problems, Structure, cut, unpack

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAGIC = b"\x7fELF"
_SECTIONS = 100_000
_NOTES = 10_000
_EHDR = (  # name, bytes in ELF32 and ELF64
    ("magic", 4, 4),
    ("class", 1, 1),
    ("data", 1, 1),
    ("version", 1, 1),
    ("OS ABI", 1, 1),
    ("ABI version", 1, 1),
    ("padding", 7, 7),
    ("type", 2, 2),
    ("machine", 2, 2),
    ("object version", 4, 4),
    ("entry", 4, 8),
    ("phoff", 4, 8),
    ("shoff", 4, 8),
    ("flags", 4, 4),
    ("ehsize", 2, 2),
    ("phentsize", 2, 2),
    ("phnum", 2, 2),
    ("shentsize", 2, 2),
    ("shnum", 2, 2),
    ("shstrndx", 2, 2),
)
_FOLLOWS = {"entry", "phoff", "shoff", "phnum", "shnum", "shstrndx"}  # from what lies in the file


class Elf:
    """A leaf `Container` on the bytes of an ELF file: no members, structures alone."""

    format: ClassVar[str] = "elf"

    def __init__(self, view: memoryview) -> None:
        if bytes(view[:4]) != MAGIC or len(view) < 52 or view[4] not in (1, 2) or view[5] not in (1, 2):
            raise Malformed("no ELF header")
        self.view = view
        self.problems = Problems()
        wide = view[4] == 2
        self._order = "<" if view[5] == 1 else ">"
        shape = self._order + ("QQIHHHHHH" if wide else "IIIHHHHHH")
        self._phoff, self._shoff, *_, self._phentsize, self._phnum, self._shentsize, self._shnum, _ = unpack(
            shape, view, 32 if wide else 28
        )
        self._wide = wide

    def members(self) -> Iterator[Member]:
        return iter(())

    def structures(self) -> Iterator[Structure]:
        """Raises Malformed where pyelftools cannot read the file, whatever it stumbles over."""
        try:
            found = list(self._structures())
        except Malformed:
            raise
        except Exception as error:  # pyelftools raises all kinds (construct, key, index…) on hostile input
            raise Malformed(f"ELF file cannot be read: {type(error).__name__}: {error}") from error
        yield from found

    def _structures(self) -> Iterator[Structure]:
        yield from self._header()
        elf = ELFFile(io.BufferedReader(_Window(self.view)))
        sections, segments = elf.num_sections(), elf.num_segments()
        if max(sections, segments) > _SECTIONS:
            raise Malformed(f"{sections} ELF sections, {segments} segments")
        # First the segments: a section that begins later, or as they do, takes the bytes.
        for number in range(segments):
            segment = elf.get_segment(number)
            if segment["p_filesz"] and segment["p_type"] != "PT_PHDR":
                yield self._within(segment["p_offset"], segment["p_filesz"], "ELF segment", f"{number}")
        for number in range(segments):
            at = self._phoff + number * self._phentsize
            yield self._within(at, self._phentsize, "ELF program header", str(number))
        seen: dict[str, int] = {}
        for number in range(sections):
            section = elf.get_section(number)
            name = section.name or f"number {number}"
            seen[name] = seen.get(name, 0) + 1
            of = name if seen[name] == 1 else f"{name} ({seen[name]})"
            yield self._within(self._shoff + number * self._shentsize, self._shentsize, "ELF section header", of)
            if section["sh_type"] != "SHT_NOBITS" and section["sh_size"]:
                start, size = section["sh_offset"], section["sh_size"]
                yield self._within(start, size, "ELF section", of)
                yield from self._inside(section, name, of, start, size)

    def _header(self) -> Iterator[Structure]:
        at = 0
        for name, narrow, wide in _EHDR:
            size = wide if self._wide else narrow
            raw = bytes(cut(self.view, at, size))
            value = int.from_bytes(raw, "little" if self._order == "<" else "big")
            role = DERIVED if name in _FOLLOWS else IDENTITY
            yield Structure(at, at + size, f"ELF header {name}", role, value)
            at += size

    def _within(self, start: int, size: int, name: str, of: str) -> Structure:
        cut(self.view, start, size)
        return Structure(start, start + size, name, DERIVED, of=of)

    def _inside(self, section: Any, name: str, of: str, start: int, size: int) -> Iterator[Structure]:
        """What is known of a section's content: notes, the compiler's comment, the debug link."""
        if section["sh_type"] == "SHT_NOTE":
            yield from self._notes(start, start + size, of)
        elif name == ".comment":
            yield Structure(start, start + size, "ELF compiler comment", IDENTITY, of=of)
        elif name == ".gnu_debuglink" and size >= 8:
            yield Structure(start, start + size - 4, "ELF debug link name", IDENTITY, of=of)
            (check,) = unpack(self._order + "I", self.view, start + size - 4)
            yield Structure(start + size - 4, start + size, "ELF debug link CRC", IDENTITY, check, of)

    def _notes(self, at: int, end: int, of: str) -> Iterator[Structure]:
        """The notes of a section (name, size of the description, type, description), padded to 4 bytes."""
        for number in range(1, _NOTES):
            if at + 12 > end:
                return
            names, size, kind = unpack(self._order + "III", self.view, at)
            begins = at + 12 + names + -names % 4
            after = min(begins + size + -size % 4, end)
            owner = bytes(cut(self.view, at + 12, min(names, 64))).rstrip(b"\0")
            cut(self.view, begins, size)
            yield Structure(at, begins, "ELF note header", DERIVED, of=f"{of} {number}")
            if owner == b"GNU" and kind == 3:
                yield Structure(
                    begins, after, "ELF build-id", IDENTITY, bytes(self.view[begins : begins + size]).hex(), of
                )
            elif begins < after:
                yield Structure(begins, after, "ELF note", IDENTITY, of=f"{of} {number}")
            at = after


class _Window(io.RawIOBase):
    """A memoryview as the file that pyelftools wants, without a copy of the whole."""

    def __init__(self, view: memoryview) -> None:
        super().__init__()
        self._view, self._at = view, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, len(self._view))[whence])
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        into = memoryview(buffer).cast("B")
        chunk = self._view[self._at : self._at + len(into)]
        into[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)
