"""diffoscope as the oracle, on the pairs that its own source distribution brings for its tests.

Whatever it calls different is different here, and in archives the leaves in which it finds differences are the ones
whose content differs here. Names that it shows and that are no member (`file list`, a command) count for what
contains them. Members that it matched by similarity are another question and left out.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from repro import formats
from repro.compare import compare_artifacts
from repro.formats.base import Container, Malformed

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("diffoscope-data")]

ARCHIVES = {"tar", "ar", "cpio", "iso9660", "squashfs", "fat", "disk", "initrd", "ext"}
_VARIES = re.compile(r"\d+|(?<![a-z])[ab](?![a-z])")
# archives in which the two read differently, each for a reason
OTHERWISE = {
    "fat": "diffoscope needs guestfs to look into FAT",
    "ext4": "diffoscope needs guestfs to look into ext4",
    "testN.a": "diffoscope disassembles object files and does not list their bytes",
    "testN.rlib": "as testN.a",
    "testN.binwalk": "diffoscope needs binwalk for an initrd of two segments",
}


def pairs(data: Path) -> dict[str, tuple[Path, Path]]:
    """Files whose names differ in one number or in one letter `a` or `b` alone."""
    families: dict[str, list[Path]] = {}
    for path in sorted(path for path in data.rglob("*") if path.is_file() and "expected" not in path.name):
        folder = "" if path.parent == data else f"{path.parent.relative_to(data)}-".replace("/", "-")
        for found in _VARIES.finditer(path.name):
            key = f"{folder}{path.name[: found.start()]}N{path.name[found.end() :]}"
            families.setdefault(key, []).append(path)
    return {
        f"{number:02d}-{key}": pair
        for key, family in sorted(families.items())
        for number, pair in enumerate(combinations(family, 2))
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path, dict[str, Any]]]:
    """Both files of each pair and what diffoscope says of them; those on which it fails are left out."""
    folder = tmp_path_factory.mktemp("diffoscope")
    wanted = f"diffoscope=={version('diffoscope')}"
    argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, wanted]
    subprocess.run(argv, check=True, timeout=300, capture_output=True)
    (source,) = folder.glob("diffoscope-*.tar.gz")
    shutil.unpack_archive(source, folder)
    (data,) = folder.glob("diffoscope-*/tests/data")
    found = pairs(data)
    sides = folder / "left", folder / "right"
    for number, side in enumerate(sides):
        side.mkdir()
        for name, pair in found.items():
            (side / name).hardlink_to(pair[number])
    out = folder / "out"
    out.mkdir()
    argv = [sys.executable, "-m", "tests.compare.diffoscope_runs", *map(str, (*sides, out))]
    subprocess.run(argv, check=True, timeout=900, capture_output=True, cwd=Path(__file__).parents[2])
    reports = {path.name.removesuffix(".json"): json.loads(path.read_bytes()) for path in out.glob("*.json")}
    return {name: (sides[0] / name, sides[1] / name, report) for name, report in reports.items()}


def test_what_differs_there_differs_here(told: dict[str, tuple[Path, Path, dict[str, Any]]]) -> None:
    assert len(told) > 140
    for name, (left, right, report) in told.items():
        found = compare_artifacts(left, right, deep=False)
        assert found.verdict == "different", name
        assert report["source1"] and found.divergences, name


def test_the_same_leaves_in_archives(told: dict[str, tuple[Path, Path, dict[str, Any]]]) -> None:
    wrong, seen = {}, 0
    for name, (left, right, report) in told.items():
        found = compare_artifacts(left, right, deep=False)
        if not {account.format for account in found.accounts} & ARCHIVES or any(part in name for part in OTHERWISE):
            continue
        view, other = (memoryview(path.read_bytes()) for path in (left, right))
        theirs = {place for place in leaves(report, view, ()) if place and leaves_of(view, other, place)}
        ours = {d.location for d in found.divergences if "content" in d.aspects and d.location}
        seen += 1
        if theirs != ours:
            wrong[name] = {"only there": theirs - ours, "only here": ours - theirs}
    assert not wrong
    assert seen > 15


def leaves(node: dict[str, Any], view: memoryview, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The members below `place`, which holds `view`, in which diffoscope's `node` finds differences."""
    container = opened(view)
    below = False
    for detail in node.get("details") or ():
        if detail["source1"] != detail["source2"]:
            continue
        name = str(detail["source1"])
        if container is not None and container.format == "stream" and " " not in name and name != "metadata":
            inner = next(iter(container.members())).content
            if inner is not None:
                below = True
                yield from leaves(detail, memoryview(b"".join(bytes(p.read()) for p in inner.pieces())), place)
            continue
        member = None
        if container is not None and container.format not in ("stream", "pyc"):
            wanted = name.removeprefix("./").removeprefix("/")
            member = next((m for m in container.members() if m.name == wanted and m.content), None)
        if member is not None and member.content is not None:
            below = True
            data = memoryview(b"".join(bytes(piece.read()) for piece in member.content.pieces()))
            yield from leaves(detail, data, (*place, member.name))
    if not below:
        yield place


def opened(view: memoryview) -> Container | None:
    try:
        return formats.opened(view)
    except Malformed:
        return None


def leaves_of(left: memoryview, right: memoryview, place: tuple[str, ...]) -> bool:
    """Whether what lies at `place` is a leaf here: no archive, whose own listing alone differs."""
    for part in place:
        container = through(left)
        member = container and next((m for m in container.members() if m.name == part and m.content), None)
        if not member or not member.content:
            return False
        left = memoryview(b"".join(bytes(piece.read()) for piece in member.content.pieces()))
    inside = through(left)
    return inside is None or inside.format in ("stream", "pyc")


def through(view: memoryview) -> Container | None:
    """The container in `view`; in a compressed stream, the one that it holds, or the stream where it holds none."""
    container = opened(view)
    if container is not None and container.format == "stream":
        inner = next(iter(container.members())).content
        held = inner and opened(memoryview(b"".join(bytes(piece.read()) for piece in inner.pieces())))
        return held or container
    return container
