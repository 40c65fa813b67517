"""As `test_brute_force`, for ext2, ext3 and ext4: images by mke2fs, everything that needs root by debugfs."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from tests.compare import trees
from tests.compare.test_brute_force_archives import compared
from tests.compare.trees import Node, Tree
from tests.formats import samples

_TYPES = {trees.FILE: 0o100000, trees.DIRECTORY: 0o040000, trees.SYMLINK: 0o120000}
_DEVICES = {trees.CHARACTER: (0o020000, "c"), trees.BLOCK: (0o060000, "b"), trees.FIFO: (0o010000, "p")}
_OPTIONS = (
    "-t ext2 -b 1024",
    "-t ext3 -b 4096",
    "-t ext4 -b 1024",
    "-t ext4 -b 4096 -O inline_data",
    "-t ext4 -b 1024 -O ^extents,^metadata_csum,^64bit",
    "-t ext4 -b 1024 -O bigalloc,^resize_inode -C 8192",
)


def ext(options: str, tree: Tree, folder: Path) -> bytes:
    """`tree` as an image; every time of every inode is the node's `mtime` or 1."""
    root, image, script = folder / "root", folder / "image", folder / "script"
    root.mkdir(parents=True)
    for path, node in tree.items():
        place = root / path
        if node.kind == trees.DIRECTORY:
            place.mkdir(exist_ok=True)
        elif node.kind == trees.SYMLINK:
            place.symlink_to(node.target)
        elif node.twin and node.twin in tree:
            os.link(root / node.twin, place)
        elif node.kind == trees.FILE:
            place.write_bytes(node.data)
            for name, value in node.xattrs:
                os.setxattr(place, name, value)
    samples.tool("mke2fs", "-q", "-F", *samples.EXT, *options.split(), "-d", root, image, "24M")
    nodes = {"lost+found": Node(trees.DIRECTORY, 0o700), **tree}
    script.write_bytes(b"".join(os.fsencode(line) + b"\n" for each in nodes.items() for line in _lines(*each)))
    samples.tool("debugfs", "-w", "-f", script, image)
    return image.read_bytes()


def _lines(path: str, node: Node) -> list[str]:
    """What debugfs has to do for one path."""
    lines = []
    kind = _TYPES.get(node.kind, 0)
    if node.kind in _DEVICES:
        kind, letter = _DEVICES[node.kind]
        numbers = "" if letter == "p" else f" {node.device[0]} {node.device[1]}"
        lines += [f"cd /{path.rpartition('/')[0]}", f"mknod {path.rpartition('/')[2]} {letter}{numbers}", "cd /"]
    fields = {"uid": node.uid, "gid": node.gid, "mtime": f"@{node.mtime}", "ctime": "@1", "atime": "@1", "crtime": "@1"}
    if node.kind != trees.SYMLINK:
        fields["mode"] = f"0{kind | node.mode:o}"
    lines += [f"set_inode_field /{path} {name} {value}" for name, value in fields.items()]
    extra = ("ctime", "atime", "mtime", "crtime")
    return lines + [f"set_inode_field /{path} {name}_extra 0" for name in extra]


@pytest.mark.parametrize("options", _OPTIONS)
@pytest.mark.parametrize("seed", range(2))
def test_ext(options: str, seed: int, tmp_path: Path) -> None:
    left = trees.tree(seed)
    right = trees.mutated(left, seed + 500)
    found = compared(partial(ext, options), (left, right), tmp_path)
    assert found == trees.expected(left, right)
