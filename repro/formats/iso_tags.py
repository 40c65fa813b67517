"""Sectors of an ISO image that no file and no directory names, but that say what they are.

libisofs' checksum tags and its array of MD5 (libisofs, doc/checksums.txt), the volume descriptors of a session of its
own (libisofs writes them a second time, 32 sectors in), and mkisofs' version block.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from repro.formats import iso_volumes
from repro.formats.base import DERIVED, IDENTITY, Structure
from repro.formats.iso_volumes import SECTOR

_TAG = re.compile(rb"libisofs_(?:(\w+)_)?checksum_tag_v1 ((?:\w+=[^\s=]+ ?)+)\n?")
_WORDS = {b"sb": "superblock", b"tree": "tree", b"rlsb32": "relocated superblock", b"": "session"}
_MD5 = 16
_TAGS = 1000  # of one image


def structures(view: memoryview, covered: Iterable[tuple[int, int]]) -> Iterator[Structure]:
    """What stands in sectors outside of `covered` (start, end), sorted, where their first bytes tell."""
    counts: dict[str, int] = {}

    def of(word: str) -> str:
        counts[word] = counts.get(word, 0) + 1
        return str(counts[word]) if counts[word] > 1 else ""

    for at in _sectors(len(view), covered):
        head = bytes(view[at : at + 9])
        if head == b"libisofs_":
            yield from _tag(view, at, of)
        elif head[1:6] == b"CD001" and at + SECTOR <= len(view):
            yield from iso_volumes.descriptor(view, at, head[0], of(f"descriptor {head[0]}"), "session ")
        elif head[:4] == b"MKI ":
            yield Structure(at, min(at + SECTOR, len(view)), "mkisofs version block", IDENTITY, None, of("MKI"))
        if counts and max(counts.values()) > _TAGS:
            return


def _sectors(size: int, covered: Iterable[tuple[int, int]]) -> Iterator[int]:
    """The first bytes of the sectors that begin outside of `covered`."""
    at = 0
    for start, end in (*covered, (size, size)):
        yield from range(at, min(start, size), SECTOR)
        at = max(at, -(-end // SECTOR) * SECTOR)


def _tag(view: memoryview, at: int, of: Callable[[str], str]) -> Iterator[Structure]:
    found = _TAG.match(bytes(view[at : at + SECTOR]))
    if not found:
        return
    kind = _WORDS.get(found[1] or b"", "other")
    number, name = of(kind), f"libisofs {kind} checksum tag "
    yield Structure(at, at + found.start(2), name + "signature", IDENTITY, None, number)
    said = dict(re.findall(rb"(\w+)=([^\s=]+)", found[2]))
    for field in re.finditer(rb"(\w+)=([^\s=]+)\s*", found[0][found.start(2) :]):
        start, end = (at + found.start(2) + edge for edge in field.span())
        key = field[1]
        holds = None
        if key == b"md5":
            holds = partial(_range, view, said)
        elif key == b"self":
            holds = partial(_self, view, at, start - 1, field[2])
        yield Structure(start, end, name + key.decode(), DERIVED, field[2].decode("ascii", "replace"), number, holds)


def _self(view: memoryview, start: int, end: int, said: bytes) -> bool:
    return hashlib.md5(view[start:end], usedforsecurity=False).hexdigest().encode() == said


def _range(view: memoryview, said: dict[bytes, bytes]) -> bool:
    try:
        first, count = int(said.get(b"range_start", b"")), int(said.get(b"range_size", b""))
    except ValueError:
        return False
    data = view[first * SECTOR : (first + count) * SECTOR]
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode() == said[b"md5"]


def checksums(view: memoryview, attribute: bytes | None) -> Iterator[Structure]:
    """The array of MD5 that the root's `isofs.ca` attribute names: first and last sector, count, size, name."""
    numbers: list[int] = []
    at = 0
    while attribute and at < len(attribute) and len(numbers) < 4:
        size = attribute[at]
        numbers.append(int.from_bytes(attribute[at + 1 : at + 1 + size], "big"))
        at += 1 + size
    if len(numbers) < 4 or not attribute or attribute[at:] != b"MD5" or numbers[3] != _MD5:
        return
    _, last, count, _ = numbers
    start, end = last * SECTOR, last * SECTOR + count * _MD5
    if start < end <= len(view):
        yield Structure(start, end, "libisofs MD5 array", DERIVED, None, "", partial(_array, view[start:end]))


def _array(table: memoryview) -> bool:
    """Whether its last item is the MD5 of those before it."""
    said = hashlib.md5(table[:-_MD5], usedforsecurity=False).digest()
    return bytes(table[-_MD5:]) == said
