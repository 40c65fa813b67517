"""`repro lint` says what the normalizers would do, of folders and of images, and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.diagnose.lint import lint
from repro.image.normalize import Disk, changes, matches
from repro.image.normalizers import NORMALIZERS
from tests import schemas

EPOCH = 1700000000
STATUS = """Package: passwd
Status: install ok installed
Version: 1:4.13+dfsg1-1

Package: apt
Status: deinstall ok config-files
Version: 2.6.1

Package: mdadm
Status: install ok installed
Version: 4.1-11
"""
FILES = {
    "etc/machine-id": "0123\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/mdadm/mdadm.conf": "# This file was auto-generated on Fri, 27 Nov 2026 08:51:00 +0100 by mkconf\n",
    "var/log/apt/history.log": "Start-Date: 2026-11-27\n",
    "var/log/empty": "",
    "var/lib/dpkg/status": STATUS,
    "usr/lib/x": "code\n",
}
FOUND = {
    "machine-id": ["etc/machine-id"],
    "logs": ["var/log/apt/history.log"],
    "shadow-days": ["etc/shadow"],
    "mdadm-date": ["etc/mdadm/mdadm.conf"],
}


def run(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "repro.cli.main", "lint", *map(str, args)]
    clean = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**clean, **env})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("root")
    for name, text in FILES.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (top / "var/log/elsewhere").symlink_to("/etc/passwd")
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            os.utime(Path(folder, name), (EPOCH, EPOCH), follow_symlinks=False)
    return top


@pytest.fixture(scope="module")
def images(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    made = {name: folder / name for name in ("root.tar", "root.squashfs", "root.ext4", "live.iso")}
    with tarfile.open(made["root.tar"], "w") as tar:
        tar.add(root, arcname=".")
    subprocess.run(["mksquashfs", root, made["root.squashfs"], "-quiet", "-no-progress"], check=True)
    made["root.ext4"].write_bytes(b"")
    os.truncate(made["root.ext4"], 4 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, made["root.ext4"]], check=True)
    (folder / "iso/live").mkdir(parents=True)
    padded = made["root.squashfs"].read_bytes().ljust(1 << 17, b"\0")
    (folder / "iso/live/filesystem.squashfs").write_bytes(padded)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", made["live.iso"], folder / "iso"], check=True)
    return made


def paths(said: str) -> dict[str, list[str]]:
    document = schemas.check(said)
    (tree,) = document["trees"]
    return {each["normalizer"]: each["paths"] for each in tree["findings"]}


def test_a_folder(root: Path) -> None:
    before = sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*"))
    done = run("--json", root)
    assert done.returncode == 1 and paths(done.stdout) == FOUND
    (tree,) = json.loads(done.stdout)["trees"]
    assert tree["epoch"] == EPOCH
    assert {each["normalizer"]: each["needed"] for each in tree["findings"]} == {
        **dict.fromkeys(FOUND, True),
        "shadow-days": False,
    }
    assert tree["stale"] == [
        {"normalizer": "shadow-days", "package": "passwd", "version": "1:4.13+dfsg1-1", "since": "1:4.7"}
    ]
    assert sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")) == before


@pytest.mark.parametrize("name", ["root.tar", "root.squashfs", "root.ext4", "live.iso"])
def test_images(images: dict[str, Path], name: str) -> None:
    done = run("--json", images[name], SOURCE_DATE_EPOCH=str(EPOCH))
    found = paths(done.stdout)
    found.pop("clamped-times", None)  # lost+found of mke2fs, the folder that tar, squashfs and ext4 call their top
    assert done.returncode == 1 and found == FOUND
    (tree,) = json.loads(done.stdout)["trees"]
    assert tree["location"] == (["live/filesystem.squashfs"] if name == "live.iso" else [])


def test_the_text(root: Path) -> None:
    done = run(root)
    lines = done.stdout.splitlines()
    assert lines[0] == f"{root.name}: 18 entries, as of 2023-11-14 22:13:20Z"
    assert "  logs would change 1 path" in lines and "      var/log/apt/history.log" in lines
    assert "  shadow-days would change 1 path (not needed any more, see below)" in lines
    assert "  3 normalizers would fire" in lines
    assert lines[-1] == "  not needed since passwd 1:4.7 (here 1:4.13+dfsg1-1): shadow-days"
    assert all(len(line) <= 80 for line in lines)


def test_times_after_the_build(root: Path) -> None:
    assert paths(run("--json", "--epoch", str(EPOCH - 1), root).stdout)["clamped-times"]
    assert "clamped-times" not in paths(run("--json", "--epoch", str(EPOCH), root).stdout)


def test_a_clean_tree(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("")
    done = run(tmp_path)
    assert done.returncode == 0 and "clean: no normalizer would fire" in done.stdout


def test_what_is_no_root_tree(tmp_path: Path, root: Path) -> None:
    (tmp_path / "text").write_text("text")
    done = run(tmp_path / "text")
    assert done.returncode == 7 and "holds no root tree" in done.stderr and "hint:" in done.stderr
    assert run(tmp_path / "nothing").returncode == 2
    assert run(root, SOURCE_DATE_EPOCH="yesterday").returncode == 2


def test_a_truncated_squashfs(images: dict[str, Path], tmp_path: Path) -> None:
    data = images["root.squashfs"].read_bytes()
    used = int.from_bytes(data[40:48], "little")  # the superblock says how many bytes are no padding
    for size in (50, used // 2, used - 1):
        (tmp_path / "cut").write_bytes(data[:size])
        assert run(tmp_path / "cut").returncode == 7


PARTS = [
    "etc",
    "var",
    "log",
    "run",
    "tmp",
    "usr",
    "root",
    ".cache",
    "x.pyc",
    "machine-id",
    "shadow",
    "a",
    "ssh_host_x_key",
]
TREES = st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join), max_size=12)
CONTENTS = st.sampled_from(["", "root:*:1:0:::\n", "\xa7\r\r\n" + "\0" * 12])


@given(TREES, CONTENTS)
def test_it_says_what_the_normalizers_do(tmp_path_factory: pytest.TempPathFactory, names: list[str], text: str) -> None:
    """The engine on disk is the oracle: it runs on a copy of each tree, for real."""
    top = tmp_path_factory.mktemp("tree")
    for name in names:
        path = top / name
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="latin-1")
    (tree,) = lint(top, 1 << 32, top).trees
    before = os.getcwd()
    os.chdir(top)
    try:
        done = {name: sorted(found) for name, found in changes(Disk(apply=True), 1 << 32).items()}
    finally:
        os.chdir(before)
    assert {finding.normalizer: list(finding.paths) for finding in tree.findings} == done
    assert lint(top, 1 << 32, top).trees[0].findings == ()


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("etc/x", "etc/x", True),
        ("etc/x", "etc/x/y", False),
        ("etc/*-", "etc/passwd-", True),
        ("etc/*-", "etc/a/passwd-", False),
        ("run/**", "run", False),
        ("run/**", "run/a/b", True),
        ("usr/**/*.pyc", "usr/x.pyc", True),
        ("usr/**/*.pyc", "usr/a/b/x.pyc", True),
        ("usr/**/*.pyc", "usr/a.pyc/b", False),
    ],
)
def test_patterns(pattern: str, path: str, found: bool) -> None:
    assert matches(pattern, path) is found


def test_what_is_fixed_names_a_package_and_a_version() -> None:
    assert all(all(each.fixed) or not any(each.fixed) for each in NORMALIZERS)
