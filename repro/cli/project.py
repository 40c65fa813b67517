"""Where recipes, pins and published reports lie: the project folder, found upward from the working directory."""

from __future__ import annotations

from pathlib import Path

from repro.model.errors import InvalidInput
from repro.model.project import Project


def find_project(start: Path | None = None) -> Project:
    """The project that `start` (the working directory by default) lies in.

    Raises InvalidInput where no folder from there upward holds both `recipes/` and `snapshots/`.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / "recipes").is_dir() and (folder / "snapshots").is_dir():
            return Project(folder)
    raise InvalidInput(
        f"neither {here} nor a folder above it holds recipes/ and snapshots/",
        hint="change into the project's folder, or make both folders there",
    )
