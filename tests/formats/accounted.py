"""What is asked of every container that names its bytes: nothing is left over, and a changed byte has one name."""

from __future__ import annotations

import re
from collections import Counter

from repro.formats import opened
from repro.formats.base import Container, Structure

Key = tuple[str, str]


def container(data: bytes) -> Container:
    found = opened(memoryview(data))
    assert found is not None
    return found


def every(found: Container) -> list[Structure]:
    """All structures, with the finer ones of each region."""
    return [part for s in found.structures() for part in (s, *(s.parts() if s.parts else ()))]


def structures(data: bytes) -> dict[Key, Structure]:
    """The structures by name and which one, of which there is one alone."""
    found = container(data)
    list(found.members())
    named = every(found)
    assert all(0 <= s.start < s.end <= len(data) for s in named)
    assert [key for key, count in Counter((s.name, s.of) for s in named).items() if count > 1] == []
    return {(s.name, s.of): s for s in named}


def unnamed(data: bytes) -> list[tuple[int, int]]:
    """The runs of bytes that are not zero and in no structure and no member."""
    found = container(data)
    members = list(found.members())
    left = bytearray(data)
    runs = [run for m in members if m.content for run in m.content.extents()]
    for start, end in [*runs, *((s.start, s.end) for s in found.structures())]:
        left[start:end] = bytes(end - start)
    return [run.span() for run in re.finditer(rb"[^\0]+", left)]


def wrong(named: dict[Key, Structure]) -> set[Key]:
    """The derived structures that do not hold."""
    return {key for key, s in named.items() if s.holds and not s.holds()}


def planted(data: bytes, name: str, of: str = "", byte: int = 0) -> bytes:
    """`data` with one byte of a structure changed."""
    at = structures(data)[name, of].start + byte
    return data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]


def changed(left: bytes, right: bytes) -> set[Key]:
    """The structures whose bytes differ, those that merely contain another such one left out."""
    ours, theirs = structures(left), structures(right)
    assert ours.keys() == theirs.keys()
    found = [s for key, s in ours.items() if left[s.start : s.end] != right[theirs[key].start : theirs[key].end]]
    inner = [s for s in found if not any(o is not s and s.start <= o.start and o.end <= s.end for o in found)]
    return {(s.name, s.of) for s in inner}
