"""Hunt for the factors that diverge a recipe's files, or those that a command makes."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from repro.hunt.observe import observe
from repro.hunt.result import WHOLE, result
from repro.hunt.search import Experiment, Outcome, hunt, one_by_one
from repro.image.build import PIDS, Built
from repro.image.build import build as build_image
from repro.image.order import Order
from repro.model.errors import BuildFailed, InvalidInput
from repro.model.hunt import Hunt
from repro.model.lock import Lock
from repro.pipeline.building import image_order
from repro.pipeline.loading import Loaded, Workplace
from repro.pipeline.packages import Source, write_source
from repro.sandbox import lent
from repro.sandbox.backend import Backend, choose
from repro.sandbox.environment import Environment
from repro.sandbox.variations import VARIATIONS, experiment, known
from repro.store import StageCache, Store
from repro.system.hashing import sha256_file
from repro.system.pool import parallel
from repro.system.progress import Null, Observer
from repro.system.scratch import scratch

# SOURCE_DATE_EPOCH is the changelog's then, as dpkg-buildpackage takes it; tests of programs mind what is varied.
_BUILD_PACKAGE = """
unset SOURCE_DATE_EPOCH
dpkg-source --no-check -x ./*.dsc tree
cd tree
DEB_BUILD_OPTIONS="nocheck $DEB_BUILD_OPTIONS" dpkg-buildpackage --build=binary --no-sign
"""
# What these change ends with the tree's tar: later stages read that alone.
_TREE_ONLY = ("build_path", "directory_order", "filesystem", "firmware")


@dataclass(frozen=True)
class Terms:
    """How to hunt: the `factors`, their `values` where not the standard ones, how many builds run at a time (`jobs`)
    and how many may follow the first round (`extra`). `without` names normalizers that are switched off;
    `one_by_one` varies each factor alone."""

    factors: tuple[str, ...]
    values: Mapping[str, str | None]
    jobs: int
    extra: int
    without: frozenset[str] = frozenset()
    one_by_one: bool = False


@dataclass(frozen=True)
class Made:
    """What one build gave, and whether it was there already."""

    outcome: Outcome
    reused: bool


Make = Callable[[Experiment, Path], Made]


def hunt_recipe(
    loaded: Loaded, lock: Lock, place: Workplace, folder: Path, terms: Terms, *, backend: Backend, whole: bool
) -> Hunt:
    """Which factors diverge which file of `loaded`'s root tree, or, with `whole`, of its artifact.

    Logs go to `folder`. Every stage is kept in the store, so that a hunt that was ended goes on where it was.
    Raises as `build` does.
    """
    skipped = {name: why for name in terms.factors if (why := known(name).missing())}
    order = replace(image_order(loaded, lock, place.store), without=terms.without)
    recipe = _Recipe(order, place, folder, terms.values, backend, whole)
    return _hunted(loaded.recipe.name, terms, skipped, recipe.make, place.observer)


def hunt_command(
    argv: Sequence[str], source: Path, patterns: Sequence[str], folder: Path, terms: Terms, place: CommandPlace
) -> Hunt:
    """Which factors diverge which of the files that `argv` makes in a copy of the folder `source`.

    `patterns` name those files; without them it is all that the command makes or changes. Logs go to `folder`.
    Raises BuildFailed where the command fails in the baseline already, InvalidInput.
    """
    skipped = {name: why for name in terms.factors if (why := known(name).missing() or lent.missing(name))}
    with scratch("repro-hunt-") as inside:
        archive = inside / "source.tar"
        _pack(source, archive, folder)
        command = _Command(
            tuple(argv), source.resolve().name or "source", archive, tuple(patterns), folder, terms.values, place
        )
        return _hunted(" ".join(argv), terms, skipped, command.make, place.observer)


def hunt_package(source: Source, tree: Path, folder: Path, terms: Terms, place: CommandPlace, store: Store) -> Hunt:
    """Which factors diverge what in the .debs that are built of `source`, in the root tree that the tar `tree` holds.

    Logs go to `folder`. Raises as `hunt_command` does.
    """
    skipped = {name: why for name in terms.factors if (why := known(name).missing())}
    with scratch("repro-hunt-") as inside:
        archive = inside / "source.tar"
        write_source(source, store, archive)
        argv = ("sh", "-ec", _BUILD_PACKAGE)
        command = _Command(argv, source.name, archive, ("*.deb",), folder, terms.values, place, tree)
        return _hunted(f"{source.name}={source.version}", terms, skipped, command.make, place.observer)


@dataclass(frozen=True)
class CommandPlace:
    """How a command is run: `backend`, at most `timeout` seconds, as of `epoch` (SOURCE_DATE_EPOCH)."""

    backend: Backend
    timeout: float
    epoch: int
    observer: Observer


def _pack(source: Path, archive: Path, without: Path) -> None:
    """Write the folder `source` to the tar `archive`, but for `without`. Raises InvalidInput."""
    left_out = without.resolve()

    def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        there = (source / entry.name).resolve() if not entry.issym() else None
        return (
            None
            if there == left_out or not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk())
            else entry
        )

    try:
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(source, arcname=".", filter=wanted)
    except OSError as error:
        raise InvalidInput(f"{error.filename or source}: {error.strerror}") from error


def _hunted(subject: str, terms: Terms, skipped: Mapping[str, str], make: Make, observer: Observer) -> Hunt:
    began = time.monotonic()
    factors = [name for name in terms.factors if name not in skipped]
    if not factors:
        raise InvalidInput("no factor is left to hunt with", hint="`repro doctor` says which can be varied here")
    for name, why in skipped.items():
        observer.note(f"variation {name} is left out: {why}")
    runs = _Runs(make, terms.jobs, observer)
    if terms.one_by_one:
        hunted = one_by_one(factors, runs.run)
    else:
        hunted = hunt(factors, runs.run, extra=terms.extra, jobs=terms.jobs)
    said = {name: _said(name, terms.values.get(name)) for name in factors}
    return result(hunted, runs.took, subject=subject, factors=said, skipped=skipped, seconds=time.monotonic() - began)


def _said(name: str, value: str | None) -> str:
    return VARIATIONS[name].what + (f": {value}" if value is not None else "")


class _Runs:
    """Makes the builds of a round side by side, and remembers how long each took."""

    def __init__(self, make: Make, jobs: int, observer: Observer) -> None:
        self._make, self._jobs, self._observer = make, jobs, observer
        self.took: dict[str, tuple[float, bool]] = {}

    def run(self, experiments: Sequence[Experiment]) -> Sequence[Outcome | BuildFailed]:
        with self._observer.task("hunting", len(experiments), "builds") as task:

            def told(done: tuple[Experiment, Outcome | BuildFailed]) -> None:
                task.advance()
                seconds, reused = self.took[done[0].name]
                how = "failed" if isinstance(done[1], BuildFailed) else "kept from before" if reused else "built"
                varied = ", ".join(sorted(done[0].setting)) or "baseline"
                task.say(f"{done[0].name} {how} in {seconds:.0f} s: {varied}")

            done = parallel(self._one, experiments, self._jobs, each=told)
        return [outcome for _, outcome in done]

    def _one(self, each: Experiment) -> tuple[Experiment, Outcome | BuildFailed]:
        began = time.monotonic()
        outcome: Outcome | BuildFailed
        reused = False
        try:
            with scratch("repro-hunt-") as folder:
                made = self._make(each, folder)
            outcome, reused = made.outcome, made.reused
        except BuildFailed as error:
            outcome = error
        self.took[each.name] = time.monotonic() - began, reused
        return each, outcome


class _Recipe:
    def __init__(
        self,
        order: Order,
        place: Workplace,
        folder: Path,
        values: Mapping[str, str | None],
        backend: Backend,
        whole: bool,
    ) -> None:
        self._order, self._place, self._folder, self._values = order, place, folder, values
        self._backend, self._whole = backend, whole
        self._later: dict[tuple[str, Environment], Outcome] = {}

    def make(self, each: Experiment, folder: Path) -> Made:
        """The root tree of one build; where the whole artifact is wanted, what is made of it."""
        environment = experiment(Environment(self._order.lock.source_date_epoch), each.setting, self._values)
        order = replace(self._order, repeat=each.repeat)
        built = self._built(replace(order, until="root"), environment, folder, each.name)
        reused = all(stage.cached for stage in built.stages)
        if not self._whole:
            return Made(_seen(built.files[0], folder), reused)
        same = sha256_file(built.files[0]), _later(environment)
        if not (outcome := self._later.get(same)) or each.repeat:
            built = self._built(order, environment, folder, each.name)
            reused = all(stage.cached for stage in built.stages)
            outcome = self._later[same] = _seen(built.files[0], folder)
        return Made(outcome, reused)

    def _built(self, order: Order, environment: Environment, folder: Path, name: str) -> Built:
        backend = choose(environment.backend) if environment.backend else self._backend
        with open(self._folder / f"{name}.log", "ab") as log:
            return build_image(
                order,
                environment,
                backend,
                store=self._place.store,
                cache=StageCache(self._place.store, self._place.observer.note),
                folder=folder,
                log=log,
                observer=Null(),
            )


def _seen(path: Path, folder: Path) -> Outcome:
    return {**observe(path, folder), WHOLE: sha256_file(path)}


def _later(environment: Environment) -> Environment:
    """`environment` as far as the stages after the root tree can see it."""
    plain = Environment(environment.source_date_epoch)
    return replace(environment, **{name: getattr(plain, name) for name in _TREE_ONLY})


@dataclass(frozen=True)
class _Command:
    argv: tuple[str, ...]
    name: str
    source: Path
    patterns: tuple[str, ...]
    folder: Path
    values: Mapping[str, str | None]
    place: CommandPlace
    tree: Path | None = None  # the root tree in which it runs; else this host's folders

    def make(self, each: Experiment, folder: Path) -> Made:
        """What the command makes in one room of its own."""
        environment = experiment(Environment(self.place.epoch), each.setting, self.values)
        environment = environment if self.tree else lent.settled(environment)
        made = folder / "made.tar"
        with (
            open(self.folder / f"{each.name}.log", "wb") as log,
            open(self.source, "rb") as source,
            open(made, "wb") as target,
            lent.open_room(
                environment,
                self.place.backend,
                log=log,
                timeout=self.place.timeout,
                last_pid=PIDS * each.repeat,
                tree=self.tree,
            ) as room,
        ):
            room.run(source, self.name, self.argv, self.patterns, target)
        return Made(observe(made, folder), False)
