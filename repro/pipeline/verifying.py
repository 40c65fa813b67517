"""Rebuild under other conditions, or once against what somebody published, and judge."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.compare import compare_artifacts, compare_with_digest
from repro.model import published as publishing
from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE, Comparison
from repro.model.lock import Lock
from repro.model.project import Project
from repro.model.published import Published
from repro.model.record import Claim
from repro.pipeline.building import Rebuild, build
from repro.pipeline.loading import Loaded, Workplace
from repro.sandbox.backend import Backend
from repro.sandbox.environment import VARIATIONS, Environment, unavailable, vary


@dataclass(frozen=True)
class Verification:
    """The answer to `verify`: `published` says in a few words how the result relates to the published digest.

    `agrees` is False where that digest is another one.
    """

    verdict: str
    rebuilds: Mapping[str, Rebuild]
    comparisons: tuple[Comparison, ...]
    published: str
    skipped: Mapping[str, str]
    agrees: bool = True


def verify(
    loaded: Loaded,
    lock: Lock,
    place: Workplace,
    folder: Path,
    *,
    backend: Backend,
    rebuilds: int,
    factors: Sequence[str],
    published: Published | None,
    deep: bool,
) -> Verification:
    """Rebuild `rebuilds` times, every second time with `factors` varied; compare with the first and the published.

    No stage is shared between the rebuilds. Raises as `build` does.
    """
    skipped = {name: why for name in factors if (why := unavailable(name))}
    baseline = Environment(lock.source_date_epoch)
    varied = vary(baseline, {name: None for name in factors if name not in skipped})
    for name, why in skipped.items():
        place.observer.note(f"variation {name} is left out: {why}")
    done: dict[str, Rebuild] = {}
    for number in range(1, rebuilds + 1):
        title = f"rebuild-{number}"
        target = folder if number == 1 else _fresh(folder / title)
        environment = varied if number % 2 == 0 else baseline
        done[title] = build(
            loaded,
            lock,
            place,
            target,
            backend=backend,
            environment=environment,
            cached=False,
            title=title,
            logs=folder,
        )
    first, *others = done.values()
    comparisons: list[Comparison] = []
    for other in others:
        pairs = zip(first.files, other.files, strict=True)
        found = [compare_artifacts(left, right, deep=deep, observer=place.observer) for left, right in pairs]
        if all(comparison.verdict == IDENTICAL for comparison in found):
            shutil.rmtree(other.files[0].parent)
        comparisons += found
        if any(comparison.interrupted for comparison in found):
            break
    state, agrees = _against_published(first.record.claim, published)
    verdict = _overall([comparison.verdict for comparison in comparisons], agrees)
    return Verification(verdict, done, tuple(comparisons), state, skipped, agrees)


def verify_against(
    loaded: Loaded,
    lock: Lock,
    place: Workplace,
    folder: Path,
    *,
    backend: Backend,
    other: Path | str,
    deep: bool,
) -> Verification:
    """Rebuild once and compare with `other`: a file, or a SHA-256 of which nothing else is known."""
    rebuild = build(
        loaded,
        lock,
        place,
        folder,
        backend=backend,
        environment=Environment(lock.source_date_epoch),
        cached=False,
        title="rebuild-1",
    )
    mine = rebuild.files[0]
    if isinstance(other, str):
        comparison = compare_with_digest(mine, other)
    else:
        comparison = compare_artifacts(mine, other, deep=deep, observer=place.observer)
    return Verification(comparison.verdict, {"rebuild-1": rebuild}, (comparison,), "not asked", {})


def all_factors() -> tuple[str, ...]:
    """The names of every variation there is."""
    return tuple(VARIATIONS)


def read_published(project: Project, name: str) -> Published | None:
    """The published result of the recipe `name`, None where nothing was published. Raises InvalidInput."""
    path = project.reports / f"{name}.json"
    return publishing.decode(path.read_bytes(), str(path)) if path.exists() else None


def publish(claim: Claim, epoch: int) -> bytes:
    """The file to publish for `claim`."""
    return publishing.encode(Published(claim.recipe, claim.lock_sha256, epoch, claim.artifacts))


def _against_published(claim: Claim, published: Published | None) -> tuple[str, bool]:
    if published is None:
        return "nothing is published for this recipe", True
    if published.lock_sha256 != claim.lock_sha256:
        return "published for another lock: not comparable", True
    if published.artifacts == claim.artifacts:
        return "the published digest is the same", True
    return "the published digest is ANOTHER", False


def _overall(verdicts: Sequence[str], agrees: bool) -> str:
    if DIFFERENT in verdicts or not agrees:
        return DIFFERENT
    return INCONCLUSIVE if INCONCLUSIVE in verdicts else IDENTICAL


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
