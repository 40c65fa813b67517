"""The walker against what the usual programs unpack of real files: squashfs of every compressor."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from repro.compare import compare_artifacts
from tests.compare import trees, unpacked

COMPRESSORS = ("gzip", "lzma", "lzo", "xz", "lz4", "zstd")
ACROSS = (*zip(COMPRESSORS, (*COMPRESSORS[1:], COMPRESSORS[0]), strict=True), ("xz", "zstd"))
_SOURCE = Path("/usr/share")
_FILES, _LARGEST = 400, 200_000
_CONTAINERS = {".a", ".cpio", ".deb", ".img", ".iso", ".tar"}  # which are walked rather than compared


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Some of the host's own files, and the same with changes of all sorts."""
    folder = tmp_path_factory.mktemp("pair")
    left, right = folder / "left", folder / "right"
    for path in _some_files():
        place = left / path.relative_to(_SOURCE)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place, follow_symlinks=False)
    shutil.copytree(left, right, symlinks=True)
    unpacked.mutate(right, seed=1, times=80)
    return left, right


def _some_files() -> list[Path]:
    names = sorted(Path(folder, name) for folder, _, inside in os.walk(_SOURCE) for name in inside)
    random.Random(0).shuffle(names)
    return [path for path, _ in zip(filter(_fits, names), range(_FILES), strict=False)]


def _fits(path: Path) -> bool:
    small = path.is_file() and path.stat().st_size < _LARGEST and os.access(path, os.R_OK)
    return path.is_symlink() or (small and path.suffix not in _CONTAINERS)


def squashfs(root: Path, image: Path, compressor: str) -> Path:
    argv = ["mksquashfs", root, image, "-quiet", "-no-progress", "-comp", compressor, "-mkfs-time", "1"]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return image


def agree(left: Path, right: Path, folder: Path) -> dict[str, set[str]]:
    """Assert that both squashfs images differ as what `unsquashfs` makes of them does; how they do."""
    sides = unpacked.squashfs(left, folder / "left"), unpacked.squashfs(right, folder / "right")
    expected = trees.expected(*sides)
    result = compare_artifacts(left, right, deep=False)
    assert {d.location[0]: set(d.aspects) for d in result.divergences if d.location} == expected
    for unread in result.unexamined:  # a .gz that was changed is broken as a rule
        assert "content" in expected[unread.location[0]], unread
    return expected


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_squashfs_of_every_compressor(compressor: str, pair: tuple[Path, Path], tmp_path: Path) -> None:
    images = [squashfs(root, tmp_path / f"{root.name}.squashfs", compressor) for root in pair]
    told = set().union(*agree(images[0], images[1], tmp_path).values())
    assert told >= {"content", "mode", "mtime", "presence", "link", "type"}


@pytest.mark.parametrize("compressors", ACROSS)
def test_squashfs_across_compressors(compressors: tuple[str, str], pair: tuple[Path, Path], tmp_path: Path) -> None:
    chosen = zip(pair, compressors, strict=True)
    images = [squashfs(root, tmp_path / f"{root.name}.squashfs", compressor) for root, compressor in chosen]
    assert agree(images[0], images[1], tmp_path)
