"""Decompressors with a ceiling: single blocks (squashfs) and whole streams (gzip, xz, zstd, lz4, bzip2).

No output and no window is ever allocated because a header asks for it. All may be called from several threads.
"""

from __future__ import annotations

import bz2
import lzma
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import lz4.block
import lz4.frame
import lzallright
import zstandard

from repro.formats.base import CHUNK, Malformed

_LZ4_FRAME = b"\x04\x22\x4d\x18"
MEMORY = 512 << 20  # bytes that an xz or zstd stream may ask for as its window

_OWN = threading.local()

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
        return _zstd_engine().decompress(data, limit, allow_extra_data=True)
    except zstandard.ZstdError as error:
        raise Malformed(f"broken zstd block: {error}") from error


def _zstd_engine() -> zstandard.ZstdDecompressor:
    """The thread's own, for none may be shared: making one costs as much as decompressing a block of 8 KiB."""
    if not hasattr(_OWN, "zstd"):
        _OWN.zstd = zstandard.ZstdDecompressor(max_window_size=MEMORY)
    engine: zstandard.ZstdDecompressor = _OWN.zstd
    return engine


def lz4_block(data: bytes, limit: int) -> bytes:
    """As `zlib_block`, for one raw LZ4 block (no frame)."""
    try:
        out: bytes = lz4.block.decompress(data, uncompressed_size=limit)
    except (lz4.block.LZ4BlockError, ValueError, OverflowError) as error:
        raise Malformed(f"broken lz4 block: {error}") from error
    return out


def lzo_block(data: bytes, limit: int) -> bytes:
    """As `zlib_block`, for one raw LZO1X block.

    The library grows its output as it needs. No byte of input yields more than 255, so a block that is no longer
    than what it may yield costs at most 256 times `limit` before it is refused.
    """
    if len(data) > limit:
        raise Malformed("lzo block larger than what it may yield")
    try:
        out = lzallright.LZOCompressor.decompress(data, limit)
    except (lzallright.LZOError, lzallright.InputNotConsumed) as error:
        raise Malformed(f"broken lzo block: {type(error).__name__}") from error
    return _whole(out, limit, True)


def _whole(out: bytes, limit: int, finished: bool) -> bytes:
    if len(out) > limit:
        raise Malformed("compressed block larger than its block may be")
    if not finished:
        raise Malformed("compressed block is truncated")
    return out


def stream(compression: str, view: memoryview, ends: list[int] | None = None) -> Iterator[bytes]:
    """The decompressed bytes of `view`, in chunks of a few MiB at most.

    `compression` is one of STREAMS. Concatenated streams are read on; other trailing bytes end the reading.
    `ends`, if given, takes where each of them ends. Raises Malformed where the stream is broken or ends early.
    """
    try:
        yield from STREAMS[compression](view, [] if ends is None else ends)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, RuntimeError, ValueError) as error:
        raise Malformed(f"broken {compression} stream: {error}") from error


def _gzip(view: memoryview, ends: list[int]) -> Iterator[bytes]:
    yield from _joined(view, ends, b"\x1f\x8b", lambda: zlib.decompressobj(31), _zlib_step)


def _bzip2(view: memoryview, ends: list[int]) -> Iterator[bytes]:
    yield from _joined(view, ends, b"BZh", bz2.BZ2Decompressor, _buffered_step)


def _xz(view: memoryview, ends: list[int]) -> Iterator[bytes]:
    yield from _joined(
        view, ends, b"\xfd7zXZ", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY), _buffered_step
    )


def _joined(
    view: memoryview,
    ends: list[int],
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
        at -= len(current.unused_data or b"")
        ends.append(at)


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


def _zstd(view: memoryview, ends: list[int]) -> Iterator[bytes]:
    # decompressobj has no ceiling on its output; 1 KiB of input cannot yield more than 32 MiB (RLE blocks).
    engine = zstandard.ZstdDecompressor(max_window_size=MEMORY)
    yield from _joined(view, ends, b"\x28\xb5\x2f\xfd", engine.decompressobj, _plain_step, 1 << 10)


def _lz4(view: memoryview, ends: list[int]) -> Iterator[bytes]:
    if bytes(view[:4]) == _LZ4_FRAME:
        yield from _joined(view, ends, _LZ4_FRAME, lz4.frame.LZ4FrameDecompressor, _buffered_step)
    else:
        yield from _lz4_legacy(view)


def _lz4_legacy(view: memoryview) -> Iterator[bytes]:
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


STREAMS: dict[str, Callable[[memoryview, list[int]], Iterator[bytes]]] = {
    "gzip": _gzip,
    "xz": _xz,
    "zstd": _zstd,
    "bzip2": _bzip2,
    "lz4": _lz4,
}
