"""An artifact: a file that a build publishes, known by name, kind, size and hash."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Artifact:
    """`kind` is `iso`, `squashfs`, `tar`… ; `size` in bytes; `sha256` 64 hex digits of the raw bytes."""

    name: str
    kind: str
    size: int
    sha256: str
