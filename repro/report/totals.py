"""Bytes by structure, for a person: what of a container differs, whether that is explained, and what only moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from repro.model.comparison import IDENTICAL, Account, Comparison, Row
from repro.model.text import human_size, printable
from repro.report.facts import place

HEADER = ("structure", "equal", "differing", "left only", "right only")
EXPLAINED = "every differing byte is explained"
_ACCOUNTS = 4  # containers of which the bytes are shown: the outermost, and those that differ most
_ROWS = 8  # structures of one container


@dataclass(frozen=True)
class Balance:
    """The rows of one account that differ, as text below `HEADER`: the largest, the rest in one, and the sums."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    unexplained: int
    moved: str


def balances(comparison: Comparison) -> Iterator[Balance]:
    """The accounts that differ: the outermost, then those with most that is unexplained or not equal; by location."""
    differing = [account for account in comparison.accounts if account.moved or any(map(_unequal, account.rows))]
    differing.sort(key=lambda a: (a.location != (), -_unexplained(a), -sum(map(_unequal, a.rows)), a.location))
    for account in sorted(differing[:_ACCOUNTS], key=lambda a: a.location):
        yield _balance(account)
    rest = differing[_ACCOUNTS:]
    if rest:
        left = sum(map(_unexplained, rest))
        blame = f" ({left:,} bytes in them are unexplained)" if left else ""
        yield Balance(f"{len(rest)} more containers differ{blame}; see the JSON report", (), 0, "")


def summary(comparison: Comparison) -> tuple[list[str], int]:
    """Sentences with the totals, and how many bytes are left unexplained."""
    found = comparison.summary
    if comparison.verdict == IDENTICAL:
        return ([f"{found.entries} entries compared, 0 divergent"] if found.entries else []), 0
    said = [f"{found.entries} entries compared, {found.divergent} divergent"]
    unexplained = max(0, found.bytes_differing - found.bytes_explained)
    if found.bytes_differing:
        said.append(
            f"{human_size(found.bytes_differing)} differ or are on one side alone; "
            f"{human_size(found.bytes_explained)} of them are explained"
        )
    return said, unexplained


def _balance(account: Account) -> Balance:
    rows = sorted(filter(_unequal, account.rows), key=lambda r: (-_unequal(r), r.structure))
    shown = [(printable(row.structure) + ("" if row.explained else " (unexplained)"), row) for row in rows[:_ROWS]]
    if len(rows) > _ROWS:
        shown.append((f"{len(rows) - _ROWS} more structures", _sum(rows[_ROWS:])))
    equal = [row for row in account.rows if not _unequal(row)]
    if equal:
        shown.append(("1 equal structure" if len(equal) == 1 else f"{len(equal)} equal structures", _sum(equal)))
    shown.append(("sum", _sum(account.rows)))
    return Balance(
        title=f"bytes of {place(account.location, 'the artifact')} ({printable(account.format)})",
        rows=tuple((name, *_cells(row)) for name, row in shown) if rows else (),
        unexplained=_unexplained(account),
        moved=_moved(account),
    )


def _unequal(row: Row) -> int:
    return row.differing + row.left_only + row.right_only


def _unexplained(account: Account) -> int:
    return sum(_unequal(row) for row in account.rows if not row.explained)


def _sum(rows: list[Row] | tuple[Row, ...]) -> Row:
    def total(name: str) -> int:
        return sum(getattr(row, name) for row in rows)

    return Row("", total("equal"), total("differing"), total("left_only"), total("right_only"), explained=True)


def _cells(row: Row) -> tuple[str, ...]:
    return tuple(human_size(n) if n else "-" for n in (row.equal, row.differing, row.left_only, row.right_only))


def _moved(account: Account) -> str:
    if not account.moved:
        return ""
    said = f"{human_size(account.moved)} lie elsewhere, unchanged"
    if not account.shifts:
        return said
    first = account.shifts[0]
    distance = first.right - first.left
    way = "further" if distance >= 0 else "earlier"
    return f"{said}: first {abs(distance):,} bytes {way} from offset {first.left:,} on"
