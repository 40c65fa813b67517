"""Time our format readers against libraries: list every member of a real tree with its metadata, process time.

The libraries that are no dependencies (PySquashfsImage, pyfatfs) are looked for and left out where they are missing:
`pip install PySquashfsImage pyfatfs` brings them. Each reader runs in a process of its own, once to warm up and then
three times; the median counts.
"""

# ruff: noqa: PLC0415  (each reader imports its own library, in a process of its own)
from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

RUNS = 3


def ours(path: Path) -> int:
    from repro.compare.content import mapped
    from repro.formats import opened

    with open(path, "rb") as stream:
        container = opened(mapped(stream))
    return sum(1 for _ in container.members()) if container else 0


def pysquashfsimage(path: Path) -> int:
    from PySquashfsImage import SquashFsImage

    with SquashFsImage.from_file(str(path)) as image:
        return sum(1 for member in image if member.time >= 0 and member.uid >= 0)


def by_pycdlib(path: Path) -> int:
    import pycdlib

    image = pycdlib.PyCdlib()
    image.open(str(path))
    count = 0
    for folder, folders, files in image.walk(rr_path="/"):
        for name in (*folders, *files):
            record = image.get_record(rr_path=f"{folder.rstrip('/')}/{name}")
            count += record.rock_ridge.get_file_mode() >= 0
    image.close()
    return count


def by_libarchive(path: Path) -> int:
    import libarchive

    with libarchive.file_reader(str(path)) as entries:
        return sum(1 for entry in entries if entry.mode >= 0 and entry.uid >= 0)


def by_tarfile(path: Path) -> int:
    import tarfile

    with tarfile.open(path) as archive:
        return sum(1 for member in archive if member.mtime >= 0)


def by_pyfatfs(path: Path) -> int:
    from pyfatfs.PyFatFS import PyFatFS

    return sum(1 for _ in PyFatFS(str(path), read_only=True).walk.info("/", namespaces=["details"]))


READERS: dict[str, tuple[Callable[[Path], int], ...]] = {
    "squashfs": (ours, pysquashfsimage),
    "iso": (ours, by_pycdlib, by_libarchive),
    "tar": (ours, by_tarfile, by_libarchive),
    "cpio": (ours, by_libarchive),
    "fat": (ours, by_pyfatfs),
}


def samples(tree: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """`tree` in each format."""
    made = {form: folder / f"sample.{form}" for form in READERS}
    run("mksquashfs", tree, made["squashfs"], "-quiet", "-no-progress", "-comp", "gzip", "-Xcompression-level", "1")
    run("xorriso", "-as", "mkisofs", "-quiet", "-r", "-o", made["iso"], tree)
    run("tar", "-C", tree, "-cf", made["tar"], ".")
    with open(made["cpio"], "wb") as target:
        find = subprocess.Popen(["find", ".", "-print0"], cwd=tree, stdout=subprocess.PIPE)
        subprocess.run(
            ["cpio", "-0", "-o", "-H", "newc", "--quiet"], cwd=tree, stdin=find.stdout, stdout=target, check=True
        )
        find.wait()
    with open(made["fat"], "wb") as target:
        target.truncate(1 << 30)
    run("mkfs.vfat", "-F", "32", made["fat"])
    run("mcopy", "-i", made["fat"], "-s", "-Q", *sorted(p for p in tree.iterdir() if p.is_dir())[:5], "::")
    yield from made.items()


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def timed(reader: str, form: str, path: Path) -> tuple[int, float] | None:
    """(members, seconds of processor time); None where the library is missing or fails on the sample."""
    code = f"from bench.readers import measure; measure({reader!r}, {str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  {form}: {reader}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    count, seconds = done.stdout.split()
    return int(count), float(seconds)


def measure(reader: str, path: str) -> None:
    """What a process of its own does: print how many members there are, and the median of the times."""
    function = getattr(importlib.import_module("bench.readers"), reader)
    count, times = function(Path(path)), []
    for _ in range(RUNS):
        began = time.process_time()
        function(Path(path))
        times.append(time.process_time() - began)
    print(count, statistics.median(times))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "tree", nargs="?", type=Path, default=Path("/usr/share"), help="what to pack (default: /usr/share)"
    )
    tree: Path = parser.parse_args().tree
    os.chdir(Path(__file__).resolve().parents[1])
    with tempfile.TemporaryDirectory() as folder:
        for form, path in samples(tree, Path(folder)):
            for reader in READERS[form]:
                found = timed(reader.__name__, form, path)
                if found:
                    print(f"{form:10} {reader.__name__:18} {found[0]:7} members {found[1] * 1000:8.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
