"""Two files in, one `Comparison` out: the verdict from their digests, the reasons from the walk."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import Empty

from repro import __version__
from repro.compare import content, count, diffoscope, renamed
from repro.compare.budget import Budget, LimitReached, Limits
from repro.compare.findings import Findings
from repro.compare.leaves import Leaves, with_texts
from repro.compare.picture import Painter
from repro.compare.walk import LeafSink, Walker
from repro.model.comparison import DIFFERENT, IDENTICAL, Account, Comparison, Side, Summary
from repro.model.errors import Inconclusive, InvalidInput
from repro.model.text import printable
from repro.system.hashing import sha256_file
from repro.system.pool import Later
from repro.system.progress import Null, Observer
from repro.system.scratch import scratch

Partial = Callable[[Comparison], None]

_EVERY = 3.0  # seconds between partial results
_GRACE = 1.0  # seconds that digests have to come after an interrupt
_NOT_YET = "diffoscope has not come to it yet"


def compare_artifacts(
    left: Path,
    right: Path,
    *,
    deep: bool = True,
    observer: Observer | None = None,
    time_limit: float | None = None,
    limits: Limits | None = None,
    on_partial: Partial | None = None,
    on_leaf: LeafSink | None = None,
) -> Comparison:
    """What `left` and `right` have in common and where they differ.

    `deep` asks diffoscope for a textual explanation of each leaf that diverges; `time_limit` is in seconds and
    holds for the walk and for diffoscope together. `on_partial` is called, in this thread, with what is known when
    the walk has ended, and every few seconds while diffoscope is at work.
    `on_leaf` is called with location and both contents of each leaf that diverges, which are valid during the call.
    KeyboardInterrupt ends it early once both digests are known: the comparison is returned, `interrupted`.
    Raises InvalidInput where a path is not a regular file, Inconclusive where one cannot be read to its end.
    """
    observer = observer or Null()
    limits = limits or Limits()
    if time_limit is not None:
        limits = replace(limits, seconds=time_limit)
    views = _mapped(left), _mapped(right)
    hashing = Later(_side, left), Later(_side, right)  # goes on while what differs is looked at
    with scratch("repro-compare-") as folder:
        with observer.task("hashing"):
            same = content.same_bytes(*views)
            if same:
                sides = hashing[0].result(), hashing[1].result()
        if same:
            summary = Summary(_entries(views[0], folder, limits), 0, 0, 0)
            return Comparison(*_unchanged(sides, same), IDENTICAL, summary, tools=_tools())
        return _different(
            hashing,
            views,
            folder,
            limits=limits,
            deep=deep,
            observer=observer,
            on_partial=on_partial or _ignore_partial,
            on_leaf=on_leaf,
        )


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


def _unchanged(sides: tuple[Side, Side], same: bool) -> tuple[Side, Side]:
    """`sides`. Raises Inconclusive where the digests do not say what the bytes said."""
    if (sides[0].sha256 == sides[1].sha256) != same:
        raise Inconclusive("an artifact changed while it was being read", hint="compare files that nobody writes to")
    return sides


def _different(
    hashing: tuple[Later[Side], Later[Side]],
    views: tuple[memoryview, memoryview],
    folder: Path,
    *,
    limits: Limits,
    deep: bool,
    observer: Observer,
    on_partial: Partial,
    on_leaf: LeafSink | None,
) -> Comparison:
    left, right = views
    findings, budget = Findings(), Budget(limits)
    leaves = Leaves(folder, limits, findings) if deep else None
    painter = Painter((len(left), len(right)))
    sinks = [sink for sink in (leaves.add if leaves else None, on_leaf) if sink]
    walker = Walker(findings, budget, folder, sinks, painter)
    picture, stopped, interrupted = None, "", False
    try:
        with observer.task("comparing") as task:
            findings.watch = lambda number, location: task.found(number, _place(location))
            walker.artifacts(left, right)
            picture = painter.picture()
    except LimitReached as error:
        stopped = f"{error.message}: the comparison stopped there"
        picture = painter.picture()
    except KeyboardInterrupt:
        stopped = "interrupted: the walk did not end, and there may be more that differs"
        interrupted = True
    sides = _hashed(hashing, _GRACE if interrupted else None)
    if stopped:
        _stopped(findings, stopped, sides)
    accounts = tuple(sorted(walker.accounts, key=lambda account: (account.location, account.format != "stream")))
    outermost = accounts[0] if accounts and not accounts[0].location else None
    found = _comparison(sides, findings, _summary(findings, outermost))
    found = replace(found, accounts=accounts, picture=picture, interrupted=interrupted)
    if not leaves or not leaves.count:
        return found
    found = replace(found, tools=_tools(used=not interrupted))
    if interrupted:
        return with_texts(found, leaves, "interrupted")
    return _explained(found, leaves, budget.remaining(), observer, on_partial)


def _hashed(hashing: tuple[Later[Side], Later[Side]], seconds: float | None) -> tuple[Side, Side]:
    """Both sides, which differ. Raises KeyboardInterrupt where their digests are not there within `seconds`."""
    try:
        return _unchanged((hashing[0].result(seconds), hashing[1].result(seconds)), False)
    except Empty:
        raise KeyboardInterrupt from None


def _stopped(findings: Findings, reason: str, sides: tuple[Side, Side]) -> None:
    """Note that not everything was looked at: then the artifact itself stands for what was not."""
    findings.unread((), reason)
    facts = [{"size": side.size, "sha256": side.sha256} for side in sides]
    findings.diverge((), ("content",), facts[0], facts[1])


def _explained(
    found: Comparison, leaves: Leaves, seconds: float, observer: Observer, on_partial: Partial
) -> Comparison:
    """`found` with what diffoscope says of its leaves; what it says until then as it comes."""
    shown = time.monotonic()
    observer.note(f"{found.summary.divergent} divergent, explaining {leaves.count} files with diffoscope")
    try:
        on_partial(with_texts(found, leaves, _NOT_YET))
        with observer.task("explaining", total=leaves.count) as task:

            def progress(done: int) -> None:
                nonlocal shown
                task.advance(done)
                if time.monotonic() - shown >= _EVERY:
                    on_partial(with_texts(found, leaves, _NOT_YET))
                    shown = time.monotonic()

            leaves.explain(seconds, progress)
    except KeyboardInterrupt:
        return with_texts(replace(found, interrupted=True), leaves, "interrupted")
    return with_texts(found, leaves)


def _place(location: tuple[str, ...]) -> str:
    return " → ".join(map(printable, location)) or "the artifact itself"


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
        divergences=renamed.noted(findings.divergences()),
        unexamined=findings.not_examined(),
        tools=_tools(),
    )


def _tools(*, used: bool = False) -> dict[str, str]:
    return {"repro": __version__} | ({"diffoscope": diffoscope.version()} if used else {})


def _entries(view: memoryview, scratch: Path, limits: Limits) -> int:
    try:
        return count.entries(view, Budget(limits), scratch)
    except (LimitReached, Inconclusive):
        return 0


def _ignore_partial(found: Comparison) -> None:
    pass


def _side(path: Path) -> Side:
    try:
        return Side(path.name, path.stat().st_size, sha256_file(path))
    except OSError as error:
        raise Inconclusive(f"{path} cannot be read: {error.strerror}") from error


def _mapped(path: Path) -> memoryview:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidInput(f"{path} is not a regular file", hint="compare image files, not folders or devices")
        with open(path, "rb") as stream:
            return content.mapped(stream)
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: no such file") from error
    except OSError as error:
        raise Inconclusive(f"{path} cannot be read: {error.strerror}") from error
