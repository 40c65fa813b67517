"""Two files in, one `Comparison` out: the verdict from their digests, the reasons from the walk."""

from __future__ import annotations

import stat
import tempfile
from dataclasses import replace
from pathlib import Path

from repro import __version__
from repro.compare import content, count, diffoscope
from repro.compare.budget import Budget, LimitReached, Limits
from repro.compare.content import Interval
from repro.compare.findings import Findings
from repro.compare.walk import Side as WalkedSide
from repro.compare.walk import Walker
from repro.model.comparison import DIFFERENT, IDENTICAL, Comparison, Side, Summary
from repro.model.errors import Inconclusive, InvalidInput
from repro.system.hashing import sha256_file
from repro.system.progress import Null, Observer


def compare_artifacts(
    left: Path,
    right: Path,
    *,
    deep: bool = True,
    observer: Observer | None = None,
    time_limit: float | None = None,
    limits: Limits | None = None,
) -> Comparison:
    """What `left` and `right` have in common and where they differ.

    `deep` asks diffoscope for a textual explanation of each leaf that diverges; `time_limit` is in seconds and
    holds for the walk and for diffoscope together.
    Raises InvalidInput where a path is not a regular file, Inconclusive where one cannot be read to its end.
    """
    observer = observer or Null()
    with observer.task("hashing"):
        sides = _side(left), _side(right)
    limits = limits or Limits()
    if time_limit is not None:
        limits = replace(limits, seconds=time_limit)
    with tempfile.TemporaryDirectory(prefix="repro-compare-") as folder:
        if sides[0].sha256 == sides[1].sha256:
            summary = Summary(_entries(left, Path(folder), limits), 0, 0, 0)
            return Comparison(sides[0], sides[1], IDENTICAL, summary, tools=_tools())
        views = _mapped(left), _mapped(right)
        return _different(sides, views, Path(folder), limits=limits, deep=deep, observer=observer)


def compare_with_digest(left: Path, sha256: str, *, name: str = "") -> Comparison:
    """As `compare_artifacts`, where of the other side only the SHA-256 is known: equal or not, but not why."""
    known = _side(left)
    same = known.sha256 == sha256
    other = Side(name or f"sha256:{sha256}", known.size if same else None, sha256)
    if same:
        return Comparison(known, other, IDENTICAL, Summary(0, 0, 0, 0), tools=_tools())
    findings = Findings()
    findings.diverge((), ("content",), {"size": known.size, "sha256": known.sha256}, {"sha256": sha256})
    findings.unexamined((), "of the right side only the SHA-256 is known")
    return _comparison((known, other), findings, Summary(0, 1, 0, 0))


def _different(
    sides: tuple[Side, Side],
    views: tuple[memoryview, memoryview],
    scratch: Path,
    *,
    limits: Limits,
    deep: bool,
    observer: Observer,
) -> Comparison:
    left, right = views
    findings, budget = Findings(), Budget(limits)
    leaves = diffoscope.Leaves(scratch, limits, findings) if deep else None
    walker = Walker(findings, budget, scratch, leaves.add if leaves else _ignore)
    with observer.task("comparing"):
        try:
            walker.blobs((), left, right)
        except LimitReached as error:
            findings.unexamined((), f"{error.message}: the comparison stopped there")
            facts = [{"size": side.size, "sha256": side.sha256} for side in sides]
            findings.diverge((), ("content",), facts[0], facts[1])
        differing, explained = _counted(left, right, walker)
    details: dict[tuple[str, ...], str] = {}
    if leaves:
        with observer.task(f"explaining {leaves.count} files"):
            details = leaves.explain(budget.remaining())
    found = _comparison(sides, findings, Summary(findings.entries, len(findings), differing, explained))
    divergences = tuple(
        replace(d, detail="\n".join(filter(None, (d.detail, details.get(d.location))))) if d.location in details else d
        for d in found.divergences
    )
    return replace(found, divergences=divergences, tools=_tools(used=bool(leaves and leaves.count)))


def _comparison(sides: tuple[Side, Side], findings: Findings, summary: Summary) -> Comparison:
    return Comparison(
        sides[0],
        sides[1],
        DIFFERENT,
        summary,
        divergences=findings.divergences(),
        unexamined=findings.not_examined(),
        tools=_tools(),
    )


def _tools(*, used: bool = False) -> dict[str, str]:
    return {"repro": __version__} | ({"diffoscope": diffoscope.version()} if used else {})


def _entries(path: Path, scratch: Path, limits: Limits) -> int:
    try:
        return count.entries(_mapped(path), Budget(limits), scratch)
    except (LimitReached, Inconclusive):
        return 0


def _ignore(location: tuple[str, ...], left: memoryview, right: memoryview) -> None:
    pass


def _side(path: Path) -> Side:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(f"{path} is not a regular file", hint="compare image files, not folders or devices")
        return Side(path.name, status.st_size, sha256_file(path))
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: no such file") from error
    except OSError as error:
        raise Inconclusive(f"{path} cannot be read: {error.strerror}") from error


def _mapped(path: Path) -> memoryview:
    try:
        with open(path, "rb") as stream:
            return content.mapped(stream)
    except OSError as error:
        raise Inconclusive(f"{path} cannot be read: {error.strerror}") from error


def _counted(left: memoryview, right: memoryview, walker: Walker) -> tuple[int, int]:
    """Bytes of the larger artifact that differ by position, and those of them that have a name (docs/comparing.md)."""
    total = content.count_differing(left, right, [(0, max(len(left), len(right)))])
    if walker.outermost is None:
        return total, total if walker.findings.below_root else 0
    side = walker.outermost[0 if len(left) >= len(right) else 1]
    nameless = content.count_differing(left, right, _between(_named(side, walker), len(side.view)))
    return total, total - nameless


def _named(side: WalkedSide, walker: Walker) -> list[Interval]:
    """The structures of the outermost container and the contents of its members, but for those not examined.

    An equal member counts too: where its bytes differ by position, it lies elsewhere, which names the reason.
    """
    found = [(s.start, s.end) for s in walker.structures_of((), side)]
    diverging, open_ends = walker.findings.prefixes(), walker.findings.unexamined_prefixes()
    for (name, number), member in side.members.items():
        place = (name if number == 1 else f"{name} ({number})",)
        if member.content and (place in diverging or place not in open_ends):
            found.extend(member.content.extents())
    return found


def _between(intervals: list[Interval], end: int) -> list[Interval]:
    """What `intervals` leave of the bytes up to `end`."""
    gaps: list[Interval] = []
    at = 0
    for start, stop in sorted(intervals):
        if start > at:
            gaps.append((at, min(start, end)))
        at = max(at, stop)
    return [*gaps, (at, end)] if at < end else gaps
