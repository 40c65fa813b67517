"""As `test_brute_force`, for the containers that are not squashfs: the same random trees, other writers."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from repro.compare import compare_artifacts
from tests.compare import trees
from tests.compare.trees import Tree
from tests.formats import samples

_TAR = {
    trees.FILE: tarfile.REGTYPE,
    trees.DIRECTORY: tarfile.DIRTYPE,
    trees.SYMLINK: tarfile.SYMTYPE,
    trees.CHARACTER: tarfile.CHRTYPE,
    trees.BLOCK: tarfile.BLKTYPE,
    trees.FIFO: tarfile.FIFOTYPE,
}
_CPIO = {trees.FILE: 0o100, trees.DIRECTORY: 0o040, trees.SYMLINK: 0o120, trees.CHARACTER: 0o020, trees.BLOCK: 0o060}


def tar(tree: Tree, folder: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, node in tree.items():
            info = tarfile.TarInfo(f"./{path}")
            info.type, info.linkname = _TAR[node.kind], node.target
            info.mode, info.uid, info.gid, info.mtime = node.mode, node.uid, node.gid, node.mtime
            info.devmajor, info.devminor = node.device
            info.size = len(node.data)
            info.pax_headers = {f"SCHILY.xattr.{name}": os.fsdecode(value) for name, value in node.xattrs}
            if node.twin:
                info.type, info.linkname, info.size = tarfile.LNKTYPE, f"./{node.twin}", 0
            archive.addfile(info, io.BytesIO(node.data))
    return out.getvalue()


def cpio(tree: Tree, folder: Path) -> bytes:
    numbers = {path: n for n, path in enumerate(tree, 1)}
    out = bytearray()
    for path, node in [*tree.items(), ("TRAILER!!!", trees.Node(trees.FILE))]:
        data = os.fsencode(node.target) or node.data
        mode = _CPIO.get(node.kind, 0o010) << 9 | node.mode
        linked = 2 if node.twin or any(other.twin == path for other in tree.values()) else 1
        name = os.fsencode(path) + b"\0"
        fields = (numbers.get(node.twin or path, 0), mode, node.uid, node.gid, linked, node.mtime, len(data))
        out += b"070701" + b"".join(b"%08x" % n for n in (*fields, 0, 0, *node.device, len(name), 0)) + name
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def iso(tree: Tree, folder: Path) -> bytes:
    root, image = folder / "root", folder / "image"
    root.mkdir(parents=True)
    for path, node in tree.items():
        if node.kind == trees.DIRECTORY:
            (root / path).mkdir(exist_ok=True)
        elif node.kind == trees.SYMLINK:
            (root / path).symlink_to(node.target)
        else:
            (root / path).write_bytes(node.data)
    for path, node in sorted(tree.items(), reverse=True):
        if node.kind != trees.SYMLINK:
            (root / path).chmod(node.mode)
        os.utime(root / path, (1, node.mtime), follow_symlinks=False)
    samples.tool("xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "LIVE", "-o", image, root)
    return image.read_bytes()


def plain(tree: Tree) -> Tree:
    """What of a tree an ISO made without privileges can hold: files, folders and symlinks with modes and times."""
    kept = {path: node for path, node in tree.items() if node.kind in (trees.FILE, trees.DIRECTORY, trees.SYMLINK)}
    return {
        path.replace("\udcff\udcfe", "y"): replace(node, uid=0, gid=0, xattrs=(), twin="", mode=node.mode | 0o400)
        for path, node in kept.items()
    }


def compared(make: Callable[[Tree, Path], bytes], pair: tuple[Tree, Tree], folder: Path) -> dict[str, set[str]]:
    for name, tree in zip(("left", "right"), pair, strict=True):
        (folder / f"{name}.img").write_bytes(make(tree, folder / name))
    result = compare_artifacts(folder / "left.img", folder / "right.img", deep=False)
    assert not result.unexamined
    return {d.location[0]: set(d.aspects) for d in result.divergences if d.location}


@pytest.mark.parametrize("make", [tar, cpio])
@pytest.mark.parametrize("seed", range(8))
def test_archives(make: Callable[[Tree, Path], bytes], seed: int, tmp_path: Path) -> None:
    left = trees.tree(seed)
    right = trees.mutated(left, seed + 300)
    if make is cpio:  # which has no extended attributes
        left, right = ({p: replace(n, xattrs=()) for p, n in tree.items()} for tree in (left, right))
    assert compared(make, (left, right), tmp_path) == trees.expected(left, right)


@pytest.mark.parametrize("seed", range(6))
def test_iso(seed: int, tmp_path: Path) -> None:
    left = trees.tree(seed)
    pair = plain(left), plain(trees.mutated(left, seed + 400))
    found = compared(iso, pair, tmp_path)
    assert found == trees.expected(*pair)
