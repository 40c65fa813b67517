"""A project whose image is not built but copied, so that everything around the building can be tested in a second."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.bench import MAIN
from tests.schemas import check
from tests.snapshot.world import Server, World

# The second picture is that of a build with another umask; SECOND_NAME is that of the recipe NAME alone. SLOW is where
# to sleep, in a program that we started; BROKEN is the recipe whose build fails.
CANNED = f"""
import os, shutil
from repro.pipeline import building, verifying
from repro.image.build import Built
from repro.model.errors import BuildFailed
from repro.system.run import run

def image(order, environment, backend, *, folder, log, observer, **_):
    varied = environment.umask != 0o022
    with observer.task("root file system"):
        if os.environ.get("SLOW") == ("second" if varied else "first"):
            run(["sleep", "300"])
    name = order.recipe.name
    if os.environ.get("BROKEN") == name:
        raise BuildFailed("the build step failed", hint="this is a test")
    target = folder / (name + ".squashfs")
    wanted = ("SECOND_" + name, "SECOND") if varied else ("FIRST",)
    shutil.copyfile(next(os.environ[each] for each in wanted if each in os.environ), target)
    return Built((target,), {{}}, ())

def compare(*args, **kwargs):
    if os.environ.get("SLOW") == "compare":
        with kwargs["observer"].task("comparing slowly"):
            run(["sleep", "300"])
    return real(*args, **kwargs)

real, verifying.compare, building.build_image = verifying.compare, compare, image
{MAIN}
"""


class Canned:
    """`world` with its packages fetched, and two pictures: `first` and, with one file changed, `second`."""

    def __init__(self, folder: Path, world: World) -> None:
        self.world = world
        self.project = world.folder
        recipe = self.project / "recipes/tiny/recipe.toml"
        recipe.write_text(recipe.read_text().replace('"iso"', '"squashfs"'))
        self.first, self.second = folder / "first.squashfs", folder / "second.squashfs"
        for path, text in ((self.first, "one\n"), (self.second, "two\n")):
            tree = folder / f"{path.stem}-tree"
            (tree / "etc").mkdir(parents=True)
            (tree / "etc/changing").write_text(text)
            (tree / "etc/constant").write_text("the same\n" * 1000)
            subprocess.run(
                ["mksquashfs", tree, path, "-noappend", "-all-root", "-all-time", "0", "-mkfs-time", "0", "-quiet"],
                check=True,
                capture_output=True,
            )

    def another(self, name: str) -> None:
        """The recipe `name`, the same as `tiny` but for that."""
        folder = self.project / "recipes" / name
        shutil.copytree(self.project / "recipes/tiny", folder)
        lock = folder / "recipe.lock"
        lock.write_text(lock.read_text().replace('recipe = "tiny"', f'recipe = "{name}"'))

    @property
    def out(self) -> Path:
        return self.project / "out/tiny"

    def environment(self, second: Path | None = None, **extra: str) -> dict[str, str]:
        return {
            **self.world.environment(),
            "TMPDIR": str(self.project / "tmp"),
            "FIRST": str(self.first),
            "SECOND": str(second or self.first),
            **extra,
        }

    def run(self, *args: str, second: Path | None = None, env: Mapping[str, str] | None = None) -> Any:
        """`repro ARGS`, offline unless the store lacks something."""
        (self.project / "tmp").mkdir(exist_ok=True)
        return self.world.run(*args, env=self.environment(second, **(env or {})), code=CANNED)

    def publish(self, **changes: Any) -> None:
        """Publish what a build gave, with `changes`."""
        claim = json.loads((self.out / "build.json").read_text())["builds"]["rebuild-1"]["claim"]
        document = {
            "schema": "repro/published/v1",
            "recipe": "tiny",
            "lock_sha256": claim["lock_sha256"],
            "source_date_epoch": claim["environment"]["source_date_epoch"],
            "artifacts": claim["artifacts"],
            **changes,
        }
        (self.project / "reports").mkdir(exist_ok=True)
        (self.project / "reports/tiny.json").write_text(json.dumps(document))

    def comparison(self, number: int = 1) -> Any:
        name = "comparison.json" if number == 1 else f"comparison-{number}.json"
        return check((self.out / name).read_bytes())


def canned_project(folder: Path) -> Canned:
    """A canned project in `folder`. Skips the test where mksquashfs is missing."""
    if not shutil.which("mksquashfs"):
        pytest.skip("mksquashfs is missing (package squashfs-tools)")
    world = World(folder / "project", (100, 200))
    with Server() as server:
        server.files = world.tree()
        done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
        assert done.returncode == 0, done.stderr
    return Canned(folder, world)
