"""What the usual programs unpack, as a tree of plain data (`trees.Tree`): the brute force the walker is held against.

    python -m tests.compare.unpacked FOLDER PROGRAM ARGUMENT...     runs PROGRAM, writes FOLDER as a pickle

That runs apart from the tests, and under fakeroot where they are not root's: owners and device nodes take it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

from tests.compare.trees import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, SYMLINK, Node, Tree, changed

_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK,
    stat.S_IFIFO: FIFO,
}
_ROOT = Path(__file__).parents[2]


def unpacked(folder: Path, *argv: str | Path) -> Tree:
    """What lies in `folder` once the program `argv` has filled it; a file's `data` is its SHA-256.

    Raises CalledProcessError where the program fails.
    """
    around = [] if os.geteuid() == 0 else ["fakeroot", "--"]
    command = [*around, sys.executable, "-m", "tests.compare.unpacked", folder, *argv]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=_ROOT, env={**os.environ, "TZ": "UTC"})
    return cast(Tree, pickle.loads(done.stdout))


def squashfs(image: Path, folder: Path) -> Tree:
    """What `unsquashfs` finds in `image`."""
    return unpacked(folder, "unsquashfs", "-quiet", "-no-progress", "-dest", folder, image)


def read(folder: Path) -> Tree:
    """Everything below `folder` as it lies there, the folder itself first."""
    tree: Tree = {}
    first: dict[int, str] = {}  # the path that was seen first of each file that has several
    pending = [(folder, ".")]
    while pending:
        place, path = pending.pop()
        status = place.lstat()
        tree[path] = _node(place, status)
        if tree[path].kind == DIRECTORY:
            inside = sorted(os.listdir(place), reverse=True)
            pending += [(place / name, name if path == "." else f"{path}/{name}") for name in inside]
        elif status.st_nlink > 1:
            twin = first.setdefault(status.st_ino, path)
            tree[path] = replace(tree[path], twin=twin if twin != path else "")
    return tree


def _node(place: Path, status: os.stat_result) -> Node:
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    device = kind in (CHARACTER, BLOCK)
    xattrs = sorted(os.listxattr(place, follow_symlinks=False))
    return Node(
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        int(status.st_mtime),
        data=_digest(place) if kind == FILE else b"",
        target=os.readlink(place) if kind == SYMLINK else "",
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if device else (0, 0),
        xattrs=tuple((name, os.getxattr(place, name, follow_symlinks=False)) for name in xattrs),
    )


def _digest(place: Path) -> bytes:
    with open(place, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def mutate(folder: Path, seed: int, times: int) -> None:
    """Change about `times` paths below `folder`, each in one of many ways, and add some; owners only as root."""
    rng = random.Random(seed)
    paths = sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    picked = rng.sample(paths, min(times, len(paths)))
    for number, path in enumerate(picked):
        if path.is_symlink():
            target = os.readlink(path)
            path.unlink()
            path.symlink_to(f"{target}x")
        else:
            _change(path, number % 8, rng)
    folders = sorted(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())
    for number, path in enumerate(folders):  # links may lead out of `folder`
        if number % 20 == 3:
            path.chmod(path.stat().st_mode ^ 0o020)
        elif number % 20 == 5:
            (path / f"added é {seed}").write_bytes(rng.randbytes(5000))
            (path / f"added folder {seed}").mkdir(0o700)


def _change(path: Path, how: int, rng: random.Random) -> None:
    status = path.stat()
    if how in (0, 1):  # 0: and nothing else but the content
        path.write_bytes(changed(path.read_bytes(), rng) if how == 0 else path.read_bytes() + b"longer\n")
        os.utime(path, (status.st_mtime, status.st_mtime))
    elif how == 2:
        path.chmod(stat.S_IMODE(status.st_mode) ^ 0o4011)
    elif how == 3:
        os.utime(path, (status.st_mtime, status.st_mtime + 3))
    elif how == 4:
        path.unlink()
    elif how == 5:
        os.link(path, path.with_name(f"{path.name}.twin"))
    elif how == 6 and os.geteuid() == 0:
        os.chown(path, status.st_uid + 1, status.st_gid + 2)
    else:
        path.unlink()
        path.symlink_to("elsewhere")


if __name__ == "__main__":
    subprocess.run(sys.argv[2:], check=True, stdout=sys.stderr)
    sys.stdout.buffer.write(pickle.dumps(read(Path(sys.argv[1]))))
