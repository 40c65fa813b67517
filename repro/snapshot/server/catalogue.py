"""What was imported when: archives, their times, the files by path, and which package is what.

One SQLite file beside the blobs. An import adds rows in one transaction; the server only reads. The state of an
archive at a time is, path by path, what the newest import up to that time says: an import of one suite leaves the
others as they were.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from urllib.parse import quote

from repro.model.errors import InvalidInput, Unavailable

NAME = "archive.sqlite"
_VERSION = 1
_BUSY = 10.0  # seconds to wait for another process
_TABLES = """
CREATE TABLE imports (archive TEXT, timestamp TEXT, PRIMARY KEY (archive, timestamp)) WITHOUT ROWID;
CREATE TABLE blobs (sha256 TEXT PRIMARY KEY, sha1 TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX blobs_by_sha1 ON blobs (sha1);
CREATE TABLE files (
    archive TEXT, path TEXT, timestamp TEXT, sha256 TEXT NOT NULL REFERENCES blobs,
    PRIMARY KEY (archive, path, timestamp)
) WITHOUT ROWID;
CREATE INDEX files_by_hash ON files (sha256);
CREATE TABLE binaries (
    name TEXT, version TEXT, architecture TEXT, source TEXT, source_version TEXT, archive TEXT, suite TEXT,
    component TEXT, timestamp TEXT, sha256 TEXT NOT NULL REFERENCES blobs,
    PRIMARY KEY (name, version, architecture, archive, suite, component, timestamp)
) WITHOUT ROWID;
CREATE INDEX binaries_by_source ON binaries (source, source_version);
CREATE TABLE sources (
    source TEXT, version TEXT, archive TEXT, timestamp TEXT, sha256 TEXT NOT NULL REFERENCES blobs,
    PRIMARY KEY (source, version, archive, timestamp, sha256)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Sum:
    """A blob by both of its hashes (hex) and its size in bytes."""

    sha256: str
    sha1: str
    size: int


@dataclass(frozen=True)
class Binary:
    """A .deb, as a Packages index of `suite` and `component` names it."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    suite: str
    component: str
    sha256: str


@dataclass(frozen=True)
class SourceFile:
    """A file of a source package, as a Sources index names it."""

    source: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Import:
    """What one import brings: `files` are SHA-256 by path below the archive's root."""

    archive: str
    timestamp: str
    files: dict[str, str]
    binaries: list[Binary]
    sources: list[SourceFile]


@dataclass(frozen=True)
class Found:
    """A file at a path: the blob, and the time of the import that brought it."""

    sum: Sum
    timestamp: str


@dataclass(frozen=True)
class Place:
    """Where a blob stands first: archive, path below its root, and time of the import."""

    archive: str
    path: str
    timestamp: str


class Catalogue:
    """The catalogue in the folder of a store. Safe to use from threads: each question has a connection of its own."""

    def __init__(self, store: Path) -> None:
        self.path = store / NAME

    def add(self, imports: Iterable[Import], sums: Iterable[Sum]) -> None:
        """Add imports, or replace those that are there, with the sums of all their blobs; all or nothing.

        Raises Unavailable where there is no room or another process writes, InvalidInput where it cannot be written.
        """
        with self._connected(write=True) as database:
            database.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)", map(astuple, sums))
            for each in imports:
                key = (each.archive, each.timestamp)
                database.execute("INSERT OR IGNORE INTO imports VALUES (?, ?)", key)
                rows = ((each.archive, path, each.timestamp, sha256) for path, sha256 in each.files.items())
                database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)
                database.executemany(
                    "INSERT OR REPLACE INTO binaries (name, version, architecture, source, source_version, suite, "
                    "component, sha256, archive, timestamp) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    ((*astuple(binary), *key) for binary in each.binaries),
                )
                database.executemany(
                    "INSERT OR REPLACE INTO sources (source, version, sha256, archive, timestamp) "
                    "VALUES (?, ?, ?, ?, ?)",
                    ((*astuple(source), *key) for source in each.sources),
                )

    def remove(self, archive: str, timestamp: str) -> bool:
        """Forget an import; its blobs stay until the store is tidied. Whether it was there."""
        if not self.path.exists():
            return False
        with self._connected(write=True) as database:
            key = (archive, timestamp)
            for table in ("files", "binaries", "sources"):
                database.execute(f"DELETE FROM {table} WHERE archive = ? AND timestamp = ?", key)
            gone = database.execute("DELETE FROM imports WHERE archive = ? AND timestamp = ?", key).rowcount
            database.execute("DELETE FROM blobs WHERE sha256 NOT IN (SELECT sha256 FROM files)")
            return gone > 0

    def sums(self) -> dict[str, Sum]:
        """Every blob by its SHA-256."""
        return {row[0]: _sum(row) for row in self.ask("SELECT sha256, sha1, size FROM blobs")}

    def archives(self) -> list[str]:
        return [row[0] for row in self.ask("SELECT DISTINCT archive FROM imports ORDER BY archive")]

    def imports(self, archive: str, after: str = "", before: str = "~") -> list[str]:
        """Times of the imports of `archive`, from `after` to `before`, both included."""
        rows = self.ask(
            "SELECT timestamp FROM imports WHERE archive = ? AND timestamp BETWEEN ? AND ? ORDER BY timestamp",
            archive, after, before,
        )  # fmt: skip
        return [row[0] for row in rows]

    def import_at(self, archive: str, timestamp: str) -> str | None:
        """The import of `archive` that a time means: the nearest one up to it."""
        return max(self.imports(archive, before=timestamp), default=None)

    def file(self, archive: str, timestamp: str, path: str) -> Found | None:
        """What lies at `path` of `archive` at `timestamp`."""
        rows = self.ask(
            "SELECT sha256, sha1, size, timestamp FROM files JOIN blobs USING (sha256) "
            "WHERE archive = ? AND path = ? AND timestamp <= ? ORDER BY timestamp DESC LIMIT 1",
            archive, path, timestamp,
        )  # fmt: skip
        return Found(_sum(rows[0]), rows[0][3]) if rows else None

    def listing(self, archive: str, timestamp: str, folder: str) -> list[str]:
        """Names in `folder` (empty for the root, else with a slash at the end); those of folders end in a slash."""
        rows = self.ask(
            "SELECT DISTINCT CASE instr(substr(path, :at), '/') WHEN 0 THEN substr(path, :at) "
            "ELSE substr(path, :at, instr(substr(path, :at), '/')) END AS name FROM files WHERE archive = :archive "
            "AND timestamp <= :timestamp AND substr(path, 1, :at - 1) = :folder ORDER BY name LIMIT 10000",
            at=len(folder) + 1, archive=archive, timestamp=timestamp, folder=folder,
        )  # fmt: skip
        return [row[0] for row in rows]

    def sum(self, sha256: str) -> Sum | None:
        rows = self.ask("SELECT sha256, sha1, size FROM blobs WHERE sha256 = ?", sha256)
        return _sum(rows[0]) if rows else None

    def by_sha1(self, sha1: str) -> Sum | None:
        rows = self.ask("SELECT sha256, sha1, size FROM blobs WHERE sha1 = ? ORDER BY sha256 LIMIT 1", sha1)
        return _sum(rows[0]) if rows else None

    def places(self, sha256: str) -> list[Place]:
        """Every path of a blob in each archive, with the first import that has it there."""
        rows = self.ask(
            "SELECT archive, path, min(timestamp) FROM files WHERE sha256 = ? GROUP BY archive, path ORDER BY 3, 1, 2",
            sha256,
        )
        return [Place(*row) for row in rows]

    def ask(self, query: str, *values: str, **named: str | int) -> list[tuple[str, ...]]:
        """The rows of a SELECT; none where there is no catalogue. Raises Unavailable where it cannot be read."""
        if not self.path.exists():
            return []
        with self._connected() as database:
            return database.execute(query, named or values).fetchall()

    @contextmanager
    def _connected(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if write:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            # also to read: what an import that was killed left half done is rolled back by the next one who may write
            mode = "rwc" if write else "rw" if os.access(self.path, os.W_OK) else "ro"
            address = f"file:{quote(str(self.path))}?mode={mode}"
            with contextlib.closing(sqlite3.connect(address, timeout=_BUSY, uri=True)) as database:
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version == 0 and write:
                    database.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT")
                elif version != _VERSION:
                    raise InvalidInput(
                        f"{self.path} is a catalogue of version {version}, this program reads {_VERSION}",
                        hint="remove it, and import anew: the packages stay in the store",
                    )
                with database:
                    yield database
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"the catalogue {self.path}: {error}") from error


def _sum(row: Sequence[str]) -> Sum:
    return Sum(row[0], row[1], int(row[2]))
