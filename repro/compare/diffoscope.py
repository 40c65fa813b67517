"""The bridge to diffoscope, called as a program on two flat folders of files of the same names.

What it says only explains: it never turns `different` into anything else.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from repro.model.errors import BuildFailed
from repro.system.leash import leashed
from repro.system.run import CommandFailed, run

LEFT, RIGHT = "left", "right"  # the two folders
_REPORT_LIMIT = 256 << 20  # bytes of diffoscope's JSON
_NO_MEMORY = re.compile(rb"out of memory|memoryerror|memory exhausted|cannot allocate memory", re.IGNORECASE)
_NUMBER = re.compile(r"^\d{4,}-")  # what `leaves` puts before a name


class NotExplained(Exception):
    """diffoscope did not explain these files; the message ends the sentence "no text diff: "."""


def version() -> str:
    """The version of the diffoscope that would be run, or `absent`."""
    try:
        return installed("diffoscope")
    except PackageNotFoundError:
        return "absent"


def explain(folder: Path, *, seconds: float, memory: int, limit: int, stop: threading.Event) -> dict[str, str]:
    """What diffoscope says of each file in `folder`'s `left` and `right`, by file name.

    It is killed after `seconds`; each process that it starts may have `memory` bytes. A text is cut after
    `limit` + 1 characters. Raises NotExplained; KeyboardInterrupt when `stop` is set.
    """
    report, temporary = folder / "diffoscope.json", folder / "tmp"
    argv = [
        *(sys.executable, "-W", "ignore", "-m", "diffoscope.main", "--json", str(report), "--no-progress"),
        *("--exclude-directory-metadata=yes", "--fuzzy-threshold", "0"),
        *(str(folder / LEFT), str(folder / RIGHT)),
    ]
    surroundings = {"HOME": str(temporary), "TMPDIR": str(temporary)}
    try:
        temporary.mkdir(exist_ok=True)
        run(leashed(argv, memory=memory), timeout=seconds, ok=(0, 1), limit=1 << 20, env=surroundings, stop=stop)
        nodes = _details(_read(report))
    except CommandFailed as error:
        raise NotExplained(_reason(error)) from error
    except (BuildFailed, OSError) as error:
        raise NotExplained("diffoscope could not be run") from error
    found = {}
    ours = re.compile(
        rf"{re.escape(str(folder))}/(?:(?:{LEFT}|{RIGHT})/\d{{4,}}-)?"
    )  # as programs name files that they complain of
    for node in nodes:
        text = ours.sub("", "\n".join(_lines(node)))
        found[Path(str(node.get("source1", ""))).name] = text[: limit + 1]
    return found


def _reason(error: CommandFailed) -> str:
    if error.done.timed_out:
        return "diffoscope ran out of time"
    return "diffoscope ran out of memory" if _NO_MEMORY.search(error.done.stderr) else "diffoscope failed"


def _read(report: Path) -> dict[str, Any]:
    """diffoscope's report. Raises NotExplained where it is not what it should be."""
    if not report.exists():  # it found no difference
        return {}
    if report.stat().st_size > _REPORT_LIMIT:
        raise NotExplained(f"diffoscope's report is larger than {_REPORT_LIMIT} bytes")
    try:
        found = json.loads(report.read_bytes())
    except (ValueError, RecursionError) as error:
        raise NotExplained("diffoscope's report cannot be read") from error
    return found if isinstance(found, dict) else {}


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
            found += [f"--- {_NUMBER.sub('', str(below.get('source1', '')))}", *_lines(below, depth + 1)]
    return found
