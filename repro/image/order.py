"""What is to be built: a recipe with its files and lock, in one environment; and the ids of the stages to it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import repro.image
import repro.sandbox
from repro.image.stages import KIT, needed
from repro.model.errors import InvalidInput
from repro.model.lock import Lock
from repro.model.recipe import Recipe
from repro.model.text import canonical_json
from repro.sandbox.environment import Environment
from repro.store import Blob


@dataclass(frozen=True)
class TreeFile:
    """A file of an overlay, or a hook: `path` relative to the root, its `data`, or the `target` of a link."""

    path: str
    data: bytes
    executable: bool
    target: str = ""

    def digest(self) -> list[str]:
        return [self.path, hashlib.sha256(self.data).hexdigest(), str(self.executable), self.target]


@dataclass(frozen=True)
class Base:
    """The image that a kit upgrades from: its squashfs, the SHA-256 of each other file of its medium by path, and the
    id of its `build`."""

    squashfs: Blob
    medium: tuple[tuple[str, str], ...]
    build: str


@dataclass(frozen=True)
class Order:
    """One image to build. `index` is the Packages file of exactly the image's packages.

    `outputs` are the artifacts that are wanted (empty: those that the recipe publishes), `base` what a kit among them
    upgrades from.

    `repeat` tells builds apart that differ in nothing else, and are made each for itself; `until` is the last stage
    that is wanted (empty: all that the recipe's outputs need). `without` names normalizers that are switched off; with
    `trace` it is taken down who wrote what in the tree, which changes no bit and no id.
    """

    recipe: Recipe
    lock: Lock
    index: bytes
    overlay: tuple[TreeFile, ...]
    hooks: tuple[TreeFile, ...]
    repeat: int = 0
    until: str = ""
    without: frozenset[str] = frozenset()
    trace: bool = False
    outputs: tuple[str, ...] = ()
    base: Base | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The artifacts to make, in the order in which they are asked for."""
        return self.outputs or self.recipe.outputs

    @property
    def build_id(self) -> str:
        """What this image is built of, as 64 hex digits: the same whatever the surroundings; names and serials of its
        media follow from it."""
        packages = [package.sha256 for package in self.lock.image]
        return _digest([self.recipe_sha256, self.lock.source_date_epoch, packages])

    @property
    def recipe_sha256(self) -> str:
        """Digest of all that a person wrote: recipe, overlay and hooks."""
        files = [[file.digest() for file in group] for group in (self.overlay, self.hooks)]
        return _digest([self.recipe.material(), files])

    @property
    def toolchain_sha256(self) -> str:
        """Digest of the toolchain's packages."""
        return _digest([package.sha256 for package in self.lock.toolchain])

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages to do, in order."""
        stages = needed(self.wanted)
        return stages[: stages.index(self.until) + 1] if self.until else stages

    def stage_ids(self, environment: Environment) -> dict[str, str]:
        """For each stage the SHA-256 over everything that goes into it: inputs, tools, environment, our own code."""
        material = {
            "lock": [package.sha256 for package in self.lock.image],
            "index": hashlib.sha256(self.index).hexdigest(),
            "recipe": self.recipe_sha256,
            "toolchain": self.toolchain_sha256,
            "environment": environment.facts(),
            "program": program_digest(),
            **({"repeat": self.repeat} if self.repeat else {}),
            **({"without": sorted(self.without)} if self.without else {}),
        }
        based = {**material, "base": asdict(self.base)} if self.base else material
        return {stage: _digest([stage, based if stage == KIT else material]) for stage in self.stages}


@cache
def program_digest() -> str:
    """SHA-256 over the source of the rooms whose code reaches the bits."""
    digest = hashlib.sha256()
    for room in (repro.sandbox, repro.image):
        folder = Path(str(room.__file__)).parent
        for path in sorted(folder.glob("*.py")):
            digest.update(f"{folder.name}/{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()


def read_tree(folder: Path) -> tuple[TreeFile, ...]:
    """Every file and link below `folder`, sorted by path; nothing where there is no such folder.

    Of a file's mode only whether its owner may execute it counts, as in git.
    Raises InvalidInput for anything that is neither file, folder nor link, or cannot be read.
    """
    try:
        return tuple(sorted(_tree_files(folder), key=lambda file: file.path)) if folder.exists() else ()
    except OSError as error:
        raise InvalidInput(f"{error.filename or folder}: {error.strerror}") from error


def _tree_files(folder: Path) -> Iterator[TreeFile]:
    for parent, folders, files in os.walk(folder, onerror=_fail):
        for name in (*files, *(entry for entry in folders if os.path.islink(os.path.join(parent, entry)))):
            path = Path(parent, name)
            relative = str(path.relative_to(folder))
            if path.is_symlink():
                yield TreeFile(relative, b"", False, os.readlink(path))
            elif path.is_file():
                yield TreeFile(relative, path.read_bytes(), bool(path.stat().st_mode & 0o100))
            else:
                raise InvalidInput(f"{path}: neither a file nor a link")


def _fail(error: OSError) -> None:
    raise error


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()
