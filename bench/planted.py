"""Changes planted in a copy of a tree, and the list of them: the ground truth of a benchmark."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Location = tuple[str, ...]

_BYTES = 8  # changed of each file
_LONGEST = 8 << 20  # bytes of a file that is changed: diffoscope disassembles what is larger for minutes
_PLAIN = re.compile(r"[\w./+-]+")  # names that a pseudo file definition of mksquashfs takes as they are
_WORDS = re.compile(rb"[A-Za-z]{8,}")
# No .mo of other charsets: diffoscope 332 ends with a traceback, and without a report, where its text does not decode.
_DOCUMENTS = (".gz", ".py", ".html", ".txt", ".svg", ".pl", ".pm", ".vim", ".xml", ".page", ".png")


@dataclass(frozen=True)
class Planted:
    """What was changed: the aspects that diverge by path, and the owners that mksquashfs is to give."""

    aspects: dict[str, str]
    owners: tuple[str, ...] = ()

    def truth(self, container: str) -> dict[Location, str]:
        """The aspect by location, for changes within `container`."""
        return {(container, path): aspect for path, aspect in self.aspects.items()}


def few(tree: Path) -> Planted:
    """Change eight bytes each of 40 files of all kinds, sizes and times kept."""
    chance = random.Random("40 files")
    files = [path for path in _files(tree) if 512 <= (tree / path).stat().st_size <= _LONGEST]
    kinds: tuple[tuple[int, Callable[[str], bool]], ...] = (
        (8, lambda path: path.endswith(".ko")),
        (8, lambda path: ".so" in path or path.startswith(("usr/bin/", "usr/sbin/"))),
        (6, lambda path: path.endswith(".py")),
        (5, lambda path: path.endswith(".gz")),
        (5, lambda path: path.startswith("etc/") or path.endswith(("/copyright", ".vim", ".pm"))),
        (4, lambda path: path.endswith(".svg")),
        (2, lambda path: path.endswith(".png")),
        (2, lambda path: path.endswith(".mo")),
    )
    chosen: list[str] = []
    for count, fits in kinds:
        chosen += chance.sample([path for path in files if fits(path) and path not in chosen], count)
    for path in chosen:
        change(tree / path, chance)
    return Planted(dict.fromkeys(chosen, "content"))


def many(tree: Path) -> Planted:
    """Some 10,000 changes: 4,000 contents, 4,000 times, 1,000 modes and owners, 500 entries on one side alone each."""
    chance = random.Random("10,000 entries")
    files = _files(tree)
    folders = [
        str(path.relative_to(tree)) for path in sorted(tree.rglob("*")) if path.is_dir() and not path.is_symlink()
    ]
    documents = [p for p in files if p.endswith((*_DOCUMENTS, "/copyright")) and (tree / p).stat().st_size >= 64]
    contents = chance.sample(documents, 4000)
    rest = sorted(set(files) - set(contents))
    chance.shuffle(rest)
    plain = [path for path in rest if _PLAIN.fullmatch(path)]
    owners = dict.fromkeys(plain[:500], "owner")
    rest = [path for path in rest if path not in owners]
    modes, gone, models, times = rest[:500], rest[500:1000], rest[1000:1500], rest[1000:4700]
    news = [f"{path}.new" for path in models]
    for path in contents:
        change(tree / path, chance)
    for path in modes:
        os.chmod(tree / path, stat.S_IMODE((tree / path).stat().st_mode) ^ 0o022)
    with _times_kept(tree / os.path.dirname(path) for path in (*gone, *news)):
        for path in gone:
            (tree / path).unlink()
        for path, new in zip(models, news, strict=True):
            shutil.copy2(tree / path, tree / new)
    touched = (*times, *chance.sample(folders, 300))
    for path in touched:
        status = (tree / path).stat()
        os.utime(tree / path, ns=(status.st_atime_ns, status.st_mtime_ns + chance.randrange(1, 10**6) * 10**9))
    found = {**dict.fromkeys(contents, "content"), **dict.fromkeys(touched, "mtime"), **dict.fromkeys(modes, "mode")}
    found |= {**owners, **dict.fromkeys((*gone, *news), "presence")}
    given = [f"{path} m {stat.S_IMODE((tree / path).stat().st_mode):04o} 1000 1000" for path in owners]
    return Planted(found, tuple(given))


def change(path: Path, chance: random.Random) -> None:
    """Change eight bytes of a file (of a gzip header: the time) as another build might, size and time kept."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    if data[:2] == b"\x1f\x8b":
        data[4:8] = _other(bytes(data[4:8]), lambda: chance.randbytes(4))
    else:
        at = _place(data, chance)
        letters = bytes(data[at : at + _BYTES]).isalpha()
        made = (
            (lambda: bytes(chance.choices(b"abcdefghijklm", k=_BYTES))) if letters else lambda: chance.randbytes(_BYTES)
        )
        data[at : at + _BYTES] = _other(bytes(data[at : at + _BYTES]), made)
    with open(path, "r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def write(path: Path, truth: dict[Location, str]) -> None:
    """The ground truth as JSON, sorted."""
    rows = [{"location": list(location), "aspect": aspect} for location, aspect in sorted(truth.items())]
    path.write_text(json.dumps(rows, indent=0) + "\n")


def read(path: Path) -> dict[Location, str]:
    """The inverse of `write`."""
    return {tuple(row["location"]): row["aspect"] for row in json.loads(path.read_text())}


def _files(tree: Path) -> list[str]:
    """Regular files that share their bytes with no other name, sorted."""
    found = []
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                found.append(os.path.relpath(path, tree))
    return sorted(found)


def _place(data: bytearray, chance: random.Random) -> int:
    """Where to change: inside a word of the second half where there is one, so that text stays text."""
    middle = len(data) // 2
    if b"\0" not in data[:4096] and (word := _WORDS.search(data, middle) or _WORDS.search(data)):
        return word.start()
    return chance.randrange(middle, len(data) - _BYTES)


def _other(old: bytes, made: Callable[[], bytes]) -> bytes:
    new = old
    while any(a == b for a, b in zip(old, new, strict=True)):
        new = made()
    return new


@contextmanager
def _times_kept(folders: Iterable[Path]) -> Iterator[None]:
    kept = [(folder, folder.stat()) for folder in set(folders)]
    yield
    for folder, status in kept:
        os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))
