"""The content-addressed store.

    blobs/sha256/ab/abcdef…   whole and verified, mode 0444
    partial/abcdef…           a download under way, named by the hash that it must get; locked by who works on it
    incoming/                 temporary files, locked by who writes them
    quarantine/               blobs whose bytes were found wrong, kept for a look
    stages/                   see repro.store.stages
    in-use                    locked by every process that needs what is here to stay, and by the one that removes

A name below `blobs/` appears by rename after the bytes were hashed and synced, so that a process killed at any
moment leaves only files in `incoming/` and `partial/`: the next run removes the former and resumes the latter.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO

from repro.model.errors import IntegrityFailure, InvalidInput, Unavailable
from repro.store.files import open_locked, publish, remove_abandoned, same_file, writing
from repro.system.hashing import sha256_stream

SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """Some bytes by their SHA-256 (64 hex digits) and size in bytes."""

    sha256: str
    size: int


class Store:
    """The store in the folder `path`, which is made when something is first written. Safe to use from threads and
    from several processes at once."""

    def __init__(self, path: Path) -> None:
        self.root = path
        self._prepared = False
        self._holding, self._held = False, -1
        self._lock = threading.Lock()

    def path(self, sha256: str) -> Path:
        """Where the blob lies, or would lie. Its bytes are not checked: see `open_verified`."""
        if not SHA256.fullmatch(sha256):
            raise InvalidInput(f"{sha256!r} is not a SHA-256")
        return self.root / "blobs" / "sha256" / sha256[:2] / sha256

    def hold(self) -> None:
        """Let nothing be removed from here as long as this object lives; waits while another process removes.

        A store that is not there is held from its making on; one that may not be written is not held.
        """
        self._holding = True
        if self._held < 0:
            with contextlib.suppress(OSError):
                self._held = os.open(self.root / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(self._held, fcntl.LOCK_SH)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody holds the store meanwhile. Raises Unavailable where somebody does, InvalidInput where it cannot be
        written."""
        with writing(self.root):
            self._prepare()
            fd = os.open(self.root / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(fd)
                raise Unavailable(f"another repro is using the store {self.root}", hint="wait for it") from error
        try:
            yield
        finally:
            os.close(fd)

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether a blob of that name (and size) is here; cheap, its bytes are not read."""
        try:
            found = self.path(sha256).lstat()
        except OSError:
            return False
        return size is None or found.st_size == size

    def open(self, sha256: str) -> BufferedReader:
        """The blob for reading, unchecked. Raises Unavailable where it is not here."""
        path = self.path(sha256)
        try:
            return open(path, "rb")
        except FileNotFoundError as error:
            raise Unavailable(f"{sha256} is not in the store", hint="get it with `repro fetch RECIPE`") from error
        except OSError as error:
            raise Unavailable(f"the store cannot be read: {path}: {error.strerror}") from error

    def open_verified(self, sha256: str, size: int | None = None) -> BufferedReader:
        """The blob for reading, at its start, after all its bytes were hashed through this very descriptor.

        Raises Unavailable where it is not here, IntegrityFailure where its bytes are wrong; it is then moved to
        `quarantine/`, so that the next fetch gets it anew.
        """
        stream = self.open(sha256)
        try:
            actual = sha256_stream(stream)
            length = stream.tell()
        except OSError as error:
            stream.close()
            raise Unavailable(f"the store cannot be read: {self.path(sha256)}: {error.strerror}") from error
        if actual == sha256 and (size is None or size == length):
            stream.seek(0)
            return stream
        where = ""
        if actual != sha256:
            where = self._quarantine(sha256, stream.fileno())
        stream.close()
        raise IntegrityFailure(
            f"the stored blob {sha256} holds {length} bytes with the hash {actual}"
            + (f"; expected {size} bytes" if size not in (None, length) else "")
            + where,
            hint="fetch it again; if this recurs, suspect the disk or the memory of this machine",
        )

    def read(self, sha256: str, size: int | None = None) -> bytes:
        """All bytes of a (small) blob, verified. Raises as `open_verified` does."""
        with self.open_verified(sha256, size) as stream:
            return stream.read()

    def add_stream(self, stream: IO[bytes], *, sha256: str | None = None, size: int | None = None) -> Blob:
        """Keep what is left in `stream`; where `sha256` or `size` is given, only if it has them.

        Raises IntegrityFailure where it has not (no more than `size` + 1 bytes are then read, nothing is kept),
        Unavailable where there is no room, InvalidInput where the store cannot be written.
        """
        with writing(self.root), self._incoming() as (fd, temporary):
            digest, length = hashlib.sha256(), 0
            while chunk := stream.read(_CHUNK if size is None else min(_CHUNK, size + 1 - length)):
                _write(fd, chunk)
                digest.update(chunk)
                length += len(chunk)
            blob = Blob(digest.hexdigest(), length)
            if (sha256 or blob.sha256) != blob.sha256 or (length if size is None else size) != length:
                raise IntegrityFailure(
                    f"expected {sha256 or 'any hash'}{'' if size is None else f' of {size} bytes'}, "
                    f"got {blob.sha256} of {'more' if size is not None and length > size else length} bytes"
                )
            publish(fd, temporary, self.path(blob.sha256))
            return blob

    def add_bytes(self, data: bytes, *, sha256: str | None = None) -> Blob:
        """Keep `data`. Raises as `add_stream` does."""
        return self.add_stream(io.BytesIO(data), sha256=sha256)

    def add_file(self, path: Path, *, sha256: str | None = None) -> Blob:
        """Keep a copy of the file at `path`. Raises as `add_stream` does, OSError where `path` cannot be read."""
        with open(path, "rb") as stream:
            return self.add_stream(stream, sha256=sha256)

    @contextmanager
    def partial(self, sha256: str) -> Iterator[Partial]:
        """The download of `sha256`, for this caller alone; waits while another process or thread is at it.

        Unless `commit` was called, what was written stays for the next one to resume; an empty file is removed.
        """
        target = self.path(sha256)
        with writing(self.root):
            self._prepare()
            path = self.root / "partial" / sha256
            fd = open_locked(path)
        partial = Partial(self.root, path, target, fd)
        try:
            yield partial
        finally:
            if not partial.committed and (partial.size == 0 or target.exists()):
                with contextlib.suppress(OSError):
                    path.unlink()
            os.close(fd)

    def blobs(self) -> Iterator[Blob]:
        """Every blob by name and stored size, in order of its hash; bytes are not read."""
        folder = self.root / "blobs" / "sha256"
        for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*")):
            if SHA256.fullmatch(path.name):
                yield Blob(path.name, path.lstat().st_size)

    def _quarantine(self, sha256: str, fd: int) -> str:
        """Move the blob open as `fd` aside, unless a good one took its place meanwhile; how it went, for a message."""
        path = self.path(sha256)
        try:
            if not same_file(fd, path):
                return ""
            self._prepare()
            aside = self.root / "quarantine" / f"{sha256}.{uuid.uuid4().hex[:8]}"
            os.replace(path, aside)
            return f"; moved to {aside}"
        except OSError as error:
            return f"; it could not be moved aside ({error.strerror})"

    @contextmanager
    def _incoming(self) -> Iterator[tuple[int, Path]]:
        self._prepare()
        path = self.root / "incoming" / uuid.uuid4().hex
        fd = open_locked(path)
        try:
            yield fd, path
        finally:
            path.unlink(missing_ok=True)
            os.close(fd)

    def _prepare(self) -> None:
        """Make the folders, and remove what processes that died left in `incoming/`; once a store object."""
        with self._lock:
            if self._prepared:
                return
            for name in ("blobs/sha256", "partial", "incoming", "quarantine", "stages"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            if self._holding:
                self.hold()
            remove_abandoned(self.root / "incoming")
            self._prepared = True


class Partial:
    """A download under way: `size` bytes are here already. Made by `Store.partial`, which holds its lock."""

    def __init__(self, root: Path, path: Path, target: Path, fd: int) -> None:
        self._root, self._path, self._target, self._fd = root, path, target, fd
        self.size = os.fstat(fd).st_size
        self.committed = False

    def append(self, data: bytes) -> None:
        """Add `data` at the end. Raises Unavailable where there is no room; what came before is kept."""
        with writing(self._root):
            os.lseek(self._fd, self.size, os.SEEK_SET)
            _write(self._fd, data)
            self.size += len(data)

    def restart(self) -> None:
        """Forget what is here."""
        with writing(self._root):
            os.ftruncate(self._fd, 0)
            self.size = 0

    def commit(self) -> str:
        """Keep it as a blob if its bytes are those that its name promises; the SHA-256 that they have."""
        with writing(self._root):
            os.lseek(self._fd, 0, os.SEEK_SET)
            with open(os.dup(self._fd), "rb") as stream:
                actual = sha256_stream(stream)
            if actual == self._target.name:
                publish(self._fd, self._path, self._target)
                self.committed = True
            return actual


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
