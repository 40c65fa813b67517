"""The bytes of a tar header and of what stands before it, by name (POSIX.1-2008 pax, GNU tar manual, tar(5))."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator

from repro.formats.base import DERIVED, FACT, IDENTITY, Structure

BLOCK = 512
_FIELDS = (  # name, bytes, role
    ("name", 100, DERIVED),
    ("mode", 8, FACT),
    ("uid", 8, FACT),
    ("gid", 8, FACT),
    ("size", 12, DERIVED),
    ("mtime", 12, FACT),
    ("checksum", 8, DERIVED),
    ("typeflag", 1, FACT),
    ("linkname", 100, FACT),
    ("magic", 6, IDENTITY),
    ("version", 2, IDENTITY),
    ("uname", 32, FACT),
    ("gname", 32, FACT),
    ("devmajor", 8, FACT),
    ("devminor", 8, FACT),
    ("prefix", 155, DERIVED),
)
_DEVICES, _LINKS = b"34", b"12"
_PAX_FACTS = {"path", "linkpath", "uid", "gid", "mtime", "atime", "ctime", "uname", "gname"}
_OVERRIDDEN = {"uid", "gid", "mtime", "size", "uname", "gname"}


def header(head: bytes, at: int, of: str, pax: dict[str, bytes], number: Callable[[bytes], int]) -> Iterator[Structure]:
    """The fields of a member's header at `at`; `number` reads a numeric field."""
    flag = head[156:157]
    start = at
    for name, size, role in _FIELDS:
        raw = head[start - at : start - at + size]
        own: str = role
        holds: Callable[[], bool] | None = None
        if name in _OVERRIDDEN and name in pax:
            own, holds = DERIVED, _agrees(raw, pax[name], number)
        elif (name.startswith("dev") and flag not in _DEVICES) or (name == "linkname" and flag not in _LINKS):
            own = IDENTITY
        elif name == "prefix" and head[257:263] != b"ustar\0":
            own = _gnu_role(flag)
        yield Structure(start, start + size, f"tar header {name}", own, None, of, holds)
        start += size
    if any(head[500:]):
        yield Structure(start, at + BLOCK, "tar header rest", _gnu_role(flag), None, of)


def _gnu_role(flag: bytes) -> str:
    return DERIVED if flag == b"S" else IDENTITY


def _agrees(raw: bytes, said: bytes, number: Callable[[bytes], int]) -> Callable[[], bool]:
    """Whether a header's field says what the pax record that overrides it says, as far as it can."""

    def holds() -> bool:
        text = raw.rstrip(b"\0 ")
        if not said.replace(b".", b"", 1).isdigit():
            return said.startswith(text)
        return number(raw) in (0, int(said.partition(b".")[0] or b"0"))

    return holds


def extension(head: bytes, at: int, of: str) -> Iterator[Structure]:
    """The header of a record that speaks about the next member: of no member itself, so all of it counts."""
    kind = "GNU long name" if head[156:157] in b"LK" else "pax"
    start = at
    for name, size, _ in _FIELDS:
        own = DERIVED if name in ("size", "checksum") else IDENTITY
        yield Structure(start, start + size, f"tar {kind} header {name}", own, None, of)
        start += size


def records(found: list[tuple[str, bytes, int, int]], base: int, of: str) -> Iterator[Structure]:
    """The records (key, value, start, end) of a pax header whose data begins at `base`; a key may come again."""
    seen: Counter[str] = Counter()
    for key, _, start, end in found:
        seen[key] += 1
        yield _record(key, base + start, base + end, of if seen[key] == 1 else f"{of} ({seen[key]})")


def _record(key: str, start: int, end: int, of: str) -> Structure:
    """One record of a pax header."""
    if key.startswith("SCHILY.xattr."):
        return Structure(start, end, "pax record SCHILY.xattr", FACT, None, f"{key} of {of}")
    role = FACT if key in _PAX_FACTS else DERIVED if key == "size" or key.startswith("GNU.sparse.") else IDENTITY
    return Structure(start, end, f"pax record {key}", role, None, of)


def path(name: bytes) -> str:
    """A member's name without what leads to the root."""
    while name.startswith((b"/", b"./")):
        name = name[1:] if name[:1] == b"/" else name[2:]
    return os.fsdecode(name.rstrip(b"/")) or "."
