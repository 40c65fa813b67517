"""Rebuild under other conditions, or once against what somebody published, and judge."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.compare import compare_with_digest
from repro.model import published as publishing
from repro.model import verification
from repro.model.comparison import DIFFERENT, IDENTICAL, INCONCLUSIVE, Comparison
from repro.model.lock import Lock
from repro.model.project import Project
from repro.model.published import Published
from repro.model.record import Claim
from repro.model.verification import AGAINST, PUBLISHED, Compared, Found
from repro.pipeline.building import AS_PUBLISHED, Artifacts, Rebuild, build
from repro.pipeline.explaining import compare
from repro.pipeline.loading import Loaded, Workplace
from repro.sandbox.backend import Backend
from repro.sandbox.environment import Environment
from repro.sandbox.variations import VARIATIONS, unavailable, vary


@dataclass(frozen=True)
class Verification:
    """The answer to `verify`. `sides` says of each of `comparisons` what was laid side by side; `published` in a few
    words how the result relates to the published digest, `digests` the same artifact by artifact, `agrees` whether
    that is no other one."""

    verdict: str
    rebuilds: Mapping[str, Rebuild]
    comparisons: tuple[Comparison, ...]
    sides: tuple[tuple[str, str], ...]
    published: str
    digests: tuple[Compared, ...]
    variations: tuple[str, ...]
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
    without: frozenset[str] = frozenset(),
    artifacts: Artifacts = AS_PUBLISHED,
) -> Verification:
    """Rebuild `rebuilds` times, every second time with `factors` varied; compare with the first and the published.

    No stage is shared between the rebuilds; `without` names normalizers that are switched off, `artifacts` what is
    made. Raises as `build` does.
    """
    skipped = {name: why for name in factors if (why := unavailable(name))}
    baseline = Environment(lock.source_date_epoch)
    varied = vary(baseline, {name: None for name in factors if name not in skipped})
    for name, why in skipped.items():
        place.observer.note(f"variation {name} is left out: {why}")
    done: dict[str, Rebuild] = {}
    surroundings: dict[str, Environment] = {}
    for number in range(1, rebuilds + 1):
        title = f"rebuild-{number}"
        target = folder if number == 1 else _fresh(folder / title)
        surroundings[title] = varied if number % 2 == 0 else baseline
        done[title] = build(
            loaded,
            lock,
            place,
            target,
            backend=backend,
            environment=surroundings[title],
            cached=False,
            title=title,
            logs=folder,
            without=without,
            artifacts=artifacts,
        )
    (title, first), *others = done.items()
    comparisons: list[Comparison] = []
    sides: list[tuple[str, str]] = []
    for name, other in others:
        pairs = zip(first.files, other.files, strict=True)
        around = surroundings[title], surroundings[name]
        found = [compare(*pair, deep=deep, observer=place.observer, surroundings=around) for pair in pairs]
        if all(comparison.verdict == IDENTICAL for comparison in found):
            shutil.rmtree(other.files[0].parent)
        comparisons += found
        sides += [(title, name)] * len(found)
        if any(comparison.interrupted for comparison in found):
            break
    state, agrees = _against_published(first.record.claim, published)
    verdict = _overall([comparison.verdict for comparison in comparisons], agrees)
    digests = _digests(first.record.claim, published)
    tried = tuple(name for name in factors if name not in skipped) if others else ()
    return Verification(verdict, done, tuple(comparisons), tuple(sides), state, digests, tried, skipped, agrees)


def verify_against(
    loaded: Loaded,
    lock: Lock,
    place: Workplace,
    folder: Path,
    *,
    backend: Backend,
    other: Path | str,
    deep: bool,
    artifacts: Artifacts = AS_PUBLISHED,
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
        artifacts=artifacts,
    )
    mine = rebuild.files[0]
    if isinstance(other, str):
        comparison = compare_with_digest(mine, other)
    else:
        comparison = compare(mine, other, deep=deep, observer=place.observer)
    sides = (("rebuild-1", AGAINST),)
    return Verification(comparison.verdict, {"rebuild-1": rebuild}, (comparison,), sides, "not asked", (), (), {})


def found(result: Verification, recipe: str, build: bytes, documents: Sequence[bytes]) -> Found:
    """The record of `result`; `build` is its build record as written, `documents` are its comparisons as written."""
    compared = [
        verification.compared(*sides, comparison.left.name, comparison, hashlib.sha256(document).hexdigest())
        for sides, comparison, document in zip(result.sides, result.comparisons, documents, strict=True)
    ]
    return Found(
        recipe=recipe,
        verdict=result.verdict,
        build_sha256=hashlib.sha256(build).hexdigest(),
        variations=result.variations,
        skipped=result.skipped,
        comparisons=(*compared, *result.digests),
    )


def all_factors() -> tuple[str, ...]:
    """The names of every variation there is."""
    return tuple(VARIATIONS)


def usual_factors() -> tuple[str, ...]:
    """Those that a verification varies unasked: all but those that make a build take much longer."""
    return tuple(name for name, variation in VARIATIONS.items() if not variation.dear)


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
    theirs = {artifact.name: artifact for artifact in published.artifacts}
    shared = [artifact for artifact in claim.artifacts if artifact.name in theirs]
    if any(artifact != theirs[artifact.name] for artifact in shared):
        return "the published digest is ANOTHER", False
    if len(shared) < len(claim.artifacts):
        missing = ", ".join(artifact.name for artifact in claim.artifacts if artifact not in shared)
        return f"no digest is published of {missing}" + ("; the others are the same" if shared else ""), True
    return f"the published {'digest is' if len(shared) == 1 else 'digests are'} the same", True


def _digests(claim: Claim, published: Published | None) -> tuple[Compared, ...]:
    """Each artifact beside the published one of its name, by digest alone."""
    if published is None or published.lock_sha256 != claim.lock_sha256:
        return ()
    theirs = {artifact.name: artifact.sha256 for artifact in published.artifacts}
    return tuple(
        Compared(
            "rebuild-1", PUBLISHED, each.name, each.sha256, other, IDENTICAL if each.sha256 == other else DIFFERENT
        )
        for each in claim.artifacts
        if (other := theirs.get(each.name))
    )


def _overall(verdicts: Sequence[str], agrees: bool) -> str:
    if DIFFERENT in verdicts or not agrees:
        return DIFFERENT
    return INCONCLUSIVE if INCONCLUSIVE in verdicts else IDENTICAL


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
