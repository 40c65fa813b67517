"""Digests of files, streamed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BufferedIOBase
from pathlib import Path

_BUFFER = 8 << 20  # bytes read at a time; between two of them a busy thread may keep the interpreter for 5 ms


def sha256_stream(stream: BufferedIOBase) -> str:
    """SHA-256 of what is left in `stream`, as 64 hex digits."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_BUFFER))
    while size := stream.readinto(buffer):
        digest.update(buffer[:size])
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of the file at `path`. Raises OSError where it cannot be read."""
    with open(path, "rb") as stream:
        return sha256_stream(stream)


def digests_of(path: Path, algorithms: Sequence[str]) -> dict[str, str]:
    """Hex digests of the file at `path` by the names of `algorithms`, in one reading. Raises OSError."""
    found = {name: hashlib.new(name) for name in algorithms}
    buffer = memoryview(bytearray(_BUFFER))
    with open(path, "rb") as stream:
        while size := stream.readinto(buffer):
            for digest in found.values():
                digest.update(buffer[:size])
    return {name: digest.hexdigest() for name, digest in found.items()}
