"""The walker against what `dpkg-deb` and `tar` unpack of real packages and of changed ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from repro.compare import compare_artifacts
from tests.compare import trees, unpacked

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("debs")]

PACKAGES = ("hostname", "tree", "sl", "bsdutils")
_UNPACK = 'mkdir -p "$1"; dpkg-deb "$2" "$0" | tar -x -p --same-owner -C "$1"'
Told = dict[tuple[str, ...], set[str]]
_PARTS = {"control.tar.xz": "--ctrl-tarfile", "data.tar.xz": "--fsys-tarfile"}


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("debs")
    subprocess.run(["apt-get", "download", "-q", *PACKAGES], check=True, cwd=folder, capture_output=True)
    return {path.name.split("_")[0]: path for path in folder.glob("*.deb")}


def changed(deb: Path, folder: Path) -> Path:
    """`deb` built anew of what is in it, with changes in its control files and its data."""
    root, made = folder / "root", folder / "changed.deb"
    subprocess.run(["dpkg-deb", "-R", deb, root], check=True)
    unpacked.mutate(root / "usr", seed=1, times=12)
    control = root / "DEBIAN/control"
    control.write_text(control.read_text().replace("Version: ", "Version: 9"))
    (root / "DEBIAN/postinst").write_text("#!/bin/sh\n")
    (root / "DEBIAN/postinst").chmod(0o755)
    subprocess.run(["dpkg-deb", "-Zxz", "-b", root, made], check=True, stdout=subprocess.DEVNULL)
    return made


def told(found: Told, nodes: dict[tuple[str, ...], trees.Node]) -> Told:
    """Without what tar and what it unpacks cannot tell alike: it leaves folders with links in them with another time,
    and an entry of an archive does not know of the hard links to it that come later."""
    blind = {trees.DIRECTORY: {"mtime"}, trees.FILE: {"link"}}
    kept = {place: aspects - blind.get(nodes[place].kind, set()) for place, aspects in found.items()}
    return {place: aspects for place, aspects in kept.items() if aspects}


def agree(left: Path, right: Path, folder: Path) -> Told:
    """Assert that both packages differ as what is unpacked of them does; how they do."""
    expected: Told = {}
    nodes: dict[tuple[str, ...], trees.Node] = {}
    for part, option in _PARTS.items():
        places = folder / "left" / part, folder / "right" / part
        ours, theirs = (
            unpacked.unpacked(place, "sh", "-ec", _UNPACK, deb, place, option)
            for place, deb in zip(places, (left, right), strict=True)
        )
        expected |= {(part, path): aspects for path, aspects in trees.expected(ours, theirs).items()}
        nodes |= {(part, path): node for tree in (ours, theirs) for path, node in tree.items()}
    result = compare_artifacts(left, right, deep=False)
    found = {d.location: set(d.aspects) for d in result.divergences if len(d.location) > 1}
    assert told(found, nodes) == told(expected, nodes)
    assert all("content" in expected[unread.location] for unread in result.unexamined)  # a .gz that was broken
    return expected


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_and_what_was_changed_in_it(name: str, debs: dict[str, Path], tmp_path: Path) -> None:
    assert agree(debs[name], changed(debs[name], tmp_path), tmp_path).keys() > {("control.tar.xz", "control")}


def test_two_packages(debs: dict[str, Path], tmp_path: Path) -> None:
    assert agree(debs["tree"], debs["sl"], tmp_path)
