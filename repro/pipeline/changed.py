"""Which recipes a change can touch: what `verify --changed-since` need not rebuild, and why it may leave it out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import repro
from repro.model import recipe as recipes
from repro.model.errors import InvalidInput
from repro.model.project import Project
from repro.pipeline.reach import Program
from repro.system.git import changed_paths, merge_bases, work_tree

_LINKS = 40  # followed one after another, as many as Linux does
_PARTS = ("recipe.toml", "recipe.lock", "overlay", "hooks", "baseline.toml")


def changed_recipes(project: Project, names: Collection[str], revision: str) -> frozenset[str]:
    """Those of the recipes `names` that the change from the merge base of `revision` and HEAD to the files as they
    lie there can touch; so uncommitted and untracked files count.

    Raises InvalidInput where the project is in no git work tree, or `revision` has no commit in common with HEAD.
    """
    root = os.path.realpath(project.root)
    top = os.path.realpath(work_tree(Path(root)))
    bases = merge_bases(Path(top), revision)
    inputs = {name: _below(top, _inputs(root, project, name)) for name in names}
    programs = {package: Program(Path(top, package)) for package in sorted(_packages(top, root))}
    watched = {path for paths in inputs.values() if paths is not None for path in paths} | {*programs}
    watched |= {_beside(package) for package in programs}
    changed = changed_paths(Path(top), bases, _outermost(watched))
    return touched(changed, inputs, lambda path: _reaches(path, programs))


def touched(
    changed: Collection[str], inputs: Mapping[str, Collection[str] | None], reaches: Callable[[str], bool]
) -> frozenset[str]:
    """The names in `inputs` that a change of the files `changed` can touch.

    `inputs` has the files and folders that belong to each alone, None where they are not known; `reaches` says of a
    file whether it is part of the program that builds all of them.
    """
    if any(map(reaches, changed)):
        return frozenset(inputs)
    files = set(changed)
    folders = {folder for path in files for folder in _lineage(path)}

    def meets(path: str) -> bool:  # something below it changed, or it lies in what is one path to git
        return path in folders or not files.isdisjoint(_lineage(path))

    return frozenset(name for name, own in inputs.items() if own is None or any(map(meets, own)))


def _inputs(root: str, project: Project, name: str) -> Iterator[str]:
    """All that the verdict on the recipe `name` rests on but the program: absolute paths, every link on the way too.

    Raises InvalidInput or OSError where its recipe does not say.
    """
    folder = os.path.join(root, "recipes", name)
    yield from _way(folder)
    for part in _PARTS:
        yield from _way(os.path.join(folder, part))
    yield from _way(os.path.join(root, "reports", f"{name}.json"))
    text = (project.recipes / name / "recipe.toml").read_text(encoding="utf-8")
    pins = os.path.join(root, "snapshots", recipes.decode(name, text, name).pins)
    yield from _way(f"{pins}.toml")
    yield from _way(pins)
    with contextlib.suppress(OSError):  # not there: then nothing in it is a link
        for entry in os.listdir(pins):
            yield from _way(os.path.join(pins, entry))


def _way(path: str) -> Iterator[str]:
    """`path` and, link by link, what it leads to."""
    for _ in range(_LINKS):
        yield path
        parts = path.split("/")
        for number in range(2, len(parts) + 1):
            link = "/".join(parts[:number])
            if os.path.islink(link):
                yield link
                path = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link), *parts[number:]))
                break
        else:
            return
    yield os.path.realpath(path)


def _below(top: str, paths: Iterator[str]) -> frozenset[str] | None:
    """`paths` as seen from `top`; None where one of them is elsewhere, or cannot be told: git knows nothing of it."""
    found = set()
    try:
        for path in paths:
            if path != top and not path.startswith(f"{top.rstrip('/')}/"):
                return None
            found.add(os.path.relpath(path, top))
    except (InvalidInput, OSError, ValueError):
        return None
    return frozenset(found)


def _packages(top: str, root: str) -> Iterator[str]:
    """Where the program lies in this work tree, as seen from `top`: in the project, and where this process has it
    from. None of it where the program is installed elsewhere."""
    own = os.path.realpath(Path(repro.__file__).parent)
    with contextlib.suppress(InvalidInput):
        if os.path.realpath(work_tree(Path(own))) == top and os.path.isfile(os.path.join(own, "..", "pyproject.toml")):
            yield os.path.relpath(own, top)
    yield os.path.relpath(os.path.join(root, "repro"), top)


def _beside(package: str) -> str:
    """What names the libraries of the program in `package`."""
    return os.path.join(os.path.dirname(package), "pyproject.toml")


def _reaches(path: str, programs: Mapping[str, Program]) -> bool:
    for package, program in programs.items():
        if path.startswith(f"{package}/") and program.reaches(path[len(package) + 1 :]):
            return True
        if path == package or (path == _beside(package) and program.there):
            return True
    return False


def _lineage(path: str) -> Iterator[str]:
    """`path` and every folder above it; the last is `.`."""
    while path:
        yield path
        path = os.path.dirname(path)
    yield "."


def _outermost(paths: Collection[str]) -> frozenset[str]:
    """`paths` without those that lie below another one."""
    return frozenset(path for path in paths if {*_lineage(path)} & {*paths} == {path})
