"""What an upgrade kit starts from: the published image of an earlier build, read but not unpacked."""

from __future__ import annotations

import re
from pathlib import Path

from repro import formats
from repro.compare import content
from repro.compare.budget import Budget, Limits
from repro.formats.base import FILE, Content, Member
from repro.formats.disk import Disk
from repro.image.medium import INFO
from repro.image.order import Base
from repro.model.errors import InvalidInput
from repro.store import Store
from repro.system.scratch import scratch

_SQUASHFS = "live/filesystem.squashfs"
_LAYERS = "live/filesystem.module"
_BUILD = re.compile("[0-9a-f]{64}")
_LARGEST = 1 << 16  # bytes of a file that is read for what it says


def read_base(path: Path, store: Store) -> Base:
    """The ISO or USB image at `path` as what a kit upgrades from; its squashfs joins the store.

    Raises InvalidInput where it is none, or was upgraded itself; Inconclusive where it cannot be read.
    """
    files = {member.name: member.content for member in opened_medium(path)[1] if member.content}
    info = INFO.lstrip("/")
    if _SQUASHFS not in files or info not in files:
        raise InvalidInput(f"{path} is no image of repro's", hint="give the .iso or .img of the earlier build")
    if _LAYERS in files:
        raise InvalidInput(f"{path} was upgraded already", hint="give a full image of that build instead")
    words = (
        b"".join(content.decoded(files[info], Budget(Limits()))).decode(errors="replace").split()
        if files[info].size < _LARGEST
        else []
    )
    if len(words) != 3 or not _BUILD.fullmatch(words[2]):
        raise InvalidInput(f"{path} does not say which build it is", hint=f"{INFO} of an image says it")
    with scratch("repro-base-") as folder:
        write_content(files.pop(_SQUASHFS), folder / "squashfs")
        squashfs = store.add_file(folder / "squashfs")
    budget = Budget(Limits())
    medium = tuple(sorted((name, content.digest(each, budget)[1]) for name, each in files.items()))
    return Base(squashfs, medium, words[2])


def opened_medium(path: Path) -> tuple[memoryview, list[Member]]:
    """The bytes of the ISO or USB image at `path`, and the members of the file system that a machine starts from.

    Raises InvalidInput where it cannot be opened, Malformed where it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            view = content.mapped(stream)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    container = formats.opened(view)
    members = list(container.members()) if container else []
    if container and container.format == Disk.format:
        inside = [member.content.view() for member in members if member.content]
        systems = [formats.opened(part) for part in inside if part is not None]
        members = [member for system in systems if system for member in system.members()]
    return view, [member for member in members if member.kind == FILE]


def write_content(data: Content, path: Path) -> None:
    """Copy the bytes of a member to the file `path`. Raises Malformed, LimitReached, OSError."""
    with open(path, "wb") as target:
        target.writelines(content.decoded(data, Budget(Limits())))
