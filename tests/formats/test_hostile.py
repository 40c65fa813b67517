"""What is untrusted may be anything: readers end, allocate little, and raise nothing but Malformed."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import random
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import lz4.block
import lz4.frame
import lzallright
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.formats import codec, opened
from repro.formats.base import Malformed
from tests.formats.accounted import every
from tests.formats.samples import SAMPLES


@cache
def sample(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        return SAMPLES[name](Path(folder, "made"))


def exhaust(data: bytes, limit: int = 1 << 24) -> None:
    """Read all that the container of `data` offers, up to `limit` bytes of content."""
    with contextlib.suppress(Malformed):
        container = opened(memoryview(data))
        if container is None:
            return
        for member in container.members():
            with contextlib.suppress(Malformed):
                for piece in member.content.pieces() if member.content else ():
                    limit -= piece.size
                    if limit < 0:
                        return
                    piece.read()
        for structure in every(container):
            if structure.holds:
                structure.holds()


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` with some bytes replaced, most of them where it is not empty, maybe cut or shifted."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        at = rng.randrange(len(out))
        for _ in range(20):
            if out[at]:
                break
            at = rng.randrange(len(out))
        out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, out[at] ^ 1 << rng.randrange(8)))
    at = rng.randrange(len(out))
    shape = rng.randrange(12)
    if shape == 0:
        del out[at:]
    elif shape == 1:
        del out[at : at + rng.randrange(1, 64)]
    elif shape == 2:
        out[at:at] = rng.randbytes(rng.randrange(1, 64))
    return bytes(out)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_damage_raises_nothing_but_malformed(name: str) -> None:
    rng = random.Random(name)
    for _ in range(60):
        exhaust(damaged(sample(name), rng))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_truncation_ends(name: str) -> None:
    data = sample(name)
    for size in sorted({len(data) * n // 40 for n in range(40)} | set(range(0, min(len(data), 600), 13))):
        exhaust(data[:size])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=3000), st.sampled_from(sorted(SAMPLES)), st.integers(0, 600))
def test_magic_followed_by_anything(tail: bytes, name: str, kept: int) -> None:
    exhaust(sample(name)[:kept] + tail)


def test_a_gzip_bomb_is_streamed() -> None:
    bomb = memoryview(gzip.compress(bytes(64 << 20)))
    sizes = [len(chunk) for chunk in codec.stream("gzip", bomb)]
    assert sum(sizes) == 64 << 20 and max(sizes) <= 1 << 20


@pytest.mark.parametrize(
    "block",
    [codec.zlib_block, codec.xz_block, codec.lzma_block, codec.zstd_block, codec.lz4_block, codec.lzo_block],
)
def test_broken_blocks(block: codec.Block) -> None:
    rng = random.Random(1)
    for size in (0, 1, 5, 100):
        with contextlib.suppress(Malformed):
            assert len(block(rng.randbytes(size), 8192)) <= 8192


@pytest.mark.parametrize(
    ("block", "data"),
    [
        (codec.zlib_block, zlib.compress(bytes(1 << 20))),
        (codec.xz_block, lzma.compress(bytes(1 << 20))),
        (codec.zstd_block, zstandard.compress(bytes(1 << 20))),
        (codec.lz4_block, lz4.block.compress(bytes(1 << 20), store_size=False)),
        (codec.lzo_block, lzallright.LZOCompressor().compress(bytes(1 << 20))),
    ],
)
def test_a_block_yields_its_limit_and_no_more(block: codec.Block, data: bytes) -> None:
    assert block(data, 1 << 20) == bytes(1 << 20)
    with pytest.raises(Malformed):
        block(data, (1 << 20) - 1)


@pytest.mark.parametrize("block", [codec.zstd_block, codec.lz4_block, codec.lzo_block])
def test_blocks_in_several_threads(block: codec.Block) -> None:
    pack = {
        codec.zstd_block: zstandard.compress,
        codec.lz4_block: lambda data: lz4.block.compress(data, store_size=False),
        codec.lzo_block: lzallright.LZOCompressor().compress,
    }[block]
    contents = [random.Random(n).randbytes(500) * 100 for n in range(40)]
    packed = [pack(data) for data in contents]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda data: block(data, 1 << 17), packed)) == contents


def test_an_lz4_bomb_is_streamed() -> None:
    bomb = memoryview(lz4.frame.compress(bytes(64 << 20)))
    sizes = [len(chunk) for chunk in codec.stream("lz4", bomb)]
    assert sum(sizes) == 64 << 20 and max(sizes) <= 1 << 20


def test_a_zstd_header_that_announces_a_terabyte() -> None:
    frame = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 40) + b"\x01\0\0"
    with pytest.raises(Malformed):
        codec.zstd_block(frame, 8192)
    with pytest.raises(Malformed):
        list(codec.stream("zstd", memoryview(frame)))


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "bzip2", "lz4"])
def test_a_stream_that_ends_early(compression: str) -> None:
    name = compression if compression in SAMPLES else "gzip"
    data = sample(name)
    with pytest.raises(Malformed):
        list(codec.stream(name, memoryview(data[: len(data) // 2])))
