"""Judging comparisons by a baseline of known divergences: what is known, new, worse or expired, and what is gone.

Nothing here changes a verdict. And no byte slips by: where bytes differ that the comparison itself does not explain
(`unmapped`, a checksum that is wrong), they stand beside the divergences and have to be known as those are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from repro.compare.accounting import NESTED_UNEXPLAINED, UNREAD
from repro.compare.budget import Limits
from repro.compare.globs import Pattern
from repro.compare.leaves import only_text
from repro.model.baseline import Baseline, Entry
from repro.model.comparison import DIFFERENT, INCONCLUSIVE, Account, Comparison, Divergence, Row
from repro.model.gate import EXPIRED, KNOWN, NEW, STATES, WORSE, Gate, Listed, Standing, Unexplained
from repro.model.text import printable

Location = tuple[str, ...]

BYTES = {"content", "structure"}  # aspects that say that bytes of the member itself differ
_RANGES = Limits.ranges  # where a divergence has as many, there may be more
_NAMELESS = "not accounted for"


class Subject(NamedTuple):
    """What is judged: a divergence, or unexplained bytes of a container of which nothing else is told.

    `structures` are those that differ in it; None where not all of them are told. `size` is 0 for a divergence.
    """

    location: Location
    aspects: frozenset[str]
    structures: frozenset[str] | None
    size: int = 0


class Ruling(NamedTuple):
    """What one entry says of a subject: `entry` is its index; `why` is empty where it is known."""

    state: str
    entry: int
    why: str = ""
    crowd: int = 0  # members that match a pattern which so many may not


_RANK = {KNOWN: 0, EXPIRED: 1, WORSE: 2}


def judge(comparison: Comparison, baseline: Baseline, today: date) -> Comparison:
    """`comparison` with the standing of each divergence as of `today`, and the gate."""
    return judge_all((comparison,), baseline, today)[0]


def judge_all(comparisons: Sequence[Comparison], baseline: Baseline, today: date) -> tuple[Comparison, ...]:
    """`comparisons`, judged together: an entry is gone where it matches in none, and all were looked at whole."""
    judges = [Judgement(comparison, baseline, today) for comparison in comparisons]
    touched = set[int]().union(*(judge.touched for judge in judges))
    whole = all(judge.complete for judge in judges)
    gone = [n for n in range(len(baseline.entries)) if n not in touched] if whole else []
    return tuple(judge.judged(gone) for judge in judges)


def complete(comparison: Comparison) -> bool:
    """Whether all bytes were looked at; a text of diffoscope's that is missing does not matter here."""
    missed = any(not only_text(entry) for entry in comparison.unexamined)
    return not missed and not comparison.interrupted and comparison.verdict != INCONCLUSIVE


@dataclass(frozen=True)
class _Matcher:
    """Which entries a location matches: exact ones first, then patterns, each in the order of the file."""

    exact: Mapping[Location, list[int]]
    patterns: Sequence[tuple[int, Pattern]]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> _Matcher:
        exact: dict[Location, list[int]] = defaultdict(list)
        patterns = []
        for number, entry in enumerate(entries):
            if entry.glob:
                patterns.append((number, Pattern(entry.place)))
            else:
                exact[entry.place].append(number)
        return cls(exact, patterns)


class Judgement:
    """One comparison judged: `rulings` of each of `subjects` (None: no entry matches), `touched` entries."""

    def __init__(self, comparison: Comparison, baseline: Baseline, today: date) -> None:
        self.comparison, self._baseline, self._today = comparison, baseline, today
        self.complete = complete(comparison)
        self.subjects = list(subjects(comparison))
        self.rulings: list[Ruling | None] = [None] * len(self.subjects)
        self.touched: set[int] = set()
        matcher = _Matcher.of(baseline.entries)
        for number, subject in enumerate(self.subjects):
            for entry in matcher.exact.get(subject.location, ()):
                self._rule(number, entry)
        for entry, pattern in matcher.patterns:
            self._rule_pattern(entry, pattern)

    def _rule(self, number: int, entry: int, crowd: int = 0) -> None:
        """Let `entry` rule on a subject, where it says better of it than those before."""
        self.touched.add(entry)
        found = self._ruling(self.subjects[number], entry, crowd)
        before = self.rulings[number]
        if before is None or _RANK[found.state] < _RANK[before.state]:
            self.rulings[number] = found

    def _rule_pattern(self, entry: int, pattern: Pattern) -> None:
        """Let a pattern rule on all that it matches; how many of them it fits, and nothing else knows, is counted."""
        matched = [n for n, subject in enumerate(self.subjects) if pattern.matches(subject.location)]
        self.touched.update([entry] if matched else [])
        open_ones = [n for n in matched if not ((ruling := self.rulings[n]) and ruling.state == KNOWN)]
        fitting = sum(self._ruling(self.subjects[n], entry, 0).state != WORSE for n in open_ones)
        crowd = fitting if fitting > self._baseline.entries[entry].members else 0
        for number in open_ones:
            self._rule(number, entry, crowd)

    def _ruling(self, subject: Subject, number: int, crowd: int) -> Ruling:
        entry = self._baseline.entries[number]
        why = list(_excess(subject, entry))
        if not why and crowd:
            why = [f"{crowd} members match, and {entry.members} may"]
        else:
            crowd = 0
        over = f"its last day was {entry.expires.isoformat()}" if self._today > entry.expires else ""
        if why:
            return Ruling(WORSE, number, "; ".join((*why, over) if over else why), crowd)
        return Ruling(EXPIRED if over else KNOWN, number, over)

    def judged(self, gone: Iterable[int]) -> Comparison:
        """The comparison with its standings and its gate; `gone` are the indexes of the entries that are."""
        standings = [self._standing(ruling) for ruling in self.rulings]
        counts = Counter(standing.state for standing in standings)
        matched = Counter(ruling.entry for ruling in self.rulings if ruling)
        told = len(self.comparison.divergences)
        gate = Gate(
            baseline=self._baseline.sha256,
            today=self._today.isoformat(),
            holds=self.complete and counts[KNOWN] == len(standings),
            **{state: counts[state] for state in STATES},
            entries=tuple(self._listed(number, matched[number]) for number in sorted(matched)),
            gone=tuple(self._listed(number, 0) for number in gone),
            unexplained=tuple(
                Unexplained(subject.location, tuple(sorted(subject.structures or ())), subject.size, standing)
                for subject, standing in zip(self.subjects[told:], standings[told:], strict=True)
            ),
        )
        pairs = zip(self.comparison.divergences, standings, strict=False)  # the rest are the unexplained
        divergences = tuple(replace(divergence, standing=standing) for divergence, standing in pairs)
        return replace(self.comparison, divergences=divergences, gate=gate)

    def _standing(self, ruling: Ruling | None) -> Standing:
        if ruling is None:
            return Standing(NEW)
        entry = self._baseline.entries[ruling.entry]
        expires = entry.expires.isoformat()
        return Standing(ruling.state, ruling.why or None, ruling.entry + 1, entry.reason, entry.owner, expires)

    def _listed(self, number: int, matched: int) -> Listed:
        entry = self._baseline.entries[number]
        expires = entry.expires.isoformat()
        return Listed(number + 1, entry.place, entry.glob, entry.aspects, matched, entry.reason, entry.owner, expires)


def _excess(subject: Subject, entry: Entry) -> Iterator[str]:
    """In what `subject` differs more than `entry` allows."""
    if more := sorted(subject.aspects - set(entry.aspects)):
        yield f"{', '.join(more)} {'differs' if len(more) == 1 else 'differ'} too"
    if entry.structures is None:
        return
    if subject.structures is None:
        yield "not all structures that differ are told"
    elif more := sorted(subject.structures - set(entry.structures)):
        yield f"{', '.join(more)} {'differs' if len(more) == 1 else 'differ'} too"


def subjects(comparison: Comparison) -> Iterator[Subject]:
    """The divergences in their order, then unexplained bytes of containers of which nothing is told, by location."""
    left = _unexplained(comparison.accounts)
    for divergence in comparison.divergences:
        yield _subject(divergence, left.get(divergence.location, {}))
    for location in {divergence.location for divergence in comparison.divergences} & left.keys():
        del left[location]
    if comparison.verdict == DIFFERENT and not comparison.divergences and not left:
        left[()] = {_NAMELESS: max(1, comparison.summary.bytes_differing)}  # bytes decide, and nothing says where
    for location, structures in sorted(left.items()):
        yield Subject(location, frozenset({"structure"}), frozenset(structures), sum(structures.values()))


def _subject(divergence: Divergence, unexplained: Mapping[str, int]) -> Subject:
    """A divergence with the unexplained bytes of the container that it is about."""
    aspects = frozenset(divergence.aspects)
    if unexplained and not aspects & BYTES:
        aspects |= {"structure"}
    named = frozenset({*(found.structure for found in divergence.ranges), *unexplained})
    told = len(divergence.ranges) < _RANGES and (named or not aspects & BYTES)
    return Subject(divergence.location, aspects, named if told else None)


def _unexplained(accounts: Iterable[Account]) -> dict[Location, dict[str, int]]:
    """By location of a container and structure, the bytes that differ and that nothing explains.

    Structures are named as in ranges. Left out is what another says: of a nested container its own account, of what
    was not read `unexamined`.
    """
    rows = [
        (account.location, row, _unequal(row))
        for account in accounts
        for row in account.rows
        if not row.explained and _unequal(row) and row.structure != UNREAD
    ]
    found: dict[Location, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for location, row, size in rows:
        if row.structure != NESTED_UNEXPLAINED:
            found[location][printable(row.structure)] += size
    deep = [a.location for a in accounts if any(not row.explained and _unequal(row) for row in a.rows)]
    for location, row, size in rows:
        below = any(len(other) > len(location) and other[: len(location)] == location for other in deep)
        if row.structure == NESTED_UNEXPLAINED and not below:
            found[location][printable(row.structure)] += size
    return {location: dict(structures) for location, structures in found.items()}


def _unequal(row: Row) -> int:
    return row.differing + row.left_only + row.right_only
