"""Random file trees as plain data, squashfs images made of them, and the divergences that two of them must have.

The expectation is computed from the data alone, never from an image: it is what the walker is judged by.
"""

from __future__ import annotations

import os
import random
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

FILE, DIRECTORY, SYMLINK, CHARACTER, BLOCK, FIFO = (
    "file",
    "directory",
    "symlink",
    "character device",
    "block device",
    "fifo",
)
_PSEUDO = {CHARACTER: "C 1", BLOCK: "B 1", FIFO: "I 1"}  # upper case takes an mtime


@dataclass(frozen=True)
class Node:
    """One path; `twin` is the path that it is a hard link to. Owner and mode of links are never varied."""

    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 1
    data: bytes = b""
    target: str = ""
    device: tuple[int, int] = (1, 1)
    xattrs: tuple[tuple[str, bytes], ...] = ()
    twin: str = ""


Tree = dict[str, Node]


def content(rng: random.Random) -> bytes:
    """Bytes of a size and texture that some corner of squashfs cares about: holes, full blocks, tails."""
    size = rng.choice((0, 1, 7, 100, 4095, 4096, 4097, 12288, 131072, 131073, 200_000))
    texture = rng.randrange(4)
    if texture == 0:
        return bytes(size)
    if texture == 1:
        return rng.randbytes(size)
    if texture == 2:
        return (b"hole" + bytes(8188) + rng.randbytes(100)) * 10 + bytes(size)
    return (b"line %d\n" % rng.randrange(9)) * (size // 7)


def tree(seed: int) -> Tree:
    """A tree of some fifty paths of all kinds, some names not UTF-8."""
    rng = random.Random(seed)
    made: Tree = {".": Node(DIRECTORY, 0o755)}
    folders = [""]
    for number in range(50):
        parent = rng.choice(folders)
        name = rng.choice(("a", "bee", "é", os.fsdecode(b"\xff\xfe"), "c.d")) + str(number)
        path = f"{parent}/{name}" if parent else name
        common = {"uid": rng.choice((0, 0, 1000)), "gid": rng.choice((0, 7)), "mtime": rng.randrange(1, 9)}
        kind = rng.choice((FILE, FILE, FILE, FILE, DIRECTORY, SYMLINK, CHARACTER, BLOCK, FIFO))
        if kind == FILE:
            files = [p for p, n in made.items() if n.kind == FILE and not n.twin]
            if files and rng.random() < 0.15:
                twin = rng.choice(files)
                made[path] = replace(made[twin], twin=twin)
                continue
            data = rng.choice([made[p].data for p in files] or [b""]) if rng.random() < 0.2 else content(rng)
            xattrs = ((f"user.{rng.choice('xy')}", rng.randbytes(rng.choice((1, 300)))),) if rng.random() < 0.2 else ()
            made[path] = Node(FILE, rng.choice((0o644, 0o755, 0o4755)), data=data, xattrs=xattrs, **common)
        elif kind == DIRECTORY:
            made[path] = Node(DIRECTORY, 0o755, **common)
            folders.append(path)
        elif kind == SYMLINK:
            made[path] = Node(SYMLINK, 0o777, mtime=common["mtime"], target=f"to/{rng.randrange(9)}")
        else:
            made[path] = Node(kind, 0o600, device=(rng.randrange(200), rng.randrange(300)), **{**common, "mtime": 1})
    return made


def mutated(original: Tree, seed: int) -> Tree:
    """`original` with about eight changes of all sorts."""
    rng = random.Random(seed)
    made = dict(original)
    twins = {n.twin for n in made.values() if n.twin}
    for _ in range(8):
        path = rng.choice(sorted(made))
        node = made[path]
        if node.twin or path in twins or path == ".":  # mksquashfs takes the root's owner and mode as they are
            continue
        change = rng.randrange(9)
        if change == 0 and node.kind not in (DIRECTORY,):
            del made[path]
        elif change == 1 and node.kind not in (SYMLINK,):
            made[path] = replace(node, mode=node.mode ^ 0o022)
        elif change == 2 and node.kind not in (SYMLINK,):
            made[path] = replace(node, uid=node.uid + 1)
        elif change == 3 and node.kind in (FILE, DIRECTORY, SYMLINK):
            made[path] = replace(node, mtime=node.mtime + 10)
        elif node.kind == FILE and change == 4:
            made[path] = replace(node, xattrs=(("user.new", b"\0\xff"),))
        elif node.kind == FILE and change == 8:
            made[path] = replace(node, kind=FIFO, data=b"", xattrs=(), mtime=1)
        elif node.kind == FILE:
            made[path] = replace(node, data=changed(node.data, rng))
        elif node.kind == SYMLINK:
            made[path] = replace(node, target=node.target + "x")
        elif node.kind in (CHARACTER, BLOCK):
            made[path] = replace(node, device=(node.device[0], node.device[1] + 1))
    made[f"added{seed}"] = Node(FILE, data=b"new")
    return made


def changed(data: bytes, rng: random.Random) -> bytes:
    """`data` with one byte changed, or longer where it is empty."""
    if not data:
        return b"!"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def expected(left: Tree, right: Tree) -> dict[str, set[str]]:
    """Aspects by path, as brute force finds them."""
    found: dict[str, set[str]] = {}
    groups = _groups(left), _groups(right)
    for path in left.keys() | right.keys():
        a, b = left.get(path), right.get(path)
        linked = tuple(group.get(path, set()) for group in groups)
        aspects = _aspects((a, linked[0]), (b, linked[1])) if a and b else {"presence"}
        if aspects:
            found[path] = aspects
    return found


def _aspects(left: tuple[Node, set[str]], right: tuple[Node, set[str]]) -> set[str]:
    """Of two nodes, each with its hard links."""
    (a, _), (b, _) = left, right
    links = (a.target, left[1]), (b.target, right[1])
    pairs = {
        "mode": (a.mode, b.mode) if SYMLINK not in (a.kind, b.kind) else ((), ()),
        "owner": ((a.uid, a.gid), (b.uid, b.gid)),
        "mtime": (a.mtime, b.mtime),
        "type": (a.kind, b.kind),
        "content": (a.data, b.data) if a.kind == b.kind else ((), ()),
        "xattr": (a.xattrs, b.xattrs),
        "device": (a.device, b.device) if a.kind == b.kind else ((), ()),
        "link": links if a.kind == b.kind or all(map(any, links)) else ((), ()),
    }
    return {aspect for aspect, (one, other) in pairs.items() if one != other}


def _groups(tree: Tree) -> dict[str, set[str]]:
    """By path, all paths of the same file, where there are several."""
    groups: dict[str, set[str]] = {}
    for path, node in tree.items():
        if node.twin:
            groups.setdefault(node.twin, {node.twin}).add(path)
    return {path: group for group in groups.values() for path in group}


def squashfs(tree: Tree, folder: Path, options: str = "", mkfs_time: int = 1) -> Path:
    """`tree` as a squashfs image made by mksquashfs with `options`, inside `folder`."""
    root, image, pseudo = folder / "root", folder / "image.squashfs", folder / "pseudo"
    root.mkdir(parents=True)
    definitions = []
    for path, node in tree.items():
        place = root / path
        if node.kind == DIRECTORY:
            place.mkdir(exist_ok=True)
        elif node.kind == SYMLINK:
            place.symlink_to(node.target)
        elif node.twin and node.twin in tree:
            os.link(root / node.twin, place)
            continue
        elif node.kind == FILE:
            place.write_bytes(node.data)
            for name, value in node.xattrs:
                os.setxattr(place, name, value)
        definitions.append(_pseudo(path, node))
    for path, node in sorted(tree.items(), reverse=True):
        if node.kind in (FILE, DIRECTORY, SYMLINK):
            os.utime(root / path, (node.mtime, node.mtime), follow_symlinks=False)
    pseudo.write_bytes(b"".join(definitions))
    argv = ["mksquashfs", root, image, "-quiet", "-no-progress", "-noappend", "-mkfs-time", str(mkfs_time)]
    argv += ["-pf", pseudo, "-processors", "1", *options.split()]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return image


def _pseudo(path: str, node: Node) -> bytes:
    if node.kind == SYMLINK or path == ".":
        return b""
    kind = _PSEUDO.get(node.kind, "m")
    numbers = f"{node.device[0]} {node.device[1]}"
    tail = {CHARACTER: numbers, BLOCK: numbers, FIFO: "f"}.get(node.kind, "")
    return os.fsencode(path) + f" {kind} {node.mode:o} {node.uid} {node.gid} {tail}\n".encode()
