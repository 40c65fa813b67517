"""Every byte belongs to exactly one name, and what bears it on both sides is compared: held against brute force."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import example, given
from hypothesis import strategies as st

from repro.compare.accounting import PADDING, UNMAPPED, Claim, settle
from repro.compare.partition import claimed, cut_out, flattened, gaps
from repro.formats.base import DERIVED, IDENTITY, Structure
from repro.model.comparison import Account

SIZE = 40
INTERVALS = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(lambda pair: (min(pair), max(pair)))
STRUCTURES = st.lists(
    st.builds(
        lambda place, name, role: Structure(*place, name, role),
        INTERVALS,
        st.sampled_from("abc"),
        st.sampled_from([IDENTITY, DERIVED]),
    ),
    max_size=6,
)
CLAIMS = st.lists(st.lists(INTERVALS, max_size=2), max_size=4)
# Few different bytes, many zeros: so that parts agree, and that there is padding.
BYTES = st.lists(st.sampled_from([0, 0, 0, 1, 2]), max_size=SIZE).map(bytes)


def owner(at: int, structures: list[Structure], claims: list[list[tuple[int, int]]]) -> str | None:
    """Whose byte `at` is, found by looking at everything."""
    over = [(s.start, -s.end, n) for n, s in enumerate(structures) if s.start <= at < s.end]
    if over:
        return f"s{max(over)[2]}"
    under = [(start, end, n) for n, mine in enumerate(claims) for start, end in mine if start <= at < end]
    return f"c{min(under)[2]}" if under else None


@given(STRUCTURES, CLAIMS, st.integers(0, SIZE))
def test_a_partition_gives_each_byte_to_one(
    structures: list[Structure], claims: list[list[tuple[int, int]]], size: int
) -> None:
    structures = [s for s in structures if s.start < s.end <= size]
    claims = [[(start, min(end, size)) for start, end in mine] for mine in claims]
    over = list(flattened(dict(enumerate(structures))))
    under = list(cut_out(claimed(claims, size), over))
    found: dict[int, str | None] = dict.fromkeys(range(size))
    given_away = 0
    for letter, pieces in (("s", over), ("c", under)):
        for start, end, number in pieces:
            assert start < end
            given_away += end - start
            found.update(dict.fromkeys(range(start, end), f"{letter}{number}"))
    assert given_away == sum(1 for name in found.values() if name)
    assert found == {at: owner(at, structures, claims) for at in range(size)}
    free = [at for start, end in gaps(((a, b) for a, b, _ in (*over, *under)), size) for at in range(start, end)]
    assert free == [at for at, name in found.items() if name is None]


@given(BYTES, BYTES, STRUCTURES, STRUCTURES, CLAIMS, CLAIMS)
@example(b"\1\1", b"\1\1\2", [], [], [[(0, 2)]], [[(0, 3)]])
def test_sums_are_those_of_brute_force(
    left: bytes,
    right: bytes,
    ours: list[Structure],
    theirs: list[Structure],
    mine: list[list[tuple[int, int]]],
    yours: list[list[tuple[int, int]]],
) -> None:
    count = max(len(mine), len(yours))
    sides = [tuple(side[n]) if n < len(side) else () for side in (mine, yours) for n in range(count)]
    claims = [Claim("contents", sides[n], sides[count + n]) for n in range(count)]
    views = memoryview(left), memoryview(right)
    account = settle((), "test", views, (ours, theirs), claims).account
    assert_sums(account, len(left), len(right))
    expected: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    named = [by_name(left, ours, mine), by_name(right, theirs, yours)]
    for key in named[0].keys() | named[1].keys():
        a, b = named[0].get(key, b""), named[1].get(key, b"")
        same = sum(x == y for x, y in zip(a, b, strict=False))
        common = min(len(a), len(b))
        for column, amount in enumerate((same, common - same, len(a) - common, len(b) - common)):
            expected[key[0]][column] += amount
    found = {r.structure: [r.equal, r.differing, r.left_only, r.right_only] for r in account.rows}
    found.pop(PADDING, None)
    found.pop(UNMAPPED, None)
    assert found == {name: amounts for name, amounts in expected.items() if any(amounts)}


def by_name(
    data: bytes, structures: list[Structure], claims: list[list[tuple[int, int]]]
) -> dict[tuple[str, int], bytes]:
    """The bytes of each name, in order; structures of the same name are told apart by their number."""
    kept = [s for s in structures if s.start < s.end <= len(data)]
    numbers: dict[str, int] = defaultdict(int)
    keys = {}
    for n, structure in enumerate(kept):
        numbers[structure.name] += 1
        keys[f"s{n}"] = structure.name, numbers[structure.name]
    within = [[(start, min(end, len(data))) for start, end in mine] for mine in claims]
    found: dict[tuple[str, int], bytes] = defaultdict(bytes)
    for at in range(len(data)):
        name = owner(at, kept, within)
        if name:
            found[keys.get(name) or ("contents", int(name[1:]))] += data[at : at + 1]
    return found


def assert_sums(account: Account, left: int, right: int) -> None:
    assert sum(r.equal + r.differing + r.left_only for r in account.rows) == left
    assert sum(r.equal + r.differing + r.right_only for r in account.rows) == right


def test_what_moved_is_said_once() -> None:
    left, right = b"abcdefgh" * 4, b"XXXX" + b"abcdefgh" * 4
    claims = [Claim("contents", ((8 * n, 8 * n + 8),), ((8 * n + 4, 8 * n + 12),)) for n in range(4)]
    account = settle((), "test", (memoryview(left), memoryview(right)), ((), ()), claims).account
    assert [(s.left, s.right, s.size) for s in account.shifts] == [(0, 4, 32)]
    assert account.moved == 32
    assert [(r.structure, r.equal, r.right_only) for r in account.rows] == [("contents", 32, 0), (UNMAPPED, 0, 4)]


def test_a_derived_field_has_to_be_right_to_be_explained() -> None:
    def field(right: bool) -> list[Structure]:
        return [Structure(0, 2, "checksum", DERIVED, holds=lambda: right)]

    views = memoryview(b"ab"), memoryview(b"ac")
    good = settle((), "test", views, (field(True), field(True)), ())
    wrong = settle((), "test", views, (field(True), field(False)), ())
    assert [(r.structure, r.explained) for r in good.account.rows] == [("checksum", True)]
    assert [(r.structure, r.explained) for r in wrong.account.rows] == [("checksum, wrong", False)]


def test_a_region_is_named_field_by_field_only_where_it_differs() -> None:
    asked = []

    def region(start: int, name: str) -> Structure:
        def parts() -> list[Structure]:
            asked.append(name)
            return [Structure(start + 1, start + 2, "field", of=name)]

        return Structure(start, start + 3, "regions", of=name, parts=parts)

    views = memoryview(b"abcdef"), memoryview(b"abcdXf")
    ledger = settle((), "test", views, ([region(0, "one"), region(3, "two")], [region(0, "one"), region(3, "two")]), ())
    assert asked == ["two", "two"]
    assert [(r.structure, r.equal, r.differing) for r in ledger.account.rows] == [("field", 0, 1), ("regions", 5, 0)]
    assert [s.label if s else None for pair in ledger.differing for s in pair] == ["field of two", "field of two"]
