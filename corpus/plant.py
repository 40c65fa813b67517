"""Makes the two sides of a group: its scripts run in two rooms, and what they made goes into containers of each kind.

Containers are made in one way on both sides, with fixed times and sorted members, so that they add nothing.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from corpus.cases import CHANCE, INPUTS, Case
from repro.image.build import PIDS
from repro.sandbox import lent
from repro.sandbox.backend import choose
from repro.sandbox.environment import Environment
from repro.sandbox.variations import experiment

SIDES = ("left", "right")
_EPOCH = 1_700_000_000
_TIMEOUT = 900.0  # seconds for all scripts of a group
_VALUES = {"directory_order": "reverse"}  # shuffled, it would be another corpus every time, and the same by chance
_RUN = """
unset SOURCE_DATE_EPOCH
top=$PWD failed=
mkdir made src
for script in cases/*.sh; do
  name=$(basename "$script" .sh)
  mkdir "made/$name" "src/$name"
  (cd "made/$name" && SRC=$top/src/$name && export SRC && sh -eu "$top/$script") || failed="$failed $name"
  chmod 755 "made/$name"
done
chmod 755 made
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
"""


def plant(group: str, cases: Sequence[Case], folder: Path) -> None:
    """Write `folder`/{left,right}.{tar,squashfs,iso,cpio.gz,deb}. Raises BuildFailed where a script fails."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "cases.tar"
    source.write_bytes(_source(cases))
    for number, side in enumerate(SIDES):
        made = folder / f"{side}.tar"
        with (
            open(folder / f"{side}.log", "wb") as log,
            open(source, "rb") as scripts,
            open(made, "wb") as target,
            lent.open_room(
                _environment(group, number), choose("auto"), log=log, timeout=_TIMEOUT, last_pid=PIDS * number
            ) as room,
        ):
            room.run(scripts, "corpus", ["sh", "run.sh"], ["made"], target)
        _pack(made)


def _environment(group: str, number: int) -> Environment:
    baseline = Environment(_EPOCH)
    if group == INPUTS:
        return replace(experiment(baseline, (), {}), extra=(("CORPUS_SIDE", SIDES[number]),))
    return experiment(baseline, () if group == CHANCE or not number else (group,), _VALUES)


def _source(cases: Sequence[Case]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in (("run.sh", _RUN), *((f"cases/{case.name}.sh", case.script) for case in cases)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def _pack(made: Path) -> None:
    """Put what the tar `made` holds into the other containers beside it."""
    with tempfile.TemporaryDirectory(prefix="repro-corpus-") as scratch:
        tree = Path(scratch, "tree")
        tree.mkdir(mode=0o755)
        _run(
            [
                "tar",
                "--extract",
                "--preserve-permissions",
                "--delay-directory-restore",
                f"--file={made}",
                f"--directory={tree}",
            ]
        )
        os.utime(tree, (0, 0))
        for suffix, pack in _PACKERS.items():
            target = made.with_suffix(suffix)
            target.unlink(missing_ok=True)
            pack(tree, target)


def _squashfs(tree: Path, target: Path) -> None:
    fixed = ("-all-time", "0", "-mkfs-time", "0", "-no-xattrs")
    _run(["mksquashfs", str(tree), str(target), "-noappend", "-quiet", "-no-progress", *fixed])


def _iso(tree: Path, target: Path) -> None:
    dates = ("--modification-date=2023111422132000", "--set_all_file_dates", "2023111422132000")
    _run(["xorriso", "-as", "mkisofs", "-quiet", "-R", *dates, "-o", str(target), str(tree)])


def _initrd(tree: Path, target: Path) -> None:
    script = 'cd "$0" && find . | sort | cpio --quiet --reproducible -o -H newc | gzip -n > "$1"'
    _run(["sh", "-c", script, str(tree), str(target)])


def _deb(tree: Path, target: Path) -> None:
    control = tree / "DEBIAN"
    control.mkdir(mode=0o755)
    fields = {"Package": "corpus", "Version": "1", "Architecture": "all", "Maintainer": "A <a@example.org>"}
    (control / "control").write_text("".join(f"{k}: {v}\n" for k, v in fields.items()) + "Description: cases\n")
    _run(["env", "SOURCE_DATE_EPOCH=0", "dpkg-deb", "--build", str(tree), str(target)])


_PACKERS: dict[str, Callable[[Path, Path], None]] = {
    ".squashfs": _squashfs,
    ".iso": _iso,
    ".cpio.gz": _initrd,
    ".deb": _deb,  # the last: it adds a folder to the tree
}
SUFFIXES = (".tar", *_PACKERS)


def _run(command: Sequence[str]) -> None:
    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
