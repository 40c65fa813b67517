"""The bridge to diffoscope, called as a program on flat folders of the leaves that diverge, and on nothing else.

What it says only explains: it never turns `different` into anything else, and what it could not explain is noted.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from repro.compare.budget import Limits
from repro.compare.findings import Findings, Location
from repro.model.errors import BuildFailed
from repro.system.run import CommandFailed, run

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")
_REPORT_LIMIT = 64 << 20  # bytes of diffoscope's JSON
_LONGEST = 3600.0  # seconds, where nobody set a limit
_LINES = 60  # of one diff


def version() -> str:
    """The version of the diffoscope that would be run, or `absent`."""
    try:
        return installed("diffoscope")
    except PackageNotFoundError:
        return "absent"


class Leaves:
    """The pairs of files to explain, written to two flat folders in `scratch` as they are found."""

    def __init__(self, scratch: Path, limits: Limits, findings: Findings) -> None:
        self._folders = scratch / "left", scratch / "right"
        self._report = scratch / "diffoscope.json"
        self._limits, self._findings = limits, findings
        self._places: dict[str, Location] = {}
        self._temporary = scratch / "tmp"
        for folder in (*self._folders, self._temporary):
            folder.mkdir()

    @property
    def count(self) -> int:
        """How many pairs there are to explain."""
        return len(self._places)

    def add(self, location: Location, left: memoryview, right: memoryview) -> None:
        """Keep a copy of a diverging leaf, or note why it will not be explained."""
        if self.count >= self._limits.leaves:
            self._findings.unexamined(location, f"no text diff: more than {self._limits.leaves} files differ")
            return
        if max(len(left), len(right)) > self._limits.leaf:
            self._findings.unexamined(location, f"no text diff: larger than {self._limits.leaf} bytes")
            return
        base = location[-1].rsplit("/", 1)[-1] if location else "artifact"
        name = f"{self.count:04d}-{_UNSAFE.sub('_', base)[-80:]}"
        try:
            for folder, view in zip(self._folders, (left, right), strict=True):
                (folder / name).write_bytes(view)
        except OSError as error:
            self._findings.unexamined(location, f"no text diff: {error.strerror}")
            return
        self._places[name] = location

    def explain(self, seconds: float) -> dict[Location, str]:
        """diffoscope's text by location; what it could not do within `seconds` is noted."""
        if not self._places:
            return {}
        try:
            report = self._run(min(max(seconds, 0.1), _LONGEST))
        except BuildFailed as error:
            timed_out = isinstance(error, CommandFailed) and error.done.timed_out
            reason = "diffoscope ran out of time" if timed_out else "diffoscope failed"
            return self._without(self._places.values(), reason)
        found: dict[Location, str] = {}
        for node in _details(report):
            place = self._places.get(Path(str(node.get("source1", ""))).name)
            if place is not None:
                found[place] = self._text(place, node)
        missing = [place for place in self._places.values() if place not in found]
        self._without(missing, "diffoscope had nothing to say")
        return found

    def _without(self, places: Any, reason: str) -> dict[Location, str]:
        for place in places:
            self._findings.unexamined(place, f"no text diff: {reason}")
        return {}

    def _run(self, seconds: float) -> dict[str, Any]:
        argv = [
            *(sys.executable, "-m", "diffoscope.main", "--json", str(self._report), "--no-progress"),
            *("--exclude-directory-metadata=yes", "--fuzzy-threshold", "0", "--max-diff-block-lines", str(_LINES)),
            # its own time-out ends with what it has, before ours kills it
            *("--timeout", str(max(1, int(seconds * 0.8)))),
            *map(str, self._folders),
        ]
        surroundings = {"HOME": str(self._temporary), "TMPDIR": str(self._temporary)}
        run(argv, timeout=seconds, ok=(0, 1), limit=1 << 20, env=surroundings)
        try:
            if self._report.stat().st_size > _REPORT_LIMIT:
                raise BuildFailed(f"diffoscope's report is larger than {_REPORT_LIMIT} bytes")
            report = json.loads(self._report.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise BuildFailed(f"diffoscope's report cannot be read: {error}") from error
        return report if isinstance(report, dict) else {}

    def _text(self, place: Location, node: dict[str, Any]) -> str:
        text = "\n".join(_lines(node))
        if len(text) > self._limits.text:
            self._findings.unexamined(place, f"text diff cut at {self._limits.text} characters")
            text = text[: self._limits.text] + "…"
        return text


def _details(node: dict[str, Any]) -> list[dict[str, Any]]:
    details = node.get("details") or []
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _lines(node: dict[str, Any], depth: int = 0) -> list[str]:
    """A node's comments and diff, then those of the nodes below it, under their names."""
    found = [str(comment) for comment in node.get("comments") or []]
    if node.get("unified_diff"):
        found.append(str(node["unified_diff"]).rstrip("\n"))
    if depth < 20:
        for below in _details(node):
            found += [f"--- {below.get('source1', '')}", *_lines(below, depth + 1)]
    return found
