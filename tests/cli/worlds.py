"""A world whose lock is up to date, so that commands get as far as fetching."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from repro.lock.resolve import inputs_digest
from repro.model import lock, recipe
from repro.sandbox import toolchain
from repro.snapshot.pins import load_pin_set
from tests.snapshot.world import World


def world_with_lock(folder: Path, sizes: tuple[int, ...] = (3000, 20000, 70000)) -> World:
    """The world `tiny` in `folder`, its lock made for the recipe, the pins and the toolchain of today."""
    world = World(folder, sizes)
    path = folder / "recipes" / "tiny" / "recipe.lock"
    wanted = recipe.decode("tiny", path.with_suffix(".toml").read_text(), "recipe.toml")
    digest = inputs_digest(wanted, load_pin_set(folder / "snapshots", "tiny"), toolchain.PACKAGES)
    path.write_text(lock.encode(replace(lock.decode(path.read_text(), "recipe.lock"), inputs=digest)))
    return world
