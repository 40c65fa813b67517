"""SHA-256 of files, streamed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO


def sha256_stream(stream: IO[bytes]) -> str:
    """SHA-256 of what is left in `stream`, as 64 hex digits."""
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of the file at `path`. Raises OSError where it cannot be read."""
    with open(path, "rb") as stream:
        return sha256_stream(stream)
