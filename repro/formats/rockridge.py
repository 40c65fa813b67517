"""SUSP and Rock Ridge: what the system use area of an ISO 9660 directory record adds (IEEE P1281 and P1282)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from repro.formats.base import Malformed, cut, unpack

_CONTINUATIONS = 32  # CE entries that one record may chain
_TIMES = ("created", "mtime", "atime", "ctime", "backup", "expires", "effective")


@dataclass
class Attributes:
    """What was found; None or empty where it was not.

    `times` are by name, as `short_time` gives them; `zones` are those of them that are not UTC, in minutes east.
    """

    name: bytes | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    serial: int | None = None
    nlink: int | None = None
    target: bytes | None = None
    device: tuple[int, int] | None = None
    times: dict[str, int | str] = field(default_factory=dict)
    zones: dict[str, int] = field(default_factory=dict)
    child: int | None = None  # block of the directory that was relocated from here
    relocated: bool = False
    attributes: bytes = b""  # the component area of AAIP: xattrs and ACLs
    areas: list[tuple[int, int]] = field(default_factory=list)  # continuation areas, as bytes of the image
    susp: int | None = None  # bytes to skip, from the SP entry; only the root's own record has one
    _link: list[bytes] = field(default_factory=list)
    _partial: bool = False


def read(view: memoryview, area: memoryview, block_size: int) -> Attributes:
    """The entries in `area` (a record's system use field) and in its continuations elsewhere in `view`.

    Raises Malformed where an entry does not fit or continuations do not end.
    """
    found = Attributes()
    for signature, data in _entries(view, area, block_size, found):
        reader = _READERS.get(signature)
        if reader:
            reader(found, data)
    if found._link or found._partial:
        found.target = _joined(found._link)
    return found


def _entries(
    view: memoryview, area: memoryview, block_size: int, found: Attributes
) -> Iterator[tuple[bytes, memoryview]]:
    for _ in range(_CONTINUATIONS):
        follow: tuple[int, int] | None = None
        at = 0
        while at + 4 <= len(area):
            signature, length = bytes(area[at : at + 2]), area[at + 2]
            if length < 4 or signature == b"ST":
                break
            data = cut(area, at + 4, length - 4)
            if signature == b"CE":
                block, offset, size = unpack("<I4xI4xI4x", data, 0)
                follow = block * block_size + offset, size
            else:
                yield signature, data
            at += length
        if follow is None:
            return
        if follow[1] > block_size:
            raise Malformed(f"Rock Ridge continuation of {follow[1]} bytes")
        area = cut(view, *follow)
        found.areas.append((follow[0], sum(follow)))
    raise Malformed("Rock Ridge continuation areas do not end")


def _sp(found: Attributes, data: memoryview) -> None:
    if bytes(data[:2]) == b"\xbe\xef":
        found.susp = unpack("<B", data, 2)[0]


def _nm(found: Attributes, data: memoryview) -> None:
    if len(data) and not data[0] & 0b110:
        found.name = (found.name or b"") + bytes(data[1:])


def _px(found: Attributes, data: memoryview) -> None:
    found.mode, found.nlink, found.uid, found.gid = unpack("<I4xI4xI4xI4x", data, 0)
    if len(data) >= 40:
        (found.serial,) = unpack("<I", data, 32)


def _tf(found: Attributes, data: memoryview) -> None:
    (flags,) = unpack("<B", data, 0)
    at, size = 1, 17 if flags & 0x80 else 7
    for bit, name in enumerate(_TIMES):
        if flags >> bit & 1:
            raw = cut(data, at, size)
            value = long_time(raw) if size == 17 else short_time(raw)
            if value is not None:
                found.times[name] = value
            if zone := raw[-1]:
                found.zones[name] = minutes_east(zone)
            at += size


def _sl(found: Attributes, data: memoryview) -> None:
    at = 1
    found.target = found.target or b""
    while at + 2 <= len(data):
        flags, size = data[at], data[at + 1]
        text = bytes(cut(data, at + 2, size))
        text = b"." if flags & 2 else b".." if flags & 4 else b"/" if flags & 8 else text
        if found._partial and found._link:
            found._link[-1] += text
        else:
            found._link.append(text)
        found._partial = bool(flags & 1)
        at += 2 + size


def _pn(found: Attributes, data: memoryview) -> None:
    high, low = unpack("<I4xI4x", data, 0)
    number = low if not high else (high << 32) | low
    found.device = ((number >> 8) & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00)


def _cl(found: Attributes, data: memoryview) -> None:
    (found.child,) = unpack("<I", data, 0)


def _re(found: Attributes, data: memoryview) -> None:
    found.relocated = True


def _al(found: Attributes, data: memoryview) -> None:
    found.attributes += bytes(data[1:])


_READERS = {b"SP": _sp, b"NM": _nm, b"PX": _px, b"TF": _tf, b"SL": _sl, b"PN": _pn, b"CL": _cl, b"RE": _re, b"AL": _al}


def _joined(parts: list[bytes]) -> bytes:
    if parts[:1] == [b"/"]:
        return b"/" + b"/".join(parts[1:])
    return b"/".join(parts)


def minutes_east(zone: int) -> int:
    """The last byte of a time: quarters of an hour, signed."""
    return 15 * (zone - 256 if zone > 127 else zone)


def short_time(raw: memoryview) -> int | str | None:
    """The 7-byte time of directory records as seconds since 1970, None where unset, its bytes where it is no time."""
    return _short_time(bytes(raw))


@lru_cache(4096)  # an image has few times and many records
def _short_time(raw: bytes) -> int | str | None:
    if not any(raw):
        return None
    year, month, day, hour, minute, second, zone = unpack("<7B", memoryview(raw), 0)
    seconds = _seconds((year + 1900, month, day, hour, minute, second), zone)
    return f"0x{raw.hex()}" if seconds is None else seconds


def long_time(raw: memoryview) -> int | str | None:
    """The 17-byte time of volume descriptors, as `short_time`; text where it has hundredths of a second."""
    digits = bytes(raw[:16])
    if len(raw) < 17 or not digits.strip(b"0\0"):
        return None
    seconds = None
    if digits.isdigit():
        parts = (digits[:4], digits[4:6], digits[6:8], digits[8:10], digits[10:12], digits[12:14])
        year, month, day, hour, minute, second = (int(part) for part in parts)
        seconds = _seconds((year, month, day, hour, minute, second), raw[16])
    if seconds is None:
        return f"0x{raw.hex()}"
    return seconds if digits[14:] == b"00" else f"{seconds}.{digits[14:].decode()}"


def _seconds(date: tuple[int, int, int, int, int, int], zone: int) -> int | None:
    try:
        return int((datetime(*date, tzinfo=UTC) - timedelta(minutes=minutes_east(zone))).timestamp())
    except (ValueError, OverflowError):
        return None
