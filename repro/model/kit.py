"""`repro/kit/v1`, the control file of an upgrade kit: from which build to which, and the hash of all that is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro.model import reading
from repro.model.errors import InvalidInput
from repro.model.reading import count, rows, sha256, table, text, word
from repro.model.text import readable_json

SCHEMA = "repro/kit/v1"
CONTROL = "control.json"  # in the kit
SIGNATURE = ".sig"  # behind the name of the kit: of the file that holds the signature over its control file
_PATH = re.compile(r"(?!/)(?!.*(^|/)\.\.?(/|$))[A-Za-z0-9._/+-]+")


@dataclass(frozen=True)
class State:
    """A system by the id of its `build`, and the SHA-256 of the squashfs that a full image of it has."""

    build: str
    squashfs_sha256: str


@dataclass(frozen=True)
class File:
    """A file for the medium: `path` below its root and below `files/` of the kit, `size` in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Control:
    """What a kit of the recipe `name` does: `layer` is the path of the squashfs to be laid over those there are,
    itself one of `files`."""

    name: str
    old: State
    new: State
    layer: str
    files: tuple[File, ...]


def encode(control: Control) -> bytes:
    """`control` as deterministic JSON."""
    return readable_json({"schema": SCHEMA, **asdict(control)})


def decode(data: bytes, where: str) -> Control:
    """The control file in `data`; `where` names it in messages. Raises InvalidInput, also for a path that would leave
    the medium."""
    try:
        raw = reading.document(data, SCHEMA)
        found = Control(
            word(raw["name"]), _state(raw["old"]), _state(raw["new"]), _path(raw["layer"]), rows(raw["files"], _file)
        )
        if found.layer not in {file.path for file in found.files}:
            raise ValueError("the layer is not among the files")
        return found
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}") from error
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a valid {SCHEMA} document: {type(error).__name__}: {error}") from error


def _state(raw: Any) -> State:
    fields: Mapping[str, Any] = table(raw)
    return State(sha256(fields["build"]), sha256(fields["squashfs_sha256"]))


def _file(raw: Any) -> File:
    return File(_path(raw["path"]), count(raw["size"]), sha256(raw["sha256"]))


def _path(value: Any) -> str:
    if not _PATH.fullmatch(text(value)):
        raise ValueError(f"{value!r} is not a path of a medium")
    return text(value)
