"""Where the bytes of two containers belong: every byte to one structure or member, matched by name on both sides.

Each side is cut into an exact partition. What bears the same name is then compared position by position, so that a
member that grew does not make everything behind it "different": that has moved, which is said once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from repro.compare.content import Interval, count_differing, same_bytes, sha256
from repro.compare.partition import Owner, claimed, cut_out, flattened, gaps, without_zeros
from repro.formats.base import DERIVED, Malformed, Structure
from repro.model.comparison import Account, Row, Shift

PADDING, UNMAPPED, NESTED = "padding (zeros)", "unmapped", "nested containers"
NESTED_UNEXPLAINED, UNREAD = f"{NESTED}, unexplained", "file contents, not examined"
_SHIFTS = 32  # that are told of one container

Key = tuple[str, str, int]  # a structure's name, which one, and which of those
Pair = tuple[Structure | None, Structure | None]


class Claim(NamedTuple):
    """The content of one member: its byte ranges on each side, and what is known of it.

    `row`: under which name it is summed. `same`: its stored bytes are known to be equal. `explained`: whether bytes
    that differ in it are. `nested`: the account of the container that it is, which then speaks for it.
    """

    row: str
    left: tuple[Interval, ...]
    right: tuple[Interval, ...]
    same: bool = False
    explained: bool = True
    nested: Account | None = None


class Segment(NamedTuple):
    """Bytes `start` to `end` of one side, in `row`, of which `differing` are not the same on the other side."""

    start: int
    end: int
    row: str
    differing: int


@dataclass
class Ledger:
    """An account with what it was made from: which structures differ, which nameless bytes, and what lies where."""

    account: Account
    differing: list[Pair]
    unmapped: list[tuple[Interval | None, Interval | None]]
    segments: tuple[list[Segment], list[Segment]]


@dataclass
class _Book:
    """What is summed up while the parts are matched."""

    views: tuple[memoryview, memoryview]
    rows: dict[tuple[str, bool], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))
    moves: list[tuple[int, int, int]] = field(default_factory=list)
    segments: tuple[list[Segment], list[Segment]] = field(default_factory=lambda: ([], []))

    def enter(self, row: str, pieces: _Pieces, *, same: bool = False, explained: bool = True) -> bool:
        """Sum up one part that has `pieces` on each side; returns whether they differ."""
        left, right = pieces
        sizes = sum(end - start for start, end in left), sum(end - start for start, end in right)
        common = min(sizes)
        known = row == PADDING or (same and sizes[0] == sizes[1])
        differing = 0 if known else self._differing(pieces, common)
        amounts = (common - differing, differing, sizes[0] - common, sizes[1] - common)
        self._add(row, explained, amounts)
        if not any(amounts[1:]) and len(left) == len(right) == 1 and left[0][0] != right[0][0]:
            self.moves.append((left[0][0], right[0][0], common))
        for side in (0, 1):
            self._segment(side, row, pieces[side], differing + amounts[2 + side])
        return any(amounts[1:])

    def _differing(self, pieces: _Pieces, common: int) -> int:
        if not common:
            return 0
        (left, right), (ours, theirs) = self.views, pieces
        if len(ours) == len(theirs) == 1:
            a, b = ours[0][0], theirs[0][0]
            return count_differing(left[a : a + common], right[b : b + common])
        return sum(count_differing(left[a : a + n], right[b : b + n]) for a, b, n in _aligned(ours, theirs))

    def enter_nested(self, account: Account) -> None:
        """Sum up a member by the account of the container that it is, which has its own segments."""
        for row in account.rows:
            name = NESTED if row.explained else NESTED_UNEXPLAINED
            self._add(name, row.explained, (row.equal, row.differing, row.left_only, row.right_only))

    def _add(self, row: str, explained: bool, amounts: Sequence[int]) -> None:
        for column, amount in enumerate(amounts):
            if amount:
                self.rows[row, explained][column] += amount

    def _segment(self, side: int, row: str, pieces: Sequence[Interval], differing: int) -> None:
        left = differing
        for start, end in pieces:
            part = min(left, end - start)
            left -= part
            last = self.segments[side][-1] if self.segments[side] else None
            if last and last.end == start and last.row == row and not (part or last.differing):
                self.segments[side][-1] = Segment(last.start, end, row, 0)
            else:
                self.segments[side].append(Segment(start, end, row, part))


_Pieces = tuple[Sequence[Interval], Sequence[Interval]]


def settle(
    location: tuple[str, ...],
    form: str,
    views: tuple[memoryview, memoryview],
    structures: tuple[Iterable[Structure], Iterable[Structure]],
    claims: Sequence[Claim],
) -> Ledger:
    """The ledger of one pair of containers in format `form`, with the structures of each side and all members."""
    named = _refined(views, _named(views[0], structures[0]), _named(views[1], structures[1]))
    book = _Book(views)
    contents: list[dict[int, list[Interval]]] = []
    placed: list[dict[Key, list[Interval]]] = []
    rest: list[list[Interval]] = []
    for side in (0, 1):
        ranges = ((claim.left, claim.right)[side] for claim in claims)
        over = list(flattened(named[side]))
        under = list(cut_out(claimed(ranges, len(views[side])), over))
        contents.append(_by_owner(under))
        placed.append(_by_owner(over))
        rest.append(list(gaps(((start, end) for start, end, _ in (*under, *over)), len(views[side]))))
    for number, claim in enumerate(claims):
        pieces = contents[0].get(number, ()), contents[1].get(number, ())
        if claim.nested and _covers(claim.nested, pieces):
            book.enter_nested(claim.nested)
        elif pieces[0] or pieces[1]:
            book.enter(claim.row, pieces, same=claim.same, explained=claim.explained)
    differing: list[Pair] = []
    for key in dict.fromkeys((*named[0], *named[1])):
        pair = named[0].get(key), named[1].get(key)
        if _entered(book, key[0], pair, (placed[0].get(key, ()), placed[1].get(key, ()))):
            differing.append(pair)
    unmapped = _rest(book, rest)
    rows = tuple(_row(*key, amounts) for key, amounts in sorted(book.rows.items()))
    moved, shifts = _shifts(book.moves)
    return Ledger(Account(location, form, rows, moved, shifts), differing, unmapped, book.segments)


def _row(name: str, explained: bool, amounts: Sequence[int]) -> Row:
    equal, differing, left_only, right_only = amounts
    return Row(name, equal, differing, left_only, right_only, explained)


def _named(view: memoryview, structures: Iterable[Structure]) -> dict[Key, Structure]:
    """The structures that lie within `view`, by a key that matches them with those of the other side."""
    found: dict[Key, Structure] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for structure in structures:
        if 0 <= structure.start < structure.end <= len(view):
            same = structure.name, structure.of
            seen[same] += 1
            found[*same, seen[same]] = structure
    return found


def _refined(
    views: tuple[memoryview, memoryview], left: dict[Key, Structure], right: dict[Key, Structure]
) -> tuple[dict[Key, Structure], dict[Key, Structure]]:
    """Both sides, with the finer structures of the regions that differ."""
    finer: tuple[list[Structure], list[Structure]] = ([], [])
    for key in left.keys() | right.keys():
        pair = left.get(key), right.get(key)
        if not any(s and s.parts for s in pair):
            continue
        ours, theirs = (view[s.start : s.end] if s else None for view, s in zip(views, pair, strict=True))
        if ours is None or theirs is None or not same_bytes(ours, theirs):
            for found, structure in zip(finer, pair, strict=True):
                if structure and structure.parts:
                    with suppress(Malformed):  # what could not be named any finer stays with the region
                        found.extend(structure.parts())
    if not any(finer):
        return left, right
    return _named(views[0], (*left.values(), *finer[0])), _named(views[1], (*right.values(), *finer[1]))


def _by_owner(pieces: Iterable[tuple[int, int, Owner]]) -> dict[Owner, list[Interval]]:
    found: dict[Owner, list[Interval]] = {}
    for start, end, owner in pieces:
        found.setdefault(owner, []).append((start, end))
    return found


def _covers(nested: Account, pieces: _Pieces) -> bool:
    """Whether the account speaks for exactly as many bytes as the member has on either side."""
    ours = sum(row.equal + row.differing + row.left_only for row in nested.rows)
    theirs = sum(row.equal + row.differing + row.right_only for row in nested.rows)
    return (ours, theirs) == tuple(sum(end - start for start, end in side) for side in pieces)


def _entered(book: _Book, name: str, pair: Pair, pieces: _Pieces) -> bool:
    """Sum up one structure; a derived one that differs has to be right on both sides to be explained."""
    explained = True
    checks = [s for s in pair if s and s.role == DERIVED and s.holds]
    if checks and not _same(book.views, pieces):
        explained = all(_holds(s) for s in checks)
    return book.enter(name if explained else f"{name}, wrong", pieces, explained=explained)


def _same(views: tuple[memoryview, memoryview], pieces: _Pieces) -> bool:
    left, right = (b"".join(bytes(view[a:b]) for a, b in side) for view, side in zip(views, pieces, strict=True))
    return left == right


def _holds(structure: Structure) -> bool:
    try:
        return structure.holds is None or structure.holds()
    except Malformed:
        return False


def _rest(book: _Book, rest: Sequence[Iterable[Interval]]) -> list[tuple[Interval | None, Interval | None]]:
    """Sum up the bytes without a name: zeros are padding; the others are matched by content, then in their order."""
    zeros: tuple[list[Interval], list[Interval]] = ([], [])
    named: list[list[Interval]] = [[], []]
    for side, view in enumerate(book.views):
        for start, end in rest[side]:
            first, last = without_zeros(view, start, end)
            zeros[side].extend(part for part in ((start, first), (last, end)) if part[0] < part[1])
            if first < last:
                named[side].append((first, last))
    if zeros[0] or zeros[1]:
        book.enter(PADDING, zeros)
    differing: list[tuple[Interval | None, Interval | None]] = []
    for ours, theirs in _matched(book.views, named[0], named[1]):
        pieces = [ours] if ours else [], [theirs] if theirs else []
        if book.enter(UNMAPPED, pieces, explained=False):
            differing.append((ours, theirs))
    return differing


def _matched(
    views: tuple[memoryview, memoryview], left: list[Interval], right: list[Interval]
) -> Iterator[tuple[Interval | None, Interval | None]]:
    waiting: dict[str, list[Interval]] = {}
    for start, end in right:
        waiting.setdefault(sha256(views[1][start:end]), []).append((start, end))
    alone: list[Interval] = []
    for start, end in left:
        same = waiting.get(sha256(views[0][start:end]))
        if same:
            yield (start, end), same.pop(0)
        else:
            alone.append((start, end))
    others = sorted(part for parts in waiting.values() for part in parts)
    for number in range(max(len(alone), len(others))):
        yield (alone[number] if number < len(alone) else None), (others[number] if number < len(others) else None)


def _aligned(left: Sequence[Interval], right: Sequence[Interval]) -> Iterator[tuple[int, int, int]]:
    """(left offset, right offset, bytes) of the runs of two lists of ranges, each laid end to end."""
    ours, theirs = iter(left), iter(right)
    a = b = end_a = end_b = 0
    while True:
        if a == end_a:
            a, end_a = next(ours, (-1, -1))
        if b == end_b:
            b, end_b = next(theirs, (-1, -1))
        size = min(end_a - a, end_b - b)
        if size <= 0:
            return
        yield a, b, size
        a, b = a + size, b + size


def _shifts(moves: list[tuple[int, int, int]]) -> tuple[int, tuple[Shift, ...]]:
    """Bytes that lie elsewhere in all, and the largest runs that moved by the same distance, one after the other."""
    rank = {right: number for number, right in enumerate(sorted(right for _, right, _ in moves))}
    runs: list[Shift] = []
    before = -1  # the rank of the move that the last run ends with
    for left, right, size in sorted(moves):
        last = runs[-1] if runs else None
        if last and right - left == last.right - last.left and rank[right] == before + 1:
            runs[-1] = Shift(last.left, last.right, last.size + size)
        else:
            runs.append(Shift(left, right, size))
        before = rank[right]
    largest = sorted(runs, key=lambda run: (-run.size, run.left + run.right, run.left))[:_SHIFTS]
    return sum(size for _, _, size in moves), tuple(sorted(largest, key=lambda run: run.left))
