"""Decompressors with a ceiling: single blocks (squashfs) and whole streams (gzip, xz, zstd, lz4, bzip2).

No output and no window is ever allocated because a header asks for it.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import zstandard

from repro.formats.base import CHUNK, Malformed

MEMORY = 512 << 20  # bytes that an xz or zstd stream may ask for as its window

Block = Callable[[bytes, int], bytes]


def zlib_block(data: bytes, limit: int) -> bytes:
    """`data` inflated. Raises Malformed where it is broken or yields more than `limit` bytes."""
    try:
        engine = zlib.decompressobj()
        out = engine.decompress(data, limit + 1)
    except zlib.error as error:
        raise Malformed(f"broken zlib block: {error}") from error
    return _whole(out, limit, engine.eof)


def xz_block(data: bytes, limit: int) -> bytes:
    """As `zlib_block`, for a whole .xz stream."""
    return _lzma(data, limit, lzma.FORMAT_XZ)


def lzma_block(data: bytes, limit: int) -> bytes:
    """As `zlib_block`, for a legacy .lzma stream."""
    return _lzma(data, limit, lzma.FORMAT_ALONE)


def _lzma(data: bytes, limit: int, form: int) -> bytes:
    try:
        engine = lzma.LZMADecompressor(form, memlimit=MEMORY)
        out = engine.decompress(data, limit + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise Malformed(f"broken xz block: {error}") from error
    return _whole(out, limit, engine.eof or form == lzma.FORMAT_ALONE)


def zstd_block(data: bytes, limit: int) -> bytes:
    """As `zlib_block`, for one zstd frame."""
    try:
        if zstandard.frame_content_size(data) > limit:
            raise Malformed("zstd frame larger than its block may be")
        return zstandard.ZstdDecompressor(max_window_size=MEMORY).decompress(data, limit, allow_extra_data=True)
    except zstandard.ZstdError as error:
        raise Malformed(f"broken zstd block: {error}") from error


def lz4_block(data: bytes, limit: int) -> bytes:
    """As `zlib_block`, for one raw LZ4 block (no frame), as lz4's Block Format Description defines it."""
    out = bytearray()
    at, end = 0, len(data)
    try:
        while at < end:
            token = data[at]
            at, length = _lz4_length(data, at + 1, token >> 4)
            if at + length > end:
                raise Malformed("broken lz4 block: literals beyond the end")
            out += data[at : at + length]
            at += length
            if at < end:
                distance = data[at] | data[at + 1] << 8
                at, length = _lz4_length(data, at + 2, token & 15)
                _lz4_copy(out, distance, length + 4, limit)
            if len(out) > limit:
                raise Malformed("compressed block larger than its block may be")
    except IndexError as error:
        raise Malformed("broken lz4 block: truncated") from error
    return bytes(out)


def _lz4_length(data: bytes, at: int, length: int) -> tuple[int, int]:
    if length == 15:
        while data[at] == 255:
            length += 255
            at += 1
        length += data[at]
        at += 1
    return at, length


def _lz4_copy(out: bytearray, distance: int, length: int, limit: int) -> None:
    if not 0 < distance <= len(out) or len(out) + length > limit:
        raise Malformed("broken lz4 block: match out of bounds")
    pattern = out[len(out) - distance :][:length]
    repeats, rest = divmod(length, len(pattern))
    out += pattern * repeats + pattern[:rest]


def _whole(out: bytes, limit: int, finished: bool) -> bytes:
    if len(out) > limit:
        raise Malformed("compressed block larger than its block may be")
    if not finished:
        raise Malformed("compressed block is truncated")
    return out


def stream(compression: str, view: memoryview) -> Iterator[bytes]:
    """The decompressed bytes of `view`, in chunks of a few MiB at most.

    `compression` is one of STREAMS. Concatenated streams are read on; other trailing bytes end the reading.
    Raises Malformed where the stream is broken or ends early.
    """
    try:
        yield from STREAMS[compression](view)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, ValueError) as error:
        raise Malformed(f"broken {compression} stream: {error}") from error


def _gzip(view: memoryview) -> Iterator[bytes]:
    yield from _joined(view, b"\x1f\x8b", lambda: zlib.decompressobj(31), _zlib_step)


def _bzip2(view: memoryview) -> Iterator[bytes]:
    yield from _joined(view, b"BZh", bz2.BZ2Decompressor, _buffered_step)


def _xz(view: memoryview) -> Iterator[bytes]:
    yield from _joined(
        view, b"\xfd7zXZ", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY), _buffered_step
    )


def _joined(
    view: memoryview,
    magic: bytes,
    engine: Callable[[], Any],
    step: Callable[[Any, bytes], Iterator[bytes]],
    size: int = CHUNK >> 2,
) -> Iterator[bytes]:
    at = 0
    while bytes(view[at : at + len(magic)]) == magic:
        current = engine()
        while not current.eof:
            chunk = bytes(view[at : at + size])
            if not chunk:
                raise Malformed("compressed stream ends early")
            yield from step(current, chunk)
            at += len(chunk)
        at -= len(current.unused_data)


def _zlib_step(engine: Any, chunk: bytes) -> Iterator[bytes]:
    out = engine.decompress(chunk, CHUNK)
    while out or engine.unconsumed_tail:
        yield out
        out = b"" if engine.eof else engine.decompress(engine.unconsumed_tail, CHUNK)


def _buffered_step(engine: Any, chunk: bytes) -> Iterator[bytes]:
    yield engine.decompress(chunk, CHUNK)
    while not engine.eof and not engine.needs_input:
        yield engine.decompress(b"", CHUNK)


def _plain_step(engine: Any, chunk: bytes) -> Iterator[bytes]:
    yield engine.decompress(chunk)


def _zstd(view: memoryview) -> Iterator[bytes]:
    # decompressobj has no ceiling on its output; 1 KiB of input cannot yield more than 32 MiB (RLE blocks).
    engine = zstandard.ZstdDecompressor(max_window_size=MEMORY)
    yield from _joined(view, b"\x28\xb5\x2f\xfd", engine.decompressobj, _plain_step, 1 << 10)


def _lz4(view: memoryview) -> Iterator[bytes]:
    if bytes(view[:4]) != b"\x02\x21\x4c\x18":
        raise Malformed("lz4 frames other than the kernel's legacy format are not read")
    at = 4
    while at + 4 <= len(view):
        size = int.from_bytes(view[at : at + 4], "little")
        at += 4
        if size == 0x184C2102:
            continue
        if size == 0:
            return
        if at + size > len(view):
            raise Malformed("lz4 stream ends early")
        yield lz4_block(bytes(view[at : at + size]), 8 << 20)
        at += size


STREAMS: dict[str, Callable[[memoryview], Iterator[bytes]]] = {
    "gzip": _gzip,
    "xz": _xz,
    "zstd": _zstd,
    "bzip2": _bzip2,
    "lz4": _lz4,
}
