"""OCI image layouts in a tar (opencontainers/image-spec, image-layout.md): what buildah and skopeo call oci-archive.

Blobs lie there by their hash, so that no two of different images have the same name. Here each is called by what it is
to the image: manifest, config, first layer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

from repro.formats.base import Content, Malformed, Member
from repro.formats.tar import Tar, is_tar

_BLOBS = "blobs/"
_LARGEST = 1 << 20  # bytes of an index or a manifest
_FIRST = 8  # members by which a layout is told from another tar
_TOP = ("oci-layout", "index.json")


class Oci(Tar):
    """A `Container` on the bytes of such a tar."""

    format: ClassVar[str] = "oci"

    def __init__(self, view: memoryview) -> None:
        super().__init__(view)
        self._roles = dict(_roles(view))

    def members(self) -> Iterator[Member]:
        """Where a blob comes among the others follows from its hash, and says nothing."""
        roles = set(self._roles.values())
        for member in super().members():
            yield member._replace(positions=()) if member.name in roles else member

    def _called(self, name: str) -> str:
        return self._roles.get(name, name)


def is_oci(view: memoryview) -> bool:
    """Whether it is a tar that begins as a layout does."""
    if not is_tar(view):
        return False
    try:
        return any(
            member.name in _TOP or member.name.startswith(_BLOBS) for member in islice(Tar(view).members(), _FIRST)
        )
    except Malformed:
        return False


def _roles(view: memoryview) -> Iterator[tuple[str, str]]:
    """What the blobs of the layout's images are, by their paths; nothing of what does not read as the format says."""
    contents = {member.name: member.content for member in Tar(view).members() if member.content}
    for number, raw in enumerate(_entries(_document(contents.get("index.json")), "manifests"), 1):
        image = "" if number == 1 else f"image {number} "
        yield _blob(raw), f"{_BLOBS}[{image}manifest]"
        manifest = _document(contents.get(_blob(raw)))
        for config in _entries({"config": [manifest.get("config")]}, "config"):
            yield _blob(config), f"{_BLOBS}[{image}config]"
        for layer, described in enumerate(_entries(manifest, "layers"), 1):
            yield _blob(described), f"{_BLOBS}[{image}layer {layer}]"


def _document(content: Content | None) -> dict[str, Any]:
    if content is None or content.size > _LARGEST:
        return {}
    try:
        value = json.loads(b"".join(piece.read() for piece in content.pieces()))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _entries(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = document.get(key)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _blob(descriptor: dict[str, Any]) -> str:
    return _BLOBS + str(descriptor.get("digest", "")).replace(":", "/", 1)
