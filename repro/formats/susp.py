"""The entries of system use areas (IEEE P1281, P1282, zisofs, AAIP 2.0) as structures, field by field.

What they mean for a member is read by `rockridge`; here every byte gets a name.
"""

from __future__ import annotations

from collections.abc import Iterator

from repro.formats import aaip
from repro.formats.base import DERIVED, FACT, IDENTITY, Structure, unpack
from repro.formats.named import BOTH, LITTLE, TEXT, Row, named

_CONTINUATIONS = 32
_TIMES = (
    "creation time",
    "modification time",
    "access time",
    "attribute change time",
    "backup time",
    "expiration time",
    "effective time",
)
_Rows = tuple[Row, ...]
_FIXED: dict[bytes, _Rows] = {
    b"PX": (
        ("mode", 8, FACT, BOTH),
        ("link count", 8, FACT, BOTH),
        ("uid", 8, FACT, BOTH),
        ("gid", 8, FACT, BOTH),
        ("serial number", 8, DERIVED, BOTH),
    ),
    b"PN": (("device high", 8, FACT, BOTH), ("device low", 8, FACT, BOTH)),
    b"CL": (("child location", 8, DERIVED, BOTH),),
    b"PL": (("parent location", 8, DERIVED, BOTH),),
    b"RR": (("flags", 1, DERIVED, LITTLE),),
    b"SP": (("check bytes", 2, IDENTITY, None), ("skipped bytes", 1, IDENTITY, LITTLE)),
    b"CE": (("block", 8, DERIVED, BOTH), ("offset", 8, DERIVED, BOTH), ("length", 8, DERIVED, BOTH)),
    b"ES": (("sequence", 1, IDENTITY, LITTLE),),
    b"SF": (("size high", 8, DERIVED, BOTH), ("size low", 8, DERIVED, BOTH), ("table depth", 1, DERIVED, LITTLE)),
    b"ZF": (
        ("algorithm", 2, IDENTITY, TEXT),
        ("header size", 1, DERIVED, LITTLE),
        ("block size", 1, IDENTITY, LITTLE),
        ("uncompressed size", 8, DERIVED, BOTH),
    ),
    b"NM": (("flags", 1, DERIVED, LITTLE),),
    b"SL": (("flags", 1, DERIVED, LITTLE),),
    b"AL": (("flags", 1, DERIVED, LITTLE),),
    b"TF": (("flags", 1, DERIVED, LITTLE),),
    b"ER": (
        ("identifier length", 1, DERIVED, LITTLE),
        ("descriptor length", 1, DERIVED, LITTLE),
        ("source length", 1, DERIVED, LITTLE),
        ("version", 1, IDENTITY, LITTLE),
    ),
    b"RE": (),
    b"PD": (),
    b"ST": (),
}
# What stands behind the fixed fields.
_REST = {
    b"NM": ("name", FACT),
    b"SL": ("target", FACT),
    b"PD": ("padding", DERIVED),
    b"ER": ("texts", IDENTITY),
}
_NAMES = {key: f"Rock Ridge {key.decode()} " for key in _FIXED}
_NAMES |= {key: f"SUSP {key.decode()} " for key in (b"SP", b"CE", b"ER", b"ES", b"PD", b"ST")}
_NAMES |= {b"AL": "AAIP AL ", b"ZF": "zisofs ZF "}
_HEADER = {key: name + "header" for key, name in _NAMES.items()}


def structures(view: memoryview, start: int, end: int, of: str, block: int, seen: set[int]) -> Iterator[Structure]:
    """Every byte of the area `start` to `end` of a record, and of its continuations that are not in `seen`."""
    counts: dict[bytes, int] = {}
    attributes: list[tuple[int, int]] = []
    for _ in range(_CONTINUATIONS):
        follow: tuple[int, int] | None = None
        at = start
        while at + 4 <= end:
            signature, length = bytes(view[at : at + 2]), view[at + 2]
            if length < 4 or at + length > end:
                break
            counts[signature] = count = counts.get(signature, 0) + 1
            yield from _entry(view, at, at + length, signature, of if count == 1 else f"{of} part {count}")
            if signature == b"CE" and length >= 28:
                where, offset, size = unpack("<I4xI4xI4x", view, at + 4)
                follow = where * block + offset, size
            elif signature == b"AL":
                attributes.append((at + 5, at + length))
            at += length
            if signature == b"ST":
                break
        if at < end:
            yield Structure(
                at, end, "system use padding", DERIVED, None, of if start not in seen else f"{of} continued"
            )
        if follow is None or follow[0] in seen or follow[1] > block or sum(follow) > len(view):
            break
        seen.add(follow[0])
        start, end = follow[0], sum(follow)
    if attributes:
        yield from aaip.structures(view, attributes, of)


def _entry(view: memoryview, at: int, end: int, signature: bytes, of: str) -> Iterator[Structure]:
    """One entry, which lies within `view`."""
    rows = _FIXED.get(signature)
    if rows is None:
        yield Structure(at, end, "SUSP unknown entry", IDENTITY, None, of)
        return
    prefix = _NAMES[signature]
    yield Structure(at, at + 4, _HEADER[signature], DERIVED, None, of)
    data = view[:end]
    at += 4
    for field in named(data, at, rows, prefix, of):
        yield field
        at = field.end
    if signature == b"TF" and at < end:
        flags = view[at - 1]
        size = 17 if flags & 0x80 else 7
        times = tuple((name, size, FACT, None) for bit, name in enumerate(_TIMES) if flags >> bit & 1)
        for field in named(data, at, times, prefix, of):
            yield field
            at = field.end
    name, role = _REST.get(signature, ("rest", DERIVED))
    if at < end and signature != b"AL":
        yield Structure(
            at,
            end,
            prefix + name,
            role,
            bytes(view[at:end]).decode("utf-8", "replace") if role == IDENTITY else None,
            of,
        )
