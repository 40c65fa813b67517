"""The walker against brute force: random trees, many mksquashfs option sets, exactly the expected divergences."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.compare import compare_artifacts
from tests.compare import trees

OPTIONS = (
    "-comp gzip -b 4096",
    "-comp gzip",
    "-comp xz",
    "-comp xz -Xbcj x86",
    "-comp zstd -Xcompression-level 1",
    "-comp lz4",
    "-no-fragments",
    "-always-use-fragments -b 8192",
    "-noI -noD -noF -noX",
    "-noI -noId",
    "-no-exports -no-duplicates",
    "-no-sparse -b 1048576",
    "-noF",
)


def found(left: Path, right: Path) -> dict[str, set[str]]:
    result = compare_artifacts(left, right, deep=False)
    assert not result.unexamined
    return {d.location[0]: set(d.aspects) for d in result.divergences if d.location}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("seed", [1, 2])
def test_same_options(options: str, seed: int, tmp_path: Path) -> None:
    left = trees.tree(seed)
    right = trees.mutated(left, seed + 100)
    images = trees.squashfs(left, tmp_path / "a", options), trees.squashfs(right, tmp_path / "b", options)
    assert found(*images) == trees.expected(left, right)


@pytest.mark.parametrize("number", range(1, len(OPTIONS)))
def test_other_options(number: int, tmp_path: Path) -> None:
    left = trees.tree(number)
    right = trees.mutated(left, number + 200)
    images = (
        trees.squashfs(left, tmp_path / "a", OPTIONS[number - 1]),
        trees.squashfs(right, tmp_path / "b", OPTIONS[number]),
    )
    assert found(*images) == trees.expected(left, right)


@pytest.mark.parametrize("options", [("-comp xz", "-comp zstd"), ("-b 4096", "-b 65536"), ("", "-no-fragments")])
def test_equal_trees_by_other_options_differ_in_structure_alone(options: tuple[str, str], tmp_path: Path) -> None:
    tree = trees.tree(5)
    images = [trees.squashfs(tree, tmp_path / str(n), option) for n, option in enumerate(options)]
    result = compare_artifacts(*images, deep=False)
    assert [d.location for d in result.divergences] == [()]
    assert result.verdict == "different" and "structure" in result.divergences[0].aspects


def test_mkfs_time_is_named(tmp_path: Path) -> None:
    tree = trees.tree(6)
    images = [trees.squashfs(tree, tmp_path / str(time), mkfs_time=time) for time in (10, 11)]
    (only,) = compare_artifacts(*images, deep=False).divergences
    assert (only.location, only.aspects) == ((), ("structure",))
    assert only.left == {"superblock mkfs time": 10} and only.right == {"superblock mkfs time": 11}
    assert [(r.side, r.start, r.end) for r in only.ranges] == [("both", 8, 12)]


def test_data_order_is_told_once(tmp_path: Path) -> None:
    tree = {".": trees.Node("directory", 0o755)} | {
        f"f{n}": trees.Node("file", data=bytes([n + 1]) * 5000) for n in range(9)
    }
    sort = tmp_path / "sort"
    sort.write_text("f7 100\n")
    images = [
        trees.squashfs(tree, tmp_path / str(n), "-no-fragments " + extra)
        for n, extra in enumerate(("", f"-sort {sort}"))
    ]
    (only,) = compare_artifacts(*images, deep=False).divergences
    assert (only.location, only.aspects) == ((), ("order",))
