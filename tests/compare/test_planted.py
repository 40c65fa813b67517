"""One change planted in one member of each format: exactly that divergence, with the two values, and nothing else."""

from __future__ import annotations

import lzma
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.compare import trees
from tests.compare.oracles import compared
from tests.compare.test_brute_force_archives import cpio, iso, tar
from tests.compare.trees import Node, Tree
from tests.formats import samples

Make = Callable[[Tree, Path], bytes]

BASE: Tree = {
    ".": Node(trees.DIRECTORY, 0o755, mtime=5),
    "etc": Node(trees.DIRECTORY, 0o755, mtime=5),
    "etc/file": Node(trees.FILE, 0o644, mtime=1_000_000_000, data=b"before\n" * 900),
    "etc/other": Node(trees.FILE, 0o644, mtime=1_000_000_000, data=b"the same"),
    "etc/link": Node(trees.SYMLINK, 0o777, mtime=1_000_000_000, target="file"),
    "zone": Node(trees.DIRECTORY, 0o755, mtime=5),
    "zone/last": Node(trees.FILE, 0o600, mtime=1_000_000_000, data=bytes(range(256)) * 20),
}
FILE, LINK = BASE["etc/file"], BASE["etc/link"]
PLANTED: dict[str, tuple[str, Node | None, dict[str, Any], dict[str, Any]]] = {
    "content": ("etc/file", replace(FILE, data=FILE.data[:-1] + b"!"), {"size": 6300}, {"size": 6300}),
    "mode": ("etc/file", replace(FILE, mode=0o755), {"mode": "0644"}, {"mode": "0755"}),
    "owner": ("etc/file", replace(FILE, uid=33), {"uid": 0}, {"uid": 33}),
    "mtime": ("etc/file", replace(FILE, mtime=FILE.mtime + 2), {"mtime": 1_000_000_000}, {"mtime": 1_000_000_002}),
    "link": ("etc/link", replace(LINK, target="fool"), {"target": "file"}, {"target": "fool"}),
    "presence": ("zone/last", None, {"size": 5120, "type": "file"}, {}),
    "xattr": ("etc/file", replace(FILE, xattrs=(("user.x", b"1"),)), {"xattrs": {}}, {"xattrs": {"user.x": "1"}}),
}


def squashfs(tree: Tree, folder: Path) -> bytes:
    return trees.squashfs(tree, folder).read_bytes()


def owned_iso(tree: Tree, folder: Path) -> bytes:
    """As `iso`, owners set in the image, which needs no privilege."""
    (folder / "plain").mkdir(parents=True)
    (folder / "image").write_bytes(iso(tree, folder / "plain"))
    numbers = [("-chown", str(node.uid), f"/{path}", "--") for path, node in tree.items() if path != "."]
    samples.tool(
        *("xorriso", "-md5", "off", "-compliance", "no_emul_toc"),
        *("-indev", folder / "plain/image", "-outdev", folder / "owned"),
        *("-volume_date", "all_file_dates", "set_to_mtime", "-volume_date", "uuid", "2020010100000000"),
        *(part for command in numbers for part in command),
        "-commit",
    )
    return (folder / "owned").read_bytes()


def deb(tree: Tree, folder: Path) -> bytes:
    data = lzma.compress(tar(tree, folder))
    return samples.archive_ar({b"debian-binary": b"2.0\n", b"data.tar.xz": data})


def fat(tree: Tree, folder: Path) -> bytes:
    """Files and folders; the write permission is the read-only attribute."""
    folder.mkdir(parents=True)
    image, source = folder / "image", folder / "source"
    image.write_bytes(bytes(720 * 1024))
    samples.tool("mformat", "-i", image, "-N", "12345678", "-f", "720", "::")
    for path, node in tree.items():
        if path == ".":
            continue
        if node.kind == trees.DIRECTORY:
            samples.tool("mmd", "-i", image, f"::{path}")
        elif node.kind == trees.FILE:
            source.write_bytes(node.data)
            os.utime(source, (node.mtime, node.mtime))
            samples.tool("mcopy", "-m", "-i", image, source, f"::{path}")
            samples.tool("mattrib", "-i", image, "+r" if node.mode & 0o100 else "-r", f"::{path}")
    return _without_creation(image.read_bytes())


def _without_creation(image: bytes) -> bytes:
    """Creation times are when the test ran: set them to zero in every directory entry of `image`."""
    out = bytearray(image)
    for name in (b"ETC        \x10", b"ZONE       \x10", b".          \x10", b"..         \x10"):
        at = out.find(name)
        while at >= 0:
            out[at + 13 : at + 20], out[at + 22 : at + 26] = bytes(7), bytes(4)
            at = out.find(name, at + 1)
    for name in (b"FILE       ", b"OTHER      ", b"LAST       "):
        at = out.find(name)
        while at >= 0:
            out[at + 13 : at + 20] = bytes(7)
            at = out.find(name, at + 1)
    return bytes(out)


PREFIX = {"deb": ("data.tar.xz",)}
MAKERS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "squashfs": (squashfs, ("content", "link", "mode", "mtime", "owner", "presence", "xattr")),
    "iso": (owned_iso, ("content", "link", "mode", "mtime", "owner", "presence")),
    "cpio": (cpio, ("content", "link", "mode", "mtime", "owner", "presence")),
    "tar": (tar, ("content", "link", "mode", "mtime", "owner", "presence", "xattr")),
    "deb": (deb, ("content", "link", "mode", "mtime", "owner", "presence", "xattr")),
    "fat": (fat, ("content", "mode", "mtime", "presence")),
}


@pytest.mark.parametrize(("form", "aspect"), [(f, a) for f, (_, aspects) in MAKERS.items() for a in aspects])
def test_one_change(form: str, aspect: str, tmp_path: Path) -> None:
    make = MAKERS[form][0]
    path, node, left_facts, right_facts = PLANTED[aspect]
    other = {**BASE, path: node} if node else {name: kept for name, kept in BASE.items() if name != path}
    found = compared(make(BASE, tmp_path / "a"), make(other, tmp_path / "b"), tmp_path)
    assert not found.unexamined
    (only,) = found.divergences
    assert (only.location, only.aspects) == ((*PREFIX.get(form, ()), path), (aspect,))
    if form == "fat" and aspect == "mode":
        left_facts, right_facts = {"attributes": "archive"}, {"attributes": "read-only+archive"}
    assert left_facts.items() <= (only.left or {}).items()
    assert right_facts.items() <= (only.right or {}).items()
    assert (only.right is None) == (aspect == "presence")


@pytest.mark.parametrize("form", sorted(MAKERS))
def test_the_same_made_twice_is_the_same(form: str, tmp_path: Path) -> None:
    make = MAKERS[form][0]
    found = compared(make(BASE, tmp_path / "a"), make(BASE, tmp_path / "b"), tmp_path)
    assert found.verdict == "identical"


def in_other_order(tree: Tree) -> Tree:
    files = [path for path, node in tree.items() if node.kind == trees.FILE]
    folders = {path: node for path, node in tree.items() if node.kind != trees.FILE}
    return {**folders, **{path: tree[path] for path in reversed(files)}}


@pytest.mark.parametrize("form", ["cpio", "tar", "deb", "fat"])
def test_another_order(form: str, tmp_path: Path) -> None:
    make = MAKERS[form][0]
    ordered = in_other_order(in_other_order(BASE))
    found = compared(make(ordered, tmp_path / "a"), make(in_other_order(BASE), tmp_path / "b"), tmp_path)
    (only,) = found.divergences
    assert (only.location, only.aspects) == (PREFIX.get(form, ()), ("order",))
