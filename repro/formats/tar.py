"""tar archives: ustar, GNU and pax (POSIX.1-2008 pax, GNU tar manual, tar(5)).

An own reader because the standard library's has looped on hostile sizes (CVE-2025-8194), and because byte ranges
are wanted; the tests use the standard library's as an oracle.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from repro.formats import base, tar_fields, tar_sparse
from repro.formats.base import FACT, Content, Malformed, Member, Problems, Stored, Structure, cut
from repro.formats.fields import padding
from repro.formats.tar_fields import BLOCK, path

_EXTENSION_LIMIT = 1 << 20  # bytes of one pax or GNU long-name record
_PAX_RECORDS = 512
_SPARSE_0 = ("GNU.sparse.offset", "GNU.sparse.numbytes")
_SPARSE_NUMBERS = 100_000
_KINDS = {
    b"0": base.FILE,
    b"\0": base.FILE,
    b"7": base.FILE,
    b"S": base.FILE,
    b"1": base.FILE,
    b"2": base.SYMLINK,
    b"3": base.CHARACTER,
    b"4": base.BLOCK,
    b"5": base.DIRECTORY,
    b"6": base.FIFO,
}

_Parts = Callable[[str], Iterator[Structure]]


@dataclass
class _Extensions:
    """What stands before a header and overrides it."""

    name: bytes | None = None
    link: bytes | None = None
    pax: dict[str, bytes] = field(default_factory=dict)
    sparse: list[int] = field(default_factory=list)  # of format 0.0, which repeats its keys
    parts: list[_Parts] = field(default_factory=list)  # once the member's name is known


class Tar:
    """A `Container` on the bytes of a tar archive."""

    format: ClassVar[str] = "tar"

    def __init__(self, view: memoryview) -> None:
        if not is_tar(view):
            raise Malformed("no tar header")
        self.view = view
        self.problems = Problems()
        self._parts: list[Structure] = []
        self._contents: dict[str, Content] = {}
        self._seen: Counter[str] = Counter()

    def members(self) -> Iterator[Member]:
        at, position, extensions = 0, 0, _Extensions()
        shared: dict[str, bytes] = {}
        try:
            while at + BLOCK <= len(self.view):
                head = bytes(self.view[at : at + BLOCK])
                if not any(head):
                    self._end(at)
                    return
                if _number(head[148:156]) != _checksum(head):
                    raise Malformed(f"wrong header checksum at offset {at}")
                size = _number(head[124:136])
                if head[156:157] in b"xgLK":
                    at = self._extension(head, at, size, extensions, shared)
                    continue
                extensions.pax = {**shared, **extensions.pax}
                member, at = self._member(head, at, size, extensions, position)
                yield member
                extensions = _Extensions()
                position += 1
                if position > base.MEMBERS:
                    raise Malformed(f"more than {base.MEMBERS} members")
            raise Malformed("ends without the two empty blocks")
        except Malformed as error:
            self.problems.add("", error.message)

    def _called(self, name: str) -> str:
        """What the member at the path `name` is called."""
        return name

    def _end(self, at: int) -> None:
        """Two empty blocks, and more up to the size of a record."""
        after = min(at + 2 * BLOCK, len(self.view))
        self._parts.extend(padding(self.view, at, after, "tar end of archive"))
        if not any(self.view[after:]):
            self._parts.extend(padding(self.view, after, len(self.view), "tar padding to the record"))

    def _extension(self, head: bytes, at: int, size: int, found: _Extensions, shared: dict[str, bytes]) -> int:
        """Read a record that speaks about the next header; returns where the next block is."""
        if size > _EXTENSION_LIMIT:
            raise Malformed(f"tar extension record of {size} bytes")
        data = bytes(cut(self.view, at + BLOCK, size))
        kind, start = head[156:157], at + BLOCK
        after = min(start + size + -size % BLOCK, len(self.view))
        parts: list[_Parts] = [lambda of: tar_fields.extension(head, at, of)]
        if kind == b"L":
            found.name = data.rstrip(b"\0")
            parts.append(lambda of: iter((Structure(start, start + size, "GNU long name", of=of),)))
        elif kind == b"K":
            found.link = data.rstrip(b"\0")
            parts.append(lambda of: iter((Structure(start, start + size, "GNU long link", FACT, of=of),)))
        else:
            records = list(_pax(data))
            (found.pax if kind == b"x" else shared).update((key, value) for key, value, _, _ in records)
            found.sparse += [_decimal(value, 0) for key, value, _, _ in records if key in _SPARSE_0]
            if max(len(shared), len(found.pax)) > _PAX_RECORDS or len(found.sparse) > _SPARSE_NUMBERS:
                raise Malformed(f"more than {_PAX_RECORDS} pax records")
            parts.append(lambda of: tar_fields.records(records, start, of))
        parts.append(lambda of: padding(self.view, start + size, after, "tar extension padding", of))
        if kind == b"g":
            for part in parts:
                self._parts.extend(part("all that follows"))
        else:
            found.parts += parts
        return start + size + -size % BLOCK

    def _member(self, head: bytes, at: int, size: int, found: _Extensions, position: int) -> tuple[Member, int]:
        """The member whose header `head` lies at `at`, and where the next block is."""
        pax, flag = found.pax, head[156:157]
        kind = _KINDS.get(flag, base.UNKNOWN)
        name, link = (
            self._called(path(_raw_name(head, found))),
            pax.get("linkpath") or found.link or head[157:257].split(b"\0")[0],
        )
        start = at + BLOCK
        data = cut(self.view, start, _decimal(pax.get("size"), size) if kind in (base.FILE, base.UNKNOWN) else 0)
        after = start + len(data) + -len(data) % BLOCK
        content: Content | None = Stored(data, start) if kind in (base.FILE, base.UNKNOWN) else None
        if flag == b"S" or any(key.startswith("GNU.sparse.") for key in pax):
            content, data, after = self._sparse(head, at, len(data), found, name)
        self._name(head, at, name, found, (start + len(data), after))
        problem = f"tar type {flag!r} is compared as it is stored" if kind == base.UNKNOWN else None
        links: tuple[str, ...] = ()
        if flag == b"1" and not len(data):
            links = tuple(sorted({name, path(link)}))
            content = self._contents.get(path(link))
        elif content:
            self._contents[name] = content
        special = kind in (base.CHARACTER, base.BLOCK)
        member = Member(
            name,
            base.FILE if kind == base.UNKNOWN else kind,
            mode=_number(head[100:108]) & 0o7777,
            uid=_decimal(pax.get("uid"), _number(head[108:116])),
            gid=_decimal(pax.get("gid"), _number(head[116:124])),
            mtime=_time(pax.get("mtime"), _number(head[136:148])),
            target=os.fsdecode(link) if kind == base.SYMLINK else None,
            device=(_number(head[329:337]), _number(head[337:345])) if special else None,
            xattrs=_xattrs(pax),
            links=links,
            extra=_extra(head, pax),
            positions=(("entries", position),),
            content=content,
            problem=problem,
        )
        return member, after

    def _name(self, head: bytes, at: int, name: str, found: _Extensions, rest: tuple[int, int]) -> None:
        """Note all bytes of a member but its data; `rest`: what fills up the last block."""
        self._seen[name] += 1
        of = name if self._seen[name] == 1 else f"{name} ({self._seen[name]})"
        for part in found.parts:
            self._parts.extend(part(of))
        fields = partial(tar_fields.header, head, at, of, found.pax, _number)
        self._parts.append(Structure(at, at + BLOCK, "tar headers", of=of, parts=fields))
        self._parts.extend(padding(self.view, rest[0], min(rest[1], len(self.view)), "tar data padding", of))

    def _sparse(
        self, head: bytes, at: int, stored: int, found: _Extensions, of: str
    ) -> tuple[Content, memoryview, int]:
        """A sparse member's content, its bytes as stored (map included), and where the next block is."""
        start = at + BLOCK
        if head[156:157] == b"S":
            places, size, begins = tar_sparse.old(self.view, at, _number)
            ends = begins + stored
        else:
            pairs = list(zip(found.sparse[::2], found.sparse[1::2], strict=False))
            places, size, begins = tar_sparse.pax(self.view, start, stored, found.pax, pairs)
            ends = start + stored
        if begins > start:
            self._parts.append(Structure(start, begins, "tar sparse map", of=of))
        content = tar_sparse.content(self.view, begins, ends - begins, places, size)
        cut(self.view, begins, ends - begins)
        return content, self.view[start:ends], ends + -(ends - start) % BLOCK

    def structures(self) -> Iterator[Structure]:
        yield from self._parts


def is_tar(view: memoryview) -> bool:
    """Whether the first block is a tar header with the `ustar` magic and a right checksum."""
    head = bytes(view[:BLOCK])
    if len(head) < BLOCK or head[257:262] != b"ustar":
        return False
    try:
        return _number(head[148:156]) == _checksum(head)
    except Malformed:
        return False


def _raw_name(head: bytes, found: _Extensions) -> bytes:
    prefix = head[345:500].split(b"\0")[0] if head[257:263] == b"ustar\0" else b""
    short = head[:100].split(b"\0")[0]
    return (
        found.pax.get("GNU.sparse.name")
        or found.pax.get("path")
        or found.name
        or (prefix + b"/" + short if prefix else short)
    )


def _checksum(head: bytes) -> int:
    return sum(head[:148]) + 256 + sum(head[156:])


def _number(raw: bytes) -> int:
    """A numeric header field: octal text, or GNU's base 256 where the top bit is set."""
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big") - (1 << (8 * len(raw) - 1))
        if raw[0] == 0xFF:
            value = int.from_bytes(raw, "big", signed=True)
        return value
    text = raw.split(b"\0")[0].strip()
    try:
        return int(text, 8) if text else 0
    except ValueError as error:
        raise Malformed(f"not a number in a tar header: {text!r}") from error


def _pax(data: bytes) -> Iterator[tuple[str, bytes, int, int]]:
    """The `LENGTH KEY=VALUE\\n` records of an extended header: key, value, start and end."""
    at = 0
    while at < len(data):
        digits, space, _ = data[at : at + 24].partition(b" ")
        if not space or not digits.isdigit():
            raise Malformed("broken pax record")
        end = at + int(digits)
        key, equals, value = data[at + len(digits) + 1 : end].partition(b"=")
        if not equals or end <= at or end > len(data):
            raise Malformed("broken pax record")
        yield os.fsdecode(key), value[:-1], at, end
        at = end


def _decimal(text: bytes | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit() or len(text) > 20:
        raise Malformed(f"not a number in a pax record: {text!r}")
    return int(text)


def _time(text: bytes | None, default: int) -> int | str:
    if text is None:
        return default
    return int(text) if text.isdigit() and len(text) < 20 else os.fsdecode(text)


def _xattrs(pax: dict[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    prefix = "SCHILY.xattr."
    return tuple(sorted((key[len(prefix) :], value) for key, value in pax.items() if key.startswith(prefix)))


def _extra(head: bytes, pax: dict[str, bytes]) -> tuple[tuple[str, str, Any], ...]:
    user, group = head[265:297].split(b"\0")[0], head[297:329].split(b"\0")[0]
    found = [
        ("owner", "user", os.fsdecode(pax.get("uname", user))),
        ("owner", "group", os.fsdecode(pax.get("gname", group))),
    ]
    return (*found, *(("mtime", key, os.fsdecode(pax[key])) for key in ("atime", "ctime") if key in pax))
