"""ar archives: .deb packages and static libraries (ar(5), GNU and BSD long names)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from repro.formats import base
from repro.formats.base import DERIVED, FACT, IDENTITY, Malformed, Member, Problems, Stored, Structure, cut
from repro.formats.fields import padding

MAGIC = b"!<arch>\n"
_HEADER = 60
_NAME_LIMIT = 4096
_FIELDS = (  # name, bytes, role unless it depends on the member
    ("name", 16, DERIVED),
    ("mtime", 12, ""),
    ("uid", 6, ""),
    ("gid", 6, ""),
    ("mode", 8, ""),
    ("size", 10, DERIVED),
    ("end", 2, DERIVED),
)


class Ar:
    """A `Container` on the bytes of an ar archive."""

    format: ClassVar[str] = "ar"

    def __init__(self, view: memoryview) -> None:
        if bytes(view[:8]) != MAGIC:
            raise Malformed("no ar archive")
        self.view = view
        self.problems = Problems()
        self._names = memoryview(b"")
        self._headers: list[Structure] = [Structure(0, 8, "ar magic")]
        self._seen: Counter[str] = Counter()

    def members(self) -> Iterator[Member]:
        at = 8
        for position in range(base.MEMBERS):
            if at >= len(self.view):
                return
            try:
                member, at = self._member(at)
            except Malformed as error:
                self.problems.add("", error.message)
                return
            if member:
                yield member._replace(positions=(("entries", position),))
        raise Malformed(f"more than {base.MEMBERS} members")

    def _member(self, at: int) -> tuple[Member | None, int]:
        """The member whose header is at `at` (None for GNU's table of long names), and where the next one is."""
        head = bytes(cut(self.view, at, _HEADER))
        if head[58:60] != b"`\n":
            raise Malformed(f"no ar header at offset {at}")
        size = _number(head[48:58], 10)
        data = cut(self.view, at + _HEADER, size)
        after = at + _HEADER + size + size % 2
        field = head[:16].rstrip(b" ")
        start = at + _HEADER
        if field == b"//":
            self._names = data
            self._header(at, after, "//", own=IDENTITY)
            self._headers.append(Structure(start, start + size, "ar long names"))
            return None, after
        name = field
        if field.startswith(b"#1/"):
            length = _number(field[3:], 10)
            name, data, start = bytes(cut(data, 0, length)).rstrip(b"\0"), data[length:], start + length
        elif field[:1] == b"/" and field[1:].isdigit():
            name = bytes(self._names[int(field[1:]) :][:_NAME_LIMIT]).split(b"\n")[0]
        name = name if name in (b"/", b"/SYM64/") else name.rstrip(b"/")
        self._header(at, after, os.fsdecode(name) or "?", own=FACT)
        if start > at + _HEADER:
            self._headers.append(Structure(at + _HEADER, start, "ar name", of=self._headers[-1].of))
        member = Member(
            os.fsdecode(name) or "?",
            base.FILE,
            mode=_number(head[40:48], 8) & 0o7777,
            uid=_number(head[28:34], 10),
            gid=_number(head[34:40], 10),
            mtime=_number(head[16:28], 10),
            content=Stored(data, start),
        )
        return member, after

    def _header(self, at: int, after: int, name: str, *, own: str) -> None:
        """Note the header at `at` and what follows the data up to `after`; `own`: the role of time, owner and mode."""
        self._seen[name] += 1
        of = name if self._seen[name] == 1 else f"{name} ({self._seen[name]})"
        start = at
        for field, size, role in _FIELDS:
            text = bytes(self.view[start : start + size]).decode("latin-1").rstrip(" ")
            self._headers.append(Structure(start, start + size, f"ar header {field}", role or own, text, of))
            start += size
        end = at + _HEADER + _number(bytes(self.view[at + 48 : at + 58]), 10)
        self._headers.extend(padding(self.view, end, min(after, len(self.view)), "ar padding", of, b"\n"))

    def structures(self) -> Iterator[Structure]:
        yield from self._headers


def _number(field: bytes, radix: int) -> int:
    text = field.strip()
    if not text:
        return 0
    try:
        value = int(text, radix)
    except ValueError as error:
        raise Malformed(f"not a number in an ar header: {text!r}") from error
    if value < 0:
        raise Malformed("negative number in an ar header")
    return value
