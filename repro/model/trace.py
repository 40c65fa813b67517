"""`repro/trace/v1`: which program wrote each file of a root tree last, and by whom it was started."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro.model import reading
from repro.model.errors import InvalidInput
from repro.model.reading import count, duration, one_of, rows, table, text
from repro.model.text import canonical_json

SCHEMA = "repro/trace/v1"
FILE = "trace.json"  # in the output folder
READS = ("clock", "listing", "random", "uname")
_SCRIPT = re.compile(r"(?:^|/)var/lib/dpkg/(?:info|tmp\.ci)/([^/ ]+\.)?(preinst|postinst|prerm|postrm)\b")
_INTERPRETER = re.compile(r"(?:.*/)?(?:(?:ba|da)?sh|perl|python)(?:[\d.]*)")
_PATH = re.compile(r"[\w.+:/-]*/[\w.+:-]+")
_DEEPEST = 1000


@dataclass(frozen=True)
class Process:
    """A program that ran: its command line, the index of who started it (None: we did, and `command` says what for),
    and what it asked for: the time of day, the listing of a folder, randomness, uname."""

    parent: int | None
    command: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Trace:
    """The trace of one build of `recipe`. `files`: by path, the index of the process that wrote it last; `calls`: how
    many system calls were looked at, which held the build up for `spent` seconds of the `seconds` that it took."""

    recipe: str
    processes: tuple[Process, ...]
    files: Mapping[str, int]
    calls: int
    spent: float
    seconds: float

    def chain(self, path: str) -> tuple[Process, ...]:
        """Who wrote `path` last, who started that, and so on up to what we started; empty where nobody was seen."""
        found: list[Process] = []
        at = self.files.get(path.lstrip("/"))
        while at is not None and len(found) < _DEEPEST:
            found.append(self.processes[at])
            at = self.processes[at].parent
        return tuple(found)

    def asked(self, path: str) -> dict[str, str]:
        """What the program that wrote `path` last asked for, or a program that it started: what, and which program."""
        writer = self.files.get(path.lstrip("/"))
        found: dict[str, str] = {}
        if writer is None:
            return found
        below = {writer}
        for number in range(writer, len(self.processes)):
            process = self.processes[number]
            if process.parent in below or number == writer:
                below.add(number)
                for what in process.reads:
                    found.setdefault(what, named(process))
        return found


def writers(chain: tuple[Process, ...]) -> tuple[str, ...]:
    """`chain` for people: each program by a few words, up to the maintainer script or the hook that began it."""
    said: list[str] = []
    for process in chain:
        name = named(process)
        if process.parent is None and said and name.removeprefix("hook ") == said[-1]:
            said.pop()  # the program that runs a hook is the hook
        if name not in ("env", "chroot", *said[-1:]):
            said.append(name)
        if _SCRIPT.search(process.command):
            break
    return tuple(said)


def named(process: Process) -> str:
    """A program by its name and what it was told to do, a maintainer script as `PACKAGE.postinst`, what interprets a
    script left out."""
    if process.parent is None:
        return process.command
    if script := _SCRIPT.search(process.command):
        package = (script[1] or "").rstrip(".").partition(":")[0]
        triggered = " (triggered)" if process.command[script.end() :].split()[:1] == ["triggered"] else ""
        return f"{package}.{script[2]}{triggered}".lstrip(".")
    words = process.command.split(" ")
    if _INTERPRETER.fullmatch(words[0]):
        at = next((number for number, word in enumerate(words[1:], 1) if not word.startswith("-")), 0)
        words = words[at:] if _PATH.fullmatch(words[at]) else words
    told = words[1:2] if len(words) > 1 and re.fullmatch(r"[a-z][a-z-]*", words[1]) else []
    return " ".join((words[0].rpartition("/")[2], *told))[:60]


def made(raw: bytes, recipe: str, seconds: float) -> Trace:
    """The trace of what the tracer wrote down in `raw`."""
    found = json.loads(raw)
    processes = tuple(Process(run["parent"], run["command"], tuple(sorted(run["reads"]))) for run in found["runs"])
    return Trace(recipe, processes, found["files"], found["calls"], found["spent"], seconds)


def encode(trace: Trace) -> bytes:
    """The document, with an end of line."""
    return canonical_json({"schema": SCHEMA, **asdict(trace)}) + b"\n"


def decode(data: bytes, where: str) -> Trace:
    """The inverse of `encode`; `where` names the document in messages. Raises InvalidInput."""
    try:
        raw = reading.document(data, SCHEMA)
        processes = rows(raw["processes"], _process)
        files = {path: count(index) for path, index in table(raw["files"]).items()}
        if any(index >= len(processes) for index in files.values()):
            raise ValueError("a file was written by a process that is not listed")
        if any(each.parent is not None and each.parent >= number for number, each in enumerate(processes)):
            raise ValueError("a process was started by a later one")
        return Trace(
            recipe=text(raw["recipe"]),
            processes=processes,
            files=files,
            calls=count(raw["calls"]),
            spent=duration(raw["spent"]),
            seconds=duration(raw["seconds"]),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", hint="`repro build --trace` writes one") from error
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error


def _process(raw: Any) -> Process:
    parent = None if raw["parent"] is None else count(raw["parent"])
    return Process(parent, text(raw["command"]), rows(raw["reads"], lambda each: one_of(each, READS)))
