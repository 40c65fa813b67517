"""Directory records of ISO 9660 (ECMA-119, section 9.1) as structures, with their system use areas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from repro.formats import rockridge, susp
from repro.formats.base import DERIVED, FACT, IDENTITY, Malformed, Structure
from repro.formats.named import BOTH, LITTLE, ZERO, Row, named

_FIXED: tuple[Row, ...] = (
    ("length", 1, DERIVED, LITTLE),
    ("extended attribute length", 1, DERIVED, LITTLE),
    ("extent location", 8, DERIVED, BOTH),
    ("data length", 8, DERIVED, BOTH),
    ("recording time", 7, FACT, None),
    ("flags", 1, FACT, LITTLE),
    ("unit and gap size", 2, DERIVED, ZERO),
    ("volume sequence number", 4, DERIVED, BOTH),
    ("identifier length", 1, DERIVED, LITTLE),
)
_HEAD = 33
Rows = tuple[Row, ...]


@dataclass
class Records:
    """How the records of one tree are named: `susp` is what to skip before its system use entries, None without them.

    `prefix` is empty for the primary tree. Continuation areas are named once, whoever shares them.
    """

    view: memoryview
    block: int
    susp: int | None
    prefix: str = ""
    _rows: Rows = ()
    _seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._name = f"{self.prefix}directory record "
        self._rows = tuple((self._name + name, size, role, form) for name, size, role, form in _FIXED)

    def structures(self, at: int, of: str, repeats: Callable[[], bool] | None = None) -> Iterator[Structure]:
        """Every byte of the record at byte `at`; what only repeats another one's facts is derived."""
        for found in self._fields(at, of):
            again = repeats is not None and found.role == FACT
            yield replace(found, role=DERIVED, holds=repeats) if again else found

    def _fields(self, at: int, of: str) -> Iterator[Structure]:
        view = self.view
        end = at + view[at]
        if end > len(view) or end < at + _HEAD:
            return
        yield from named(view, at, self._rows, "", of)
        stop = min(at + _HEAD + view[at + 32], end)
        role = FACT if self.susp is None else DERIVED
        yield Structure(at + _HEAD, stop, self._name + "identifier", role, None, of)
        start = stop + (stop - at - _HEAD + 1) % 2
        if stop < min(start, end):
            yield Structure(stop, start, self._name + "identifier padding", DERIVED, None, of)
        if start >= end:
            return
        if self.susp is None:
            yield Structure(start, end, self._name + "system use area", IDENTITY, None, of)
            return
        skipped = start if bytes(view[at + _HEAD : stop]) == b"\0" else min(start + self.susp, end)
        if start < skipped:
            yield Structure(start, skipped, self._name + "skipped system use", IDENTITY, None, of)
        yield from susp.structures(view, skipped, end, of, self.block, self._seen)

    def facts(self, at: int) -> tuple[object, ...]:
        """What the record at byte `at` says of its file, to compare with another record of it. Raises Malformed."""
        view, end = self.view, at + self.view[at]
        if end > len(view) or end < at + _HEAD:
            raise Malformed(f"directory record at {at}")
        plain = bytes(view[at + 18 : at + 25]), view[at + 25] & 0x7F
        if self.susp is None:
            return plain
        size = view[at + 32]
        skip = 0 if size == 1 and not view[at + _HEAD] else self.susp
        found = rockridge.read(view, view[min(at + _HEAD + size + (size + 1) % 2 + skip, end) : end], self.block)
        return *plain, found.mode, found.uid, found.gid, sorted(found.times.items())

    def same(self, one: int, other: int, *older: int) -> bool:
        """Whether the records at these two bytes say the same of a file; the plain time may be that of `older`.

        libisofs gives `..` the recording time of the directory above the parent.
        """
        try:
            (time, *ours), (_, *theirs) = self.facts(one), self.facts(other)
            return ours == theirs and time in [self.facts(at)[0] for at in (other, *older)]
        except Malformed:
            return False
