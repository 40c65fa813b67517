"""`recipe.lock`: every .deb of image and toolchain, with hash and origin. Nothing else is ever installed.

The file is TOML with one package a line, sorted, so that a change reads as a line diff.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from repro.model import reading
from repro.model.errors import InvalidInput

SCHEMA = "repro/lock/v1"
_FIELDS = {
    "name": re.compile(r"[a-z0-9][a-z0-9+.-]+"),
    "version": re.compile(r"[A-Za-z0-9.+:~-]+"),
    "arch": re.compile(r"[a-z0-9-]+"),
    "source": re.compile(r"[a-z0-9][a-z0-9+.-]+ [A-Za-z0-9.+:~-]+"),
    "path": re.compile(r"[A-Za-z0-9_.+~%:-]+(/[A-Za-z0-9_.+~%:-]+)*"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "pin": re.compile(r"[A-Za-z0-9._+-]+/[A-Za-z0-9./+_-]+"),
}


@dataclass(frozen=True)
class LockedPackage:
    """One .deb: `source` is `name version` of its source package, `path` is relative to the archive's root,
    `size` in bytes, `pin` the name of the pin (`debian/bookworm`) whose Packages index names it."""

    name: str
    version: str
    arch: str
    source: str
    path: str
    size: int
    sha256: str
    pin: str


@dataclass(frozen=True)
class LockedIndex:
    """A Packages index of a pin, as the InRelease names it: `path` below `dists/SUITE/`, of the uncompressed
    file; `sha256` and `size` are of the uncompressed bytes."""

    pin: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Lock:
    """What one recipe installs. `inputs` is the digest of what the closure was resolved from (packages asked
    for and pins), so that staleness shows without resolving again. `image` and `toolchain` are sorted by name."""

    recipe: str
    inputs: str
    source_date_epoch: int
    indexes: tuple[LockedIndex, ...]
    image: tuple[LockedPackage, ...]
    toolchain: tuple[LockedPackage, ...]

    @property
    def packages(self) -> tuple[LockedPackage, ...]:
        """Image and toolchain together, each .deb once."""
        return tuple({p.sha256: p for p in (*self.image, *self.toolchain)}.values())


def encode(lock: Lock) -> str:
    """`lock` as text, the inverse of `decode`."""
    lines = [
        "# Written by `repro lock`; review it as a diff, never edit it by hand.",
        f'schema = "{SCHEMA}"',
        f'recipe = "{lock.recipe}"',
        f'inputs = "{lock.inputs}"',
        f"source_date_epoch = {lock.source_date_epoch}",
        *_section("indexes", [(i.pin, i.path, i) for i in lock.indexes]),
        *_section("image", [(p.name, p.arch, p) for p in lock.image]),
        *_section("toolchain", [(p.name, p.arch, p) for p in lock.toolchain]),
    ]
    return "\n".join(lines) + "\n"


def digest(lock: Lock) -> str:
    """SHA-256 of `lock` as it is written."""
    return hashlib.sha256(encode(lock).encode()).hexdigest()


def _section(title: str, rows: list[tuple[str, str, Any]]) -> list[str]:
    ordered = sorted(rows, key=lambda row: row[:2])
    return [f"{title} = [", *(f"  {{ {_inline(row[2])} }}," for row in ordered), "]"]


def _inline(record: LockedPackage | LockedIndex) -> str:
    pairs = vars(record).items()
    return ", ".join(f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"' for key, value in pairs)


def decode(text: str, where: str) -> Lock:
    """The lock written in `text`; `where` names the file in messages.

    Raises InvalidInput with the line or the key that is wrong.
    """
    raw = reading.toml(text, SCHEMA, where, hint="write it again with `repro lock`")
    try:
        return Lock(
            recipe=_checked(raw, "recipe", re.compile(r"[a-z0-9][a-z0-9-]*"), where),
            inputs=_checked(raw, "inputs", _FIELDS["sha256"], where),
            source_date_epoch=_number(raw, "source_date_epoch", where),
            indexes=tuple(_index(row, f"{where}: indexes[{n}]") for n, row in enumerate(raw["indexes"])),
            image=tuple(_package(row, f"{where}: image[{n}]") for n, row in enumerate(raw["image"])),
            toolchain=tuple(_package(row, f"{where}: toolchain[{n}]") for n, row in enumerate(raw["toolchain"])),
        )
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"{where}: missing or misplaced key {error}") from error


def _package(row: dict[str, Any], where: str) -> LockedPackage:
    texts = {key: _checked(row, key, pattern, where) for key, pattern in _FIELDS.items()}
    if ".." in texts["path"].split("/"):
        raise InvalidInput(f"{where}: key path: {texts['path']!r} leaves the archive")
    return LockedPackage(size=_number(row, "size", where), **texts)


def _index(row: dict[str, Any], where: str) -> LockedIndex:
    texts = {key: _checked(row, key, _FIELDS[key], where) for key in ("pin", "path", "sha256")}
    return LockedIndex(size=_number(row, "size", where), **texts)


def _checked(row: dict[str, Any], key: str, pattern: re.Pattern[str], where: str) -> str:
    value = row[key]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidInput(f"{where}: key {key}: {value!r} is not valid (expected {pattern.pattern})")
    return value


def _number(row: dict[str, Any], key: str, where: str) -> int:
    value = row[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(f"{where}: key {key}: {value!r} is not a number")
    return value
