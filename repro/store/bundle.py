"""The closure of locks as one file, from one store to another: a tar whose bytes follow from its contents alone.

    manifest.json     canonical JSON (repro/export/v1): what the file is for, and the blobs in the order of their hashes
    blobs/SHA256      each of them
    zeros             two blocks, and what fills the last record of 20

Headers are those of POSIX ustar (IEEE Std 1003.1-1988) with mode 0644, owner 0 and time 0, so that any tar can read
the file. It is read back by making each header anew and comparing: nothing in a header is believed.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from repro.model.errors import IntegrityFailure
from repro.model.text import canonical_json
from repro.store.blobs import SHA256, Blob, Store
from repro.system.progress import Observer

SCHEMA = "repro/export/v1"
_MANIFEST = "manifest.json"
_MANIFEST_LIMIT = 64 << 20
_BLOCK, _RECORD = 512, 20 * 512
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Moved:
    """What was written or read: the manifest, the SHA-256 of the file, and how many blobs and bytes were new."""

    manifest: Mapping[str, Any]
    sha256: str
    new: int
    new_bytes: int


def export(
    store: Store, about: Mapping[str, Any], labels: Mapping[Blob, str], target: IO[bytes], observer: Observer
) -> Moved:
    """Write the blobs that `labels` names, with `about` (JSON) in the manifest, to `target`.

    Raises Unavailable where one is not in `store`, IntegrityFailure where it is damaged.
    """
    blobs = sorted(labels, key=lambda blob: blob.sha256)
    rows = [{"sha256": blob.sha256, "size": blob.size, "label": labels[blob]} for blob in blobs]
    manifest = {"schema": SCHEMA, **about, "blobs": rows}
    out = _Hashed(target)
    data = canonical_json(manifest)
    out.write(_header(_MANIFEST, len(data)) + data + bytes(-len(data) % _BLOCK))
    with observer.task("writing the export", sum(blob.size for blob in blobs), unit="bytes") as task:
        for blob in blobs:
            out.write(_header(f"blobs/{blob.sha256}", blob.size))
            with store.open_verified(blob.sha256, blob.size) as stream:
                while chunk := stream.read(_CHUNK):
                    out.write(chunk)
                    task.advance(len(chunk))
            out.write(bytes(-blob.size % _BLOCK))
    out.write(_end(out.length))
    return Moved(manifest, out.sha256, len(blobs), sum(blob.size for blob in blobs))


def bring_in(store: Store, source: IO[bytes], observer: Observer) -> Moved:
    """Add the blobs of an exported file to `store`; those that it has already are read over.

    Raises IntegrityFailure where the file is not exactly what `export` writes; blobs that were whole before that place
    are kept. Raises Unavailable where there is no room.
    """
    stream = _Hashed(source)
    block = stream.take(_BLOCK, "its first header")
    size = _size(block)
    if size is None or size > _MANIFEST_LIMIT or block != _header(_MANIFEST, size):
        raise IntegrityFailure("this is no file of `repro store export`")
    manifest, blobs = _manifest(stream.take(size, _MANIFEST))
    stream.padding(size)
    new: list[Blob] = []
    with observer.task("reading the export", sum(blob.size for blob in blobs), unit="bytes") as task:
        for blob in blobs:
            if stream.take(_BLOCK, blob.sha256) != _header(f"blobs/{blob.sha256}", blob.size):
                raise IntegrityFailure(f"where {blob.sha256} should begin, the file has something else")
            part = _Part(stream, blob.size)
            if store.has(blob.sha256, blob.size):
                while part.read(_CHUNK):
                    pass
            else:
                store.add_stream(part, sha256=blob.sha256, size=blob.size)  # type: ignore[arg-type]  # reads alone
                new.append(blob)
            stream.padding(blob.size)
            task.advance(blob.size)
    end = _end(stream.length)
    if stream.take(len(end), "its end") != end or stream.read(1):
        raise IntegrityFailure("the file goes on after its last blob")
    return Moved(manifest, stream.sha256, len(new), sum(blob.size for blob in new))


class _Hashed:
    """A stream, written or read from its start to its end, hashed on the way."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._digest, self.length = stream, hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self._count(data)

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._count(data)
        return data

    def take(self, size: int, what: str) -> bytes:
        """Exactly `size` bytes. Raises IntegrityFailure where the stream ends before."""
        data = bytearray()
        while len(data) < size:
            chunk = self.read(min(_CHUNK, size - len(data)))
            if not chunk:
                raise IntegrityFailure(f"the file is cut short, in {what}")
            data += chunk
        return bytes(data)

    def padding(self, size: int) -> None:
        if any(self.take(-size % _BLOCK, "what fills a block")):
            raise IntegrityFailure("the file has something where zeros should be")

    def _count(self, data: bytes) -> None:
        self._digest.update(data)
        self.length += len(data)


class _Part:
    """The next `size` bytes of a stream."""

    def __init__(self, stream: _Hashed, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int) -> bytes:
        if not self._left:
            return b""
        data = self._stream.read(min(size, self._left))
        if not data:
            raise IntegrityFailure("the file is cut short, in a blob")
        self._left -= len(data)
        return data


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def _size(block: bytes) -> int | None:
    """The size in a header, which is then made anew from it: twelve bytes of octal digits."""
    try:
        return int(block[124:135], 8)
    except ValueError:
        return None


def _end(length: int) -> bytes:
    """What follows `length` bytes of members."""
    return bytes(2 * _BLOCK + -(length + 2 * _BLOCK) % _RECORD)


def _manifest(data: bytes) -> tuple[Mapping[str, Any], Sequence[Blob]]:
    """Raises IntegrityFailure where `data` is not the canonical form of a manifest."""
    try:
        manifest = json.loads(data)
        blobs = [Blob(row["sha256"], row["size"]) for row in manifest["blobs"]]
        names = [blob.sha256 for blob in blobs]
        good = manifest["schema"] == SCHEMA and canonical_json(manifest) == data and names == sorted(set(names))
        about = all(type(row["recipe"]) is type(row["lock_sha256"]) is str for row in manifest["recipes"])
        if not (good and about and all(_sound(blob) for blob in blobs)):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityFailure(f"{_MANIFEST} of the file is not a {SCHEMA} document") from error
    return manifest, blobs


def _sound(blob: Blob) -> bool:
    whole = type(blob.size) is int and 0 <= blob.size < 1 << 33
    return whole and isinstance(blob.sha256, str) and SHA256.fullmatch(blob.sha256) is not None
