"""AAIP 2.0 (libisofs, doc/susp_aaip_2_0.txt): extended attributes and ACLs in AL entries, as members and as structures.

What libisofs keeps there for itself (`isofs.…`: places of checksums, input devices) is no attribute of a file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from repro.formats.base import DERIVED, FACT, Structure

_SPACES = {2: b"system.", 3: b"user.", 4: b"isofs.", 5: b"trusted.", 6: b"security."}
_OWN = b"isofs."
ACL = "posix ACL"


def _components(area: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, bytes) of each name and value, its records joined; stops where the area ends early."""
    at = begin = 0
    text = b""
    while at + 2 <= len(area):
        flags, size = area[at], area[at + 1]
        text += area[at + 2 : at + 2 + size]
        at += 2 + size
        if at > len(area):
            return
        if not flags & 1:
            yield begin, at, text
            begin, text = at, b""


def _pairs(area: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(start, end, name, value) of each attribute; the name is empty for an ACL."""
    components = _components(area)
    for (start, _, name), (_, end, value) in zip(components, components, strict=False):
        space = _SPACES.get(name[0], b"") if name else b""
        yield start, end, space + name[1:] if space or name[:1] == b"\1" else name, value


def attributes(area: bytes) -> Iterator[tuple[str, bytes]]:
    """A file's extended attributes in the joined component areas of its AL entries; `ACL` for an ACL, as stored."""
    for _, _, name, value in _pairs(area):
        if not name.startswith(_OWN):
            yield name.decode("utf-8", "surrogateescape") if name else ACL, value


def own(area: bytes, name: bytes) -> bytes | None:
    """The value of what libisofs keeps as `isofs.` `name`."""
    return next((value for _, _, found, value in _pairs(area) if found == _OWN + name), None)


def structures(view: memoryview, runs: Sequence[tuple[int, int]], of: str) -> Iterator[Structure]:
    """The attributes in the component areas `runs` (start, end) of one record, each by its name."""
    area = b"".join(bytes(view[start:end]) for start, end in runs)
    ends = list(accumulate(end - start for start, end in runs))
    last = 0
    for number, (start, end, name, _) in enumerate(_pairs(area), 1):
        kind, role = ("AAIP libisofs attribute", DERIVED) if name.startswith(_OWN) else ("AAIP attribute", FACT)
        yield from _placed(runs, ends, start, end, kind, role, f"{of} attribute {number}")
        last = end
    if last < len(area):
        yield from _placed(runs, ends, last, len(area), "AAIP rest", FACT, of)


def _placed(
    runs: Sequence[tuple[int, int]], ends: Sequence[int], start: int, end: int, name: str, role: str, of: str
) -> Iterator[Structure]:
    """Bytes `start` to `end` of the joined runs, where they lie."""
    part = 1
    while start < end:
        run = bisect_right(ends, start)
        stop = min(end, ends[run])
        shift = runs[run][1] - ends[run]
        yield Structure(start + shift, stop + shift, name, role, None, of if part == 1 else f"{of} part {part}")
        start, part = stop, part + 1
