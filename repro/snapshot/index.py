"""Package indexes of a pin: fetched compressed, kept uncompressed, each form held against the Release."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Sequence
from typing import IO, cast

from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.pin import Pin
from repro.snapshot.fetcher import BlobStore, Fetched, Fetcher
from repro.snapshot.release import Entry, Release
from repro.snapshot.sources import Wanted, wanted_suite_file
from repro.system.progress import Observer

LARGEST = 1 << 30  # bytes: the uncompressed Packages of sid main are about 60 MB


def packages_path(component: str, architecture: str) -> str:
    """Where the Packages index lies below `dists/SUITE/`, uncompressed: `main/binary-amd64/Packages`."""
    return f"{component}/binary-{architecture}/Packages"


def index_entry(pin: Pin, release: Release, path: str) -> Entry:
    """What `release` says of the uncompressed index at `path`.

    Raises InvalidInput where the suite has no such index, or it is larger than LARGEST.
    """
    entry = release.entries.get(path)
    if entry is None:
        raise InvalidInput(f"{pin.name} has no {path}", hint="check the pin's components and architectures")
    if entry.size > LARGEST:
        raise InvalidInput(f"{pin.name}: {path} is {entry.size} bytes large, more than {LARGEST}")
    return entry


def wanted_index(pin: Pin, release: Release, path: str) -> Wanted:
    """The compressed form of the index at `path` to be fetched: .xz where there is one, else .gz, else plain."""
    for suffix in (".xz", ".gz", ""):
        if entry := release.entries.get(path + suffix):
            return wanted_suite_file(pin, entry.path, entry.size, entry.sha256)
    raise InvalidInput(f"{pin.name} has no {path}", hint="check the pin's components and architectures")


def fetch_index(pin: Pin, release: Release, path: str, fetcher: Fetcher, observer: Observer) -> Entry:
    """Have the uncompressed index at `path` in the store; its path, size and SHA-256 as the Release states them.

    Raises as `index_entry` and `Fetcher.ensure` do, and IntegrityFailure where unpacking gives other bytes.
    """
    return fetch_indexes([(pin, release, path)], fetcher, observer)[0][0]


def fetch_indexes(
    indexes: Sequence[tuple[Pin, Release, str]], fetcher: Fetcher, observer: Observer, others: Sequence[Wanted] = ()
) -> tuple[list[Entry], Fetched]:
    """As `fetch_index`, for several at once, and `others` together with them; the second result counts both."""
    entries = [index_entry(*index) for index in indexes]
    missing = [
        (entry, wanted_index(*index))
        for index, entry in zip(indexes, entries, strict=True)
        if not fetcher.store.has(entry.sha256, entry.size)
    ]
    fetched = fetcher.ensure([*(wanted for _, wanted in missing), *others], observer)
    for entry, wanted in missing:
        unpack_index(entry, wanted, fetcher.store)
    return entries, fetched


def unpack_index(entry: Entry, wanted: Wanted, store: BlobStore) -> None:
    """Unpack the fetched blob `wanted` into the blob that `entry` names; no more than `entry.size` bytes are made."""
    with store.open_verified(wanted.sha256, wanted.size) as packed:
        try:
            store.add_stream(_unpacked(wanted, packed), sha256=entry.sha256, size=entry.size)
        except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, EOFError) as error:
            raise IntegrityFailure(f"{wanted.label} has the right hash and cannot be unpacked: {error}") from error


def _unpacked(wanted: Wanted, packed: IO[bytes]) -> IO[bytes]:
    if wanted.label.endswith(".xz"):
        return cast(IO[bytes], lzma.LZMAFile(packed))
    if wanted.label.endswith(".gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    return packed
