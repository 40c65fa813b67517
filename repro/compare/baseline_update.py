"""What a baseline becomes after a run: new divergences added, entries widened where they are worse, gone ones dropped.

An expired entry stays as it is: that somebody looks at it again is what the date is for. Patterns are widened as any
other entry is, but none is made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from repro.compare.baseline import BYTES, Judgement, Subject
from repro.compare.baseline_text import rewritten
from repro.model.baseline import EMPTY, SCHEMA, Baseline, Entry, decode
from repro.model.comparison import Comparison
from repro.model.gate import WORSE

_PLAIN = frozenset({"content"})  # what ranges are called in a file of no known format: no structure to go by


@dataclass(frozen=True)
class Terms:
    """What an entry that the program adds says of itself."""

    owner: str
    reason: str
    expires: date


@dataclass(frozen=True)
class Update:
    """The new file as `data`, what it says as `baseline`, and how many entries are `added`, `widened`, `dropped`.

    `expired` counts those that something matches and that a person has to look at.
    """

    data: bytes
    baseline: Baseline
    added: int
    widened: int
    dropped: int
    expired: int


def updated(data: bytes | None, where: str, comparisons: Sequence[Comparison], terms: Terms, today: date) -> Update:
    """The baseline in `data` (None: there is no file yet), such that `comparisons` hold but for entries that expired.

    All of `comparisons` have to be `complete`. Raises InvalidInput where `data` is no baseline, or one in which not
    every entry stands below a line `[[known]]` of its own.
    """
    before = EMPTY if data is None else decode(data, where)
    old = f'schema = "{SCHEMA}"\n'.encode() if data is None else data
    plan = _Plan(before.entries, comparisons, terms, today)
    plan.run()
    new = rewritten(old, where, before.entries, plan.kept, plan.added) if plan.changes else old
    found = decode(new, where)
    if found.entries != plan.entries:
        raise RuntimeError(f"{where}: the new baseline would not say what was meant")  # and is not written
    left = [(entry, kept) for entry, kept in zip(before.entries, plan.kept, strict=True) if kept]
    return Update(
        new,
        found,
        added=len(plan.added),
        widened=sum(entry != kept for entry, kept in left),
        dropped=plan.kept.count(None),
        expired=sum(today > kept.expires for _, kept in left),
    )


class _Plan:
    """The entries to be: `kept` in the place of each of before (None: dropped), then `added`."""

    def __init__(self, before: Sequence[Entry], comparisons: Sequence[Comparison], terms: Terms, today: date) -> None:
        self._before, self._comparisons, self._terms, self._today = before, comparisons, terms, today
        self.kept: list[Entry | None] = list(before)
        self.added: list[Entry] = []
        self._places: dict[tuple[str, ...], int] = {}  # of those that are added

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them, in the order of the file."""
        return (*(entry for entry in self.kept if entry), *self.added)

    @property
    def changes(self) -> bool:
        """Whether the file has to become another one."""
        return self.entries != tuple(self._before)

    def run(self) -> None:
        """Add and widen until everything is known or expired. Each turn allows more, and what differs is finite."""
        before: tuple[Entry, ...] | None = None
        while before != self.entries:
            before = self.entries
            judgements = self._turn()
        touched = set[int]().union(*(judgement.touched for judgement in judgements))
        places = [number for number, entry in enumerate(self.kept) if entry]
        for index, number in enumerate(places):
            if index not in touched:
                self.kept[number] = None

    def _turn(self) -> list[Judgement]:
        """Do what one look asks for, and return it."""
        baseline = Baseline(self.entries, "")
        judgements = [Judgement(comparison, baseline, self._today) for comparison in self._comparisons]
        places = [number for number, entry in enumerate(self.kept) if entry]
        for judgement in judgements:
            for subject, ruling in zip(judgement.subjects, judgement.rulings, strict=True):
                if ruling is None:
                    self._add(subject)
                elif ruling.state == WORSE:
                    self._widen(places, ruling.entry, subject, ruling.crowd)
        self._merge()
        return judgements

    def _add(self, subject: Subject) -> None:
        number = self._places.setdefault(subject.location, len(self.added))
        if number < len(self.added):  # another comparison has just asked for it
            self.added[number] = _wider(self.added[number], subject)
            return
        named, terms = _named(subject), self._terms
        aspects, structures = tuple(sorted(subject.aspects)), tuple(sorted(named)) if named else None
        self.added.append(
            Entry(subject.location, False, aspects, structures, 1, terms.reason, terms.owner, terms.expires)
        )

    def _widen(self, places: Sequence[int], index: int, subject: Subject, crowd: int) -> None:
        """Let the entry at `index` of those that were judged allow `subject`, unless it has expired."""
        own = index < len(places)
        entry = self.kept[places[index]] if own else self.added[index - len(places)]
        if entry is None or self._today > entry.expires:
            return
        wide = replace(entry, members=max(entry.members, crowd)) if crowd else _wider(entry, subject)
        if own:
            self.kept[places[index]] = wide
        else:
            self.added[index - len(places)] = wide

    def _merge(self) -> None:
        """Two entries may say the same by now: the first of them does."""
        first: dict[tuple[object, ...], int] = {}
        for number, entry in enumerate(self.kept):
            if entry and first.setdefault(entry.key, number) != number:
                self.kept[number] = None


def _wider(entry: Entry, subject: Subject) -> Entry:
    """`entry`, such that it allows what differs in `subject`."""
    aspects = tuple(sorted({*entry.aspects, *subject.aspects}))
    structures = entry.structures
    if structures is not None:
        told = subject.structures
        structures = None if told is None else tuple(sorted({*structures, *told}))
    return replace(entry, aspects=aspects, structures=structures)


def _named(subject: Subject) -> frozenset[str] | None:
    """The structures to which an entry for `subject` is narrowed, where all are told and are more than the content."""
    if subject.structures is None or not subject.aspects & BYTES or subject.structures == _PLAIN:
        return None
    return subject.structures
