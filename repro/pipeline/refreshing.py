"""Move a set of pins, and say what that does to the recipes on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from repro.lock.changes import Change, changes
from repro.model.errors import InvalidInput
from repro.model.lock import Lock
from repro.model.pin import PinSet
from repro.model.project import Project
from repro.pipeline.loading import Loaded, Workplace, make_lock, read_lock, read_recipe, recipe_names
from repro.snapshot.pinning import MOVED, Moved
from repro.snapshot.pins import PinProof


@dataclass(frozen=True)
class Consequence:
    """What moved pins mean for a recipe: its lock on them, and how that differs from the one that it has."""

    loaded: Loaded
    lock: Lock
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Refresh:
    """A pin set as it would be: `pins`, by which `moves`, with what `consequences` for the recipes on it."""

    pins: PinSet
    moves: tuple[Moved, ...]
    consequences: tuple[Consequence, ...]

    @property
    def moved(self) -> tuple[Moved, ...]:
        return tuple(move for move in self.moves if move.outcome == MOVED)


def refresh(
    pins: PinSet,
    proofs: Sequence[PinProof],
    move: Callable[[PinProof], Moved],
    project: Project | None,
    place: Workplace,
    backend: str,
) -> Refresh:
    """Compute, and write nothing of, what becomes of `pins` (proven by `proofs`) when each is moved by `move`, and of
    the recipes of `project` on them that have a lock.

    Raises what `move` does, and InvalidInput where recipes have no solution on the moved pins, naming each.
    """
    with place.observer.task(f"refreshing {pins.name}", len(proofs)) as task:
        moves = []
        for proof in proofs:
            moves.append(move(proof))
            task.advance()
    kept = [move.candidate.proof if move.outcome == MOVED else proof for move, proof in zip(moves, proofs, strict=True)]
    there = replace(pins, pins=tuple(proof.pin for proof in kept))
    found: list[Consequence] = []
    problems: list[str] = []
    if project and there != pins:
        for name in recipe_names(project):
            recipe = read_recipe(project, name)
            loaded = Loaded(recipe, project.recipes / name, there, {proof.pin.name: proof for proof in kept})
            if recipe.pins == pins.name and loaded.lock_path.exists():
                try:
                    lock = make_lock(loaded, place, backend)
                    found.append(Consequence(loaded, lock, tuple(changes(read_lock(loaded, current=False), lock))))
                except InvalidInput as error:
                    problems.append(f"{name}: {error.message}")
    if problems:
        hint = "change the recipe, or move to another time with --at; nothing was written"
        raise InvalidInput("\n".join(("on the moved pins there is no lock of", *problems)), hint=hint)
    return Refresh(there, tuple(moves), tuple(found))
