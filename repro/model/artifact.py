"""An artifact: a file that a build publishes, known by name, kind, size and hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repro.model.reading import count, sha256, word
from repro.model.text import printable


@dataclass(frozen=True)
class Artifact:
    """`kind` is `iso`, `squashfs`, `tar`… ; `size` in bytes; `sha256` 64 hex digits of the raw bytes."""

    name: str
    kind: str
    size: int
    sha256: str


def artifact(raw: Any) -> Artifact:
    """The artifact in the JSON value `raw`. Raises one of `reading.WRONG`."""
    return Artifact(file_name(raw["name"]), word(raw["kind"]), count(raw["size"]), sha256(raw["sha256"]))


def file_name(value: Any) -> str:
    """`value`, a file's name without any folder, as a person may safely see it. Raises TypeError or ValueError."""
    name = word(value)
    if name in (".", "..") or "/" in name or printable(name) != name or len(name) > 255:
        raise ValueError(f"{name!r} is not a plain file name")
    return name
