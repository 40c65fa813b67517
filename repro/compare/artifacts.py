"""Two files in, one `Comparison` out: the verdict from their digests, the reasons from the walk."""

from __future__ import annotations

import stat
import tempfile
from dataclasses import replace
from pathlib import Path

from repro import __version__
from repro.compare import content, count, diffoscope
from repro.compare.budget import Budget, LimitReached, Limits
from repro.compare.findings import Findings
from repro.compare.picture import Painter
from repro.compare.walk import Walker
from repro.model.comparison import DIFFERENT, IDENTICAL, Account, Comparison, Side, Summary
from repro.model.errors import Inconclusive, InvalidInput
from repro.system.hashing import sha256_file
from repro.system.pool import parallel
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
        sides = _sides(left, right)
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
    painter = Painter((len(left), len(right)))
    walker = Walker(findings, budget, scratch, leaves.add if leaves else _ignore, painter)
    with observer.task("comparing"):
        try:
            walker.artifacts(left, right)
        except LimitReached as error:
            findings.unread((), f"{error.message}: the comparison stopped there")
            facts = [{"size": side.size, "sha256": side.sha256} for side in sides]
            findings.diverge((), ("content",), facts[0], facts[1])
    accounts = tuple(sorted(walker.accounts, key=lambda account: (account.location, account.format != "stream")))
    details: dict[tuple[str, ...], str] = {}
    if leaves:
        with observer.task(f"explaining {leaves.count} files"):
            details = leaves.explain(budget.remaining())
    outermost = accounts[0] if accounts and not accounts[0].location else None
    found = _comparison(sides, findings, _summary(findings, outermost))
    divergences = tuple(
        replace(d, detail="\n".join(filter(None, (d.detail, details.get(d.location))))) if d.location in details else d
        for d in found.divergences
    )
    return replace(
        found,
        divergences=divergences,
        tools=_tools(used=bool(leaves and leaves.count)),
        accounts=accounts,
        picture=painter.picture(),
    )


def _summary(findings: Findings, outermost: Account | None) -> Summary:
    rows = outermost.rows if outermost else ()
    amounts = [(row.differing + row.left_only + row.right_only, row.explained) for row in rows]
    differing = sum(amount for amount, _ in amounts)
    return Summary(
        findings.entries, len(findings), differing, sum(amount for amount, explained in amounts if explained)
    )


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


def _sides(left: Path, right: Path) -> tuple[Side, Side]:
    """Both files with their digests, taken side by side."""
    ours, theirs = parallel(_side, (left, right), 2)
    return ours, theirs


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
