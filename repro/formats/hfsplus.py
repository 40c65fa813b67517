"""HFS+ volumes (Apple TN1150), as hybrid images carry them: their files lie where the ISO's lie.

What the volume adds is named here: its header and the copy of it at its end, the regions of its special files, and
in the catalogue the records of files and folders by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, cut, unpack
from repro.formats.named import BIG, TEXT, Form, Row, named, repeats
from repro.model.text import printable

_HEADER_AT = 1024  # of the volume's start, and of its end for the copy
_CATALOGUE = 2  # which of the special files
_EXTENTS = 8  # that a fork has in the header


def _date(raw: memoryview) -> str:
    """Seconds since 1904 (the creation date in local time, the others in UTC)."""
    seconds = int.from_bytes(raw, "big")
    return (datetime(1904, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat(" ")[:19] if seconds else "unset"


_DATE = Form(_date)
_FORKS = ("allocation file", "extents file", "catalogue file", "attributes file", "startup file")
_FORK: tuple[Row, ...] = (
    ("size", 8, DERIVED, BIG),
    ("clump size", 4, DERIVED, BIG),
    ("block count", 4, DERIVED, BIG),
    ("extents", 64, DERIVED, None),
)
_VOLUME: tuple[Row, ...] = (
    ("signature", 2, IDENTITY, TEXT),
    ("version", 2, IDENTITY, BIG),
    ("attributes", 4, IDENTITY, BIG),
    ("last mounted version", 4, IDENTITY, TEXT),
    ("journal info block", 4, IDENTITY, BIG),
    ("create date", 4, IDENTITY, _DATE),
    ("modify date", 4, IDENTITY, _DATE),
    ("backup date", 4, IDENTITY, _DATE),
    ("checked date", 4, IDENTITY, _DATE),
    ("file count", 4, DERIVED, BIG),
    ("folder count", 4, DERIVED, BIG),
    ("block size", 4, IDENTITY, BIG),
    ("total blocks", 4, DERIVED, BIG),
    ("free blocks", 4, DERIVED, BIG),
    ("next allocation", 4, DERIVED, BIG),
    ("resource clump size", 4, IDENTITY, BIG),
    ("data clump size", 4, IDENTITY, BIG),
    ("next catalogue node", 4, DERIVED, BIG),
    ("write count", 4, IDENTITY, BIG),
    ("encodings", 8, IDENTITY, BIG),
    ("finder info", 32, IDENTITY, None),
    *((f"{fork} {name}", size, role, form) for fork in _FORKS for name, size, role, form in _FORK),
)


_DATES: tuple[Row, ...] = tuple(
    (f"{word} date", 4, DERIVED, _DATE) for word in ("create", "content modify", "attribute modify", "access", "backup")
)
_FOLDER: tuple[Row, ...] = (
    ("type", 2, DERIVED, BIG),
    ("flags", 2, DERIVED, BIG),
    ("valence", 4, DERIVED, BIG),
    ("id", 4, DERIVED, BIG),
    *_DATES,
    ("owner", 4, DERIVED, BIG),
    ("group", 4, DERIVED, BIG),
    ("owner flags", 2, DERIVED, BIG),
    ("mode", 2, DERIVED, BIG),
    ("special", 4, DERIVED, BIG),
    ("finder info", 32, DERIVED, None),
    ("text encoding", 4, DERIVED, BIG),
    ("reserved", 4, DERIVED, None),
)
_FILE: tuple[Row, ...] = (
    *_FOLDER,
    *((f"data fork {name}", size, role, form) for name, size, role, form in _FORK),
    *((f"resource fork {name}", size, role, form) for name, size, role, form in _FORK),
)
_FOLDER_TYPE, _FILE_TYPE = 1, 2
_LEAF = 0xFF  # kind of a node
_LINK = 0o120000
_ROOT_FOLDER = 2
_PATH = 64  # folders above a file


def structures(view: memoryview, start: int, end: int, of: str) -> Iterator[Structure]:
    """What the volume in bytes `start` to `end` adds to the image, if it is one; `of` says which."""
    header = start + _HEADER_AT
    if end > len(view) or end - start < 4 * _HEADER_AT or bytes(view[header : header + 2]) not in (b"H+", b"HX"):
        return
    yield from named(view, header, _VOLUME, "HFS+ volume header ", of)
    copy = end - _HEADER_AT
    for field in named(view, copy, _VOLUME, "HFS+ alternate volume header ", of):
        yield replace(field, role=DERIVED, holds=partial(repeats, view, field, header - copy))
    (block,) = unpack(">I", view, header + 40)
    for number, fork in enumerate(_FORKS):
        extents = unpack(f">{2 * _EXTENTS}I", view, header + 112 + 80 * number + 16)
        for extent in range(_EXTENTS):
            first, count = extents[2 * extent : 2 * extent + 2]
            at = start + first * block
            if count and block and at + count * block <= end:
                part = " ".join(filter(None, (of, f"part {extent + 1}" if extent else "")))
                yield Structure(at, at + count * block, f"HFS+ {fork}", DERIVED, None, part)
    first, count = unpack(">II", view, header + 112 + 80 * _CATALOGUE + 16)
    catalogue = start + first * block
    if count and block and catalogue + count * block <= end:
        yield from _catalogue(view, start, block, catalogue, catalogue + count * block, of)


@dataclass(frozen=True)
class _Entry:
    """A file or folder of the catalogue: where its key and its data start, and its name in its parent."""

    key: int
    data: int
    kind: int
    parent: int
    name: str


def _catalogue(view: memoryview, volume: int, block: int, start: int, end: int, of: str) -> Iterator[Structure]:
    """The records of files and folders in the catalogue's first extent, `start` to `end`."""
    try:
        entries = list(_entries(view, start, end))
    except Malformed:
        return
    folders = {unpack(">I", view, e.data + 8)[0]: e for e in entries if e.kind == _FOLDER_TYPE}
    for entry in entries:
        path = " ".join(filter(None, (of, printable(_path(entry, folders)))))
        rows = _FOLDER if entry.kind == _FOLDER_TYPE else _FILE
        yield Structure(entry.key, entry.data, "HFS+ catalogue record key", DERIVED, None, path)
        yield from named(view, entry.data, rows, "HFS+ catalogue record ", path)
        if entry.kind == _FILE_TYPE and unpack(">H", view, entry.data + 42)[0] & 0o170000 == _LINK:
            size, first = unpack(">Q8xI", view, entry.data + 88)
            at = volume + first * block
            if 0 < size <= block and at + size <= len(view):
                yield Structure(at, at + size, "HFS+ symbolic link target", DERIVED, None, path)


def _entries(view: memoryview, start: int, end: int) -> Iterator[_Entry]:
    """The file and folder records in the leaves of the B-tree. Raises Malformed."""
    (size,) = unpack(">H", cut(view, start, end - start), 32)
    if size < 512:
        raise Malformed(f"B-tree nodes of {size} bytes")
    for node in range(start, end - size + 1, size):
        kind, count = unpack(">8xBxH", view, node)
        if kind != _LEAF or count > size // 16:
            continue
        offsets = [*reversed(unpack(f">{count + 1}H", view, node + size - 2 * (count + 1)))]
        for at, after in pairwise(offsets):
            if at >= 14 and at + 8 <= after <= size:
                yield from _entry(view, node + at, node + after)


def _entry(view: memoryview, at: int, end: int) -> Iterator[_Entry]:
    length, parent, characters = unpack(">HIH", view, at)
    data = at + 2 + length + length % 2
    if length < 6 + 2 * characters or data + 2 > end:
        return
    (kind,) = unpack(">H", view, data)
    rows = {_FOLDER_TYPE: _FOLDER, _FILE_TYPE: _FILE}.get(kind, ())
    if rows and data + sum(row[1] for row in rows) <= end:
        name = bytes(view[at + 8 : at + 8 + 2 * characters]).decode("utf-16-be", "replace")
        yield _Entry(at, data, kind, parent, name)


def _path(entry: _Entry, folders: dict[int, _Entry]) -> str:
    names = [entry.name]
    while entry.parent != _ROOT_FOLDER and entry.parent in folders and len(names) < _PATH:
        entry = folders[entry.parent]
        names.append(entry.name)
    return "/".join(reversed(names))
