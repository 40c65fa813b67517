"""The answers of `/mr/…`, snapshot.debian.org's machine-readable interface, and of metasnap's `/cgi-bin/api`.

Sources: the file API in the repository of snapshot.debian.org, and what debsnap and debootsnap of devscripts read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from debian.debian_support import Version

from repro.snapshot.server.catalogue import Catalogue, Sum

Answer = dict[str, Any]


class Machine:
    """Questions about a catalogue; each answer is JSON, None where there is nothing of that name."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def timestamps(self, archive: str | None, after: str, before: str) -> Answer:
        """Times of imports by archive, within the bounds."""
        names = [archive] if archive else self._catalogue.archives()
        return {"result": {name: self._catalogue.imports(name, after, before) for name in names}}

    def packages(self) -> Answer:
        """Every source package of which there is something."""
        rows = self._ask("SELECT source FROM sources UNION SELECT source FROM binaries ORDER BY 1")
        return {"result": [{"package": row[0]} for row in rows]}

    def versions(self, source: str) -> Answer | None:
        rows = self._ask(
            "SELECT version FROM sources WHERE source = ? UNION SELECT source_version FROM binaries WHERE source = ?",
            source, source,
        )  # fmt: skip
        versions = sorted((row[0] for row in rows), key=Version, reverse=True)
        return {"package": source, "result": [{"version": version} for version in versions]} if rows else None

    def source_files(self, source: str, version: str, *, info: bool) -> Answer | None:
        hashes = self._sources(source, version)
        if not hashes and not self._binaries(source, version):
            return None
        rows = [{"hash": sha1} for sha1 in hashes]
        return {"package": source, "version": version, "result": rows, **self._info(hashes.values(), info)}

    def binary_packages(self, source: str, version: str) -> Answer | None:
        found = self._binaries(source, version)
        if not found and not self._sources(source, version):
            return None
        names = sorted({(name, binary_version) for name, binary_version, *_ in found})
        rows = [{"name": name, "version": each} for name, each in names]
        return {"package": source, "version": version, "result": rows}

    def all_files(self, source: str, version: str, *, info: bool) -> Answer | None:
        hashes, found = self._sources(source, version), self._binaries(source, version)
        if not hashes and not found:
            return None
        packages: dict[tuple[str, str], list[Answer]] = {}
        for name, binary_version, architecture, sha1, _ in found:
            packages.setdefault((name, binary_version), []).append({"architecture": architecture, "hash": sha1})
        binaries = [{"name": name, "version": each, "files": files} for (name, each), files in packages.items()]
        result = {"source": [{"hash": sha1} for sha1 in hashes], "binaries": binaries}
        every = [*hashes.values(), *(sha256 for *_, sha256 in found)]
        return {"package": source, "version": version, "result": result, **self._info(every, info)}

    def files_of_source(self, source: str, version: str, name: str, binary: str, *, info: bool) -> Answer | None:
        rows = [row for row in self._binaries(source, version) if row[:2] == (name, binary)]
        about = {"package": source, "version": version, "binary": name, "binary_version": binary}
        return {**about, **self._files(rows, info)} if rows else None

    def binary_versions(self, name: str) -> Answer | None:
        rows = self._ask("SELECT DISTINCT source, source_version, name, version FROM binaries WHERE name = ?", name)
        keys = ("source", "version", "name", "binary_version")
        result = [
            dict(zip(keys, row, strict=True)) for row in sorted(rows, key=lambda row: Version(row[3]), reverse=True)
        ]
        return {"binary": name, "result": result} if rows else None

    def files_of_binary(self, name: str, version: str, *, info: bool) -> Answer | None:
        rows = self._ask(f"{_BINARIES} WHERE name = ? AND version = ? ORDER BY 3, 4", name, version)
        return {"binary": name, "binary_version": version, **self._files(rows, info)} if rows else None

    def file_info(self, sha1: str) -> Answer | None:
        found = self._catalogue.by_sha1(sha1)
        return {"hash": sha1, "result": self._places(found)} if found else None

    def ranges(self, archive: str, asked: Sequence[tuple[str, str, str]]) -> tuple[list[str], list[str]]:
        """metasnap's answer for packages as (name, architecture, version): lines `name architecture version suite
        component begin end`, the latter the first and the last import of a run that has it; and the packages, as
        lines, that are in none."""
        lines, missing = [], []
        imports: dict[str, list[str]] = {}
        for name, architecture, version in asked:
            rows = self._ask(
                "SELECT suite, component, timestamp FROM binaries WHERE name = ? AND version = ? AND archive = ? "
                "AND architecture IN (?, 'all') ORDER BY 1, 2, 3", name, version, archive, architecture,
            )  # fmt: skip
            if not rows:
                missing.append(f"{name} {architecture} {version}")
            for suite, component in sorted({(row[0], row[1]) for row in rows}):
                if suite not in imports:
                    imports[suite] = self._imports_of(archive, suite)
                there = {row[2] for row in rows if row[:2] == (suite, component)}
                for begin, end in _runs(imports[suite], there):
                    lines.append(f"{name} {architecture} {version} {suite} {component} {begin} {end}")
        return lines, missing

    def _ask(self, query: str, *values: str) -> list[tuple[str, ...]]:
        return self._catalogue.ask(query, *values)

    def _imports_of(self, archive: str, suite: str) -> list[str]:
        query = "SELECT DISTINCT timestamp FROM binaries WHERE archive = ? AND suite = ? ORDER BY 1"
        return [row[0] for row in self._ask(query, archive, suite)]

    def _sources(self, source: str, version: str) -> dict[str, str]:
        """SHA-256 by SHA-1 of the files of a source package."""
        rows = self._ask(
            "SELECT DISTINCT sha1, sha256 FROM sources JOIN blobs USING (sha256) WHERE source = ? AND version = ? "
            "ORDER BY 1", source, version,
        )  # fmt: skip
        return {row[0]: row[1] for row in rows}

    def _binaries(self, source: str, version: str) -> list[tuple[str, ...]]:
        return self._ask(f"{_BINARIES} WHERE source = ? AND source_version = ? ORDER BY 1, 2, 3, 4", source, version)

    def _files(self, rows: Sequence[tuple[str, ...]], info: bool) -> Answer:
        result = [{"hash": sha1, "architecture": architecture} for _, _, architecture, sha1, _ in rows]
        return {"result": result, **self._info([row[4] for row in rows], info)}

    def _info(self, hashes: Iterable[str], info: bool) -> Answer:
        if not info:
            return {}
        sums = [self._catalogue.sum(sha256) for sha256 in dict.fromkeys(hashes)]
        return {"fileinfo": {each.sha1: self._places(each) for each in sums if each}}

    def _places(self, each: Sum) -> list[Answer]:
        rows = []
        for place in self._catalogue.places(each.sha256):
            folder, _, name = place.path.rpartition("/")
            about = {"name": name, "archive_name": place.archive, "path": f"/{folder}", "size": each.size}
            rows.append({**about, "first_seen": place.timestamp})
        return rows


_BINARIES = "SELECT DISTINCT name, version, architecture, sha1, sha256 FROM binaries JOIN blobs USING (sha256)"


def _runs(imports: Sequence[str], there: Collection[str]) -> list[tuple[str, str]]:
    """First and last of each run of `imports` that are among those `there`."""
    runs: list[tuple[str, str]] = []
    before = False
    for stamp in imports:
        if stamp in there and before:
            runs[-1] = (runs[-1][0], stamp)
        elif stamp in there:
            runs.append((stamp, stamp))
        before = stamp in there
    return runs
