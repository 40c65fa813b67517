"""The volume descriptors of ISO 9660 (ECMA-119, chapter 8) field by field, and the path tables that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from repro.formats import rockridge
from repro.formats.base import DERIVED, IDENTITY, Malformed, Structure, cut, unpack
from repro.formats.named import BIG, BOTH, LITTLE, TEXT, TEXT16BE, ZERO, Form, Row, named

SECTOR = 2048
_JOLIET = (b"%/@", b"%/C", b"%/E")
_TIME17 = Form(lambda raw: bytes(raw[:16]).decode("ascii", "replace"))
_TIME7 = Form(rockridge.short_time)
_HEAD: tuple[Row, ...] = (
    ("type", 1, IDENTITY, LITTLE),
    ("identifier", 5, IDENTITY, TEXT),
    ("version", 1, IDENTITY, LITTLE),
)
_ROOT: tuple[Row, ...] = (
    ("length", 1, DERIVED, LITTLE),
    ("extended attribute length", 1, DERIVED, LITTLE),
    ("extent location", 8, DERIVED, BOTH),
    ("data length", 8, DERIVED, BOTH),
    ("recording time", 7, IDENTITY, _TIME7),
    ("flags", 1, IDENTITY, LITTLE),
    ("unit and gap size", 2, DERIVED, ZERO),
    ("volume sequence number", 4, DERIVED, BOTH),
    ("identifier length", 1, DERIVED, LITTLE),
    ("identifier", 1, DERIVED, None),
)


def _volume(text: Form) -> tuple[Row, ...]:
    return (
        *_HEAD,
        ("flags", 1, IDENTITY, LITTLE),
        ("system identifier", 32, IDENTITY, text),
        ("volume identifier", 32, IDENTITY, text),
        ("unused", 8, DERIVED, ZERO),
        ("volume space size", 8, DERIVED, BOTH),
        ("escape sequences", 32, IDENTITY, TEXT),
        ("set size", 4, IDENTITY, BOTH),
        ("sequence number", 4, IDENTITY, BOTH),
        ("block size", 4, IDENTITY, BOTH),
        ("path table size", 8, DERIVED, BOTH),
        ("path table L location", 4, DERIVED, LITTLE),
        ("optional path table L location", 4, DERIVED, LITTLE),
        ("path table M location", 4, DERIVED, BIG),
        ("optional path table M location", 4, DERIVED, BIG),
        *((f"root record {name}", size, role, form) for name, size, role, form in _ROOT),
        ("volume set identifier", 128, IDENTITY, text),
        ("publisher", 128, IDENTITY, text),
        ("data preparer", 128, IDENTITY, text),
        ("application", 128, IDENTITY, text),
        ("copyright file", 37, IDENTITY, text),
        ("abstract file", 37, IDENTITY, text),
        ("bibliographic file", 37, IDENTITY, text),
        ("creation time", 17, IDENTITY, _TIME17),
        ("modification time", 17, IDENTITY, _TIME17),
        ("expiration time", 17, IDENTITY, _TIME17),
        ("effective time", 17, IDENTITY, _TIME17),
        ("file structure version", 1, IDENTITY, LITTLE),
        ("reserved byte", 1, DERIVED, ZERO),
        ("application use", 512, IDENTITY, None),
        ("reserved", 653, IDENTITY, None),
    )


_PRIMARY, _WIDE = _volume(TEXT), _volume(TEXT16BE)
_BOOT: tuple[Row, ...] = (
    *_HEAD,
    ("boot system identifier", 32, IDENTITY, TEXT),
    ("boot identifier", 32, IDENTITY, TEXT),
    ("catalogue location", 4, DERIVED, LITTLE),
    ("boot system use", 1973, IDENTITY, None),
)
_OTHER: tuple[Row, ...] = (*_HEAD, ("rest", 2041, IDENTITY, None))
_WORDS = {0: "boot record", 1: "primary volume", 3: "partition descriptor", 255: "descriptor set terminator"}


Tree = Callable[[], Mapping[int, bytes]]  # the identifier of each directory of a volume by the byte where it starts


def word(view: memoryview, at: int, kind: int) -> str:
    """What the descriptor of `kind` at byte `at` describes."""
    if kind != 2:
        return _WORDS.get(kind, "other descriptor")
    return "Joliet volume" if bytes(view[at + 88 : at + 91]) in _JOLIET else "supplementary volume"


def descriptor(view: memoryview, at: int, kind: int, of: str, prefix: str = "") -> Iterator[Structure]:
    """Every field of the descriptor of `kind` at byte `at`."""
    name = f"{prefix}{word(view, at, kind)} "
    if kind in (1, 2):
        yield from named(view, at, _WIDE if "Joliet" in name else _PRIMARY, name, of)
    else:
        yield from named(view, at, _BOOT if kind == 0 else _OTHER, name, of)


def path_tables(view: memoryview, at: int, kind: int, of: str, block: int, tree: Tree) -> Iterator[Structure]:
    """The path tables of the volume at byte `at`, in logical blocks of `block` bytes."""
    prefix = word(view, at, kind)
    (size,) = unpack("<I", view, at + 132)
    where = (*unpack("<II", view, at + 140), *unpack(">II", view, at + 148))
    for number, name in enumerate(("L", "optional L", "M", "optional M")):
        start = where[number] * block
        if size and start and start + size <= len(view):
            holds = partial(_right, view[start : start + size], "<" if number < 2 else ">", block, tree)
            yield Structure(start, start + size, f"{prefix} path table {name}", DERIVED, None, of, holds)


def _right(table: memoryview, order: str, block: int, tree: Tree) -> bool:
    """Whether the table names the directories of the tree, all and no others, the parents before their children."""
    try:
        entries = list(_entries(table, order))
    except Malformed:
        return False
    parents = all(1 <= parent <= max(number, 1) for number, (_, parent, _) in enumerate(entries))
    return parents and {start * block: identifier for start, _, identifier in entries} == tree()


def _entries(table: memoryview, order: str) -> Iterator[tuple[int, int, bytes]]:
    """(first block, number of the parent, identifier) of each directory. Raises Malformed."""
    at = 0
    while at < len(table):
        length, skip, start, parent = unpack(order + "BBIH", table, at)
        yield start + skip, parent, bytes(cut(table, at + 8, length))
        at += 8 + length + length % 2
