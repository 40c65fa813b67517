"""Tables of fields: each row names a field, its size in bytes, its role and how it reads; out come structures."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from repro.formats.base import DERIVED, IDENTITY, Structure


@dataclass(frozen=True)
class Form:
    """How a field reads, and what must be true of its bytes alone."""

    read: Callable[[memoryview], Any]
    holds: Callable[[memoryview], bool] | None = None


Row = tuple[str, int, str, Form | None]


def _little(raw: memoryview) -> int:
    return int.from_bytes(raw, "little")


def _big(raw: memoryview) -> int:
    return int.from_bytes(raw, "big")


def _both(raw: memoryview) -> int:
    return int.from_bytes(raw[: len(raw) // 2], "little")


def mirrored(raw: memoryview) -> bool:
    """Whether a both-endian field says the same number twice."""
    half = len(raw) // 2
    return bytes(raw[:half]) == bytes(raw[half:])[::-1]


def _text(encoding: str) -> Callable[[memoryview], str]:
    return lambda raw: bytes(raw).decode(encoding, "replace").rstrip("\0 ")


LITTLE, BIG, BOTH = Form(_little), Form(_big), Form(_both, mirrored)
TEXT, TEXT16LE, TEXT16BE = Form(_text("ascii")), Form(_text("utf-16-le")), Form(_text("utf-16-be"))
GUID = Form(lambda raw: str(uuid.UUID(bytes_le=bytes(raw))))
ZERO = Form(lambda raw: None, lambda raw: not any(raw))


def named(view: memoryview, at: int, rows: Iterable[Row], prefix: str = "", of: str = "") -> Iterator[Structure]:
    """Consecutive fields from `at` on, as far as they lie within `view`."""
    size = len(view)
    for name, length, role, form in rows:
        end = at + length
        if at < 0 or end > size:
            return
        if form is None:
            yield Structure(at, end, prefix + name, role, None, of)
        else:
            raw = view[at:end]
            holds = partial(form.holds, raw) if form.holds and role == DERIVED else None
            yield Structure(at, end, prefix + name, role, form.read(raw), of, holds)
        at = end


def repeats(view: memoryview, field: Structure, shift: int) -> bool:
    """Whether the bytes of `field` stand `shift` bytes away as well."""
    other = view[max(field.start + shift, 0) : max(field.end + shift, 0)]
    return bytes(other) == bytes(view[field.start : field.end])


def rest(
    view: memoryview, known: Iterable[Structure], start: int, end: int, name: str, of: str = ""
) -> Iterator[Structure]:
    """What of `start` to `end` none of `known` takes and is not all zero, with a number from the second on."""
    number = 0
    for begin, stop in sorted([*((s.start, s.end) for s in known), (end, end)]):
        stretch = view[start : min(begin, end)]
        if start < begin and bytes(stretch).strip(b"\0"):
            number += 1
            yield Structure(
                start, start + len(stretch), name, IDENTITY, None, of if number == 1 else f"{of} {number}".strip()
            )
        start = max(start, stop)
