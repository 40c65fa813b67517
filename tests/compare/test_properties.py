"""What holds of any pair: nothing differs from itself, sides mirror each other, sums add up, digests decide."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.compare.findings import Findings
from repro.formats import opened
from repro.model.comparison import Account, Comparison
from tests.compare import trees
from tests.compare.oracles import compared, mirrored, thorough
from tests.compare.test_brute_force_archives import cpio, tar
from tests.compare.trees import Node, Tree
from tests.formats.samples import SAMPLES
from tests.formats.test_hostile import damaged, sample


def nothing_differs(found: Findings, accounts: list[Account]) -> None:
    assert (found.divergences(), found.not_examined()) == ((), ())
    assert accounts
    for account in accounts:
        assert not any(row.differing or row.left_only or row.right_only for row in account.rows), account
        assert (account.moved, account.shifts) == (0, ())


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_nothing_differs_from_itself_even_where_equal_bytes_are_no_reason(name: str, tmp_path: Path) -> None:
    data = sample(name)
    found, accounts = thorough(data, bytearray(data), tmp_path)  # a copy: the same bytes at another address
    nothing_differs(found, accounts)
    if opened(memoryview(data)).format not in ("stream", "pyc", "elf"):  # type: ignore[union-attr]
        assert found.entries


@pytest.mark.parametrize("seed", range(4))
def test_no_tree_differs_from_itself(seed: int, tmp_path: Path) -> None:
    tree = trees.tree(seed)
    made = [tar(tree, tmp_path), cpio(tree, tmp_path), trees.squashfs(tree, tmp_path / "made").read_bytes()]
    for data in made:
        found, accounts = thorough(data, data, tmp_path)
        nothing_differs(found, accounts)
        assert found.entries >= len(tree) - 1


def test_the_walk_without_short_cut_sees_what_the_walk_with_it_sees(tmp_path: Path) -> None:
    left = trees.tree(11)
    right = trees.mutated(left, 511)
    pair = [trees.squashfs(tree, tmp_path / name).read_bytes() for tree, name in ((left, "a"), (right, "b"))]
    found = {d.location[0]: set(d.aspects) for d in thorough(*pair, tmp_path)[0].divergences() if d.location}
    assert found == trees.expected(left, right)


def both_ways(left: bytes, right: bytes, folder: Path) -> Comparison:
    """The comparison, held against the one the other way round."""
    found, back = compared(left, right, folder), compared(right, left, folder)
    back = replace(back, left=replace(back.left, name=found.right.name), right=replace(back.right, name="left.bin"))
    assert back == mirrored(found)
    return found


def test_shifts_mirror_each_other(tmp_path: Path) -> None:
    link, kept = Node(trees.SYMLINK, 0o777, target="a"), Node(trees.FILE)
    left = tar({"kept": kept, "a": link, "ab": Node(trees.FILE, data=b"\0")}, tmp_path)
    right = tar({"kept": kept, "ab": link, "a": link}, tmp_path)
    assert mirrored(compared(right, left, tmp_path)).accounts == compared(left, right, tmp_path).accounts


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_damage_looks_the_same_from_either_side(name: str, tmp_path: Path) -> None:
    rng = random.Random(f"mirror {name}")
    for _ in range(12):
        both_ways(sample(name), damaged(sample(name), rng), tmp_path)


@pytest.mark.parametrize("pair", [("cpio", "tar"), ("deb", "ar"), ("iso", "bootable-iso"), ("fat", "disk")])
def test_other_formats_look_the_same_from_either_side(pair: tuple[str, str], tmp_path: Path) -> None:
    both_ways(sample(pair[0]), sample(pair[1]), tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_squashfs_looks_the_same_from_either_side(seed: int, tmp_path: Path) -> None:
    left = trees.tree(seed)
    right = trees.mutated(left, seed + 600)
    options = ("-comp gzip", "-comp xz", "-comp zstd -b 8192")[seed]
    images = trees.squashfs(left, tmp_path / "a"), trees.squashfs(right, tmp_path / "b", options)
    found = both_ways(images[0].read_bytes(), images[1].read_bytes(), tmp_path)
    assert {d.location[0]: set(d.aspects) for d in found.divergences if d.location} == trees.expected(left, right)


NAMES = st.sampled_from(["a", "b", "ab", "a.b", "é", "\udcff", "<b>", "x\x1b[2J", "-", "a b", "..."])
TIMES = st.integers(1, 1 << 31)
OWNERS = st.integers(0, 0o777777)
FILES = st.builds(
    Node,
    st.just(trees.FILE),
    mode=st.integers(0, 0o7777),
    uid=OWNERS,
    gid=OWNERS,
    mtime=TIMES,
    data=st.binary(max_size=700) | st.integers(0, 20_000).map(bytes),
)
SYMLINKS = st.builds(Node, st.just(trees.SYMLINK), st.just(0o777), mtime=TIMES, target=NAMES)
FOLDERS = st.builds(Node, st.just(trees.DIRECTORY), mode=st.integers(0, 0o7777), uid=OWNERS, gid=OWNERS, mtime=TIMES)
TREES: st.SearchStrategy[Tree] = st.dictionaries(NAMES, FILES | SYMLINKS | FOLDERS, min_size=1, max_size=7).map(
    lambda tree: {"kept": Node(trees.FILE), **tree}  # a tar of nothing is no tar
)
MAKERS = st.sampled_from([tar, cpio])


@given(left=TREES, right=TREES, make=MAKERS)
def test_any_two_trees(left: Tree, right: Tree, make: Callable[[Tree, Path], bytes]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        found = both_ways(make(left, folder), make(right, folder), folder)
        assert {d.location[0]: set(d.aspects) for d in found.divergences if d.location} == trees.expected(left, right)
        assert not found.unexamined


def edits(node: Node) -> dict[str, Node]:
    """Every way to change one aspect of `node` alone."""
    changed = {"mtime": replace(node, mtime=node.mtime + 1)}
    if node.kind == trees.SYMLINK:
        return {**changed, "link": replace(node, target=node.target + "!")}
    changed |= {"mode": replace(node, mode=node.mode ^ 0o040), "owner": replace(node, gid=node.gid + 1)}
    if node.kind == trees.FILE:
        changed["content"] = replace(node, data=node.data + b"!")
    return changed


@given(tree=TREES, make=MAKERS, data=st.data())
def test_one_edit_is_one_divergence(tree: Tree, make: Callable[[Tree, Path], bytes], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(tree.keys() - {"kept"})))
    ways: dict[str, Node | None] = {**edits(tree[path]), "presence": None}
    aspect = data.draw(st.sampled_from(sorted(ways)))
    node = ways[aspect]
    other = {**tree, path: node} if node else {name: kept for name, kept in tree.items() if name != path}
    with TemporaryDirectory() as name:
        folder = Path(name)
        found = both_ways(make(tree, folder), make(other, folder), folder)
    assert [(d.location, d.aspects) for d in found.divergences] == [((path,), (aspect,))]


@given(left=st.binary(max_size=300), right=st.binary(max_size=300))
def test_any_bytes(left: bytes, right: bytes) -> None:
    with TemporaryDirectory() as folder:
        both_ways(left, right, Path(folder))
