"""ext2, ext3 and ext4 against e2fsprogs: what it wrote is read back, and every byte has a name."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from repro.compare import compare_artifacts
from repro.formats import opened
from repro.formats.base import Container, Member
from repro.formats.ext import Ext
from tests.compare.test_cli import repro
from tests.formats import samples
from tests.formats.test_members import content

_OPTIONS = (
    "-t ext2 -b 1024",
    "-t ext3 -b 4096",
    "-t ext4 -b 4096 -O inline_data,64bit",
    "-t ext4 -b 1024 -O bigalloc,^resize_inode -C 16384",
    "-t ext4 -b 1024 -O ^extents,^64bit,^metadata_csum,uninit_bg",
    "-t ext4 -b 1024 -O meta_bg,^resize_inode",
    "-t ext4 -b 2048 -O sparse_super2,^resize_inode,metadata_csum_seed,^flex_bg,quota,project",
    "-t ext4 -b 1024 -O ea_inode,large_dir,^has_journal",
)


def debugfs(image: Path, *requests: str, write: bool = True) -> str:
    """What debugfs says to one request after the other."""
    argv = ["debugfs", *(["-w"] if write else []), "-f", "-", image]
    done = subprocess.run(argv, input="\n".join(requests), check=True, capture_output=True, text=True)
    return done.stdout


def special(folder: Path, many: int) -> Path:
    """Files that some corner of ext cares about, `many` in one folder."""
    rng = random.Random(1)
    (folder / "many").mkdir(parents=True)
    for number in range(many):
        (folder / "many" / f"an entry named {number:05d}").write_bytes(b"%d" % number)
    for name, gap, count in (("holey", 20_000, 400), ("far", 20_000_000, 2)):
        with (folder / name).open("wb") as stream:
            for number in range(count):
                stream.seek(number * gap)
                stream.write(rng.randbytes(100))
    (folder / "plain").write_bytes(rng.randbytes(400_000))
    (folder / "tiny").write_bytes(b"fits into its inode\n")
    (folder / "small").write_bytes(b"fits with its attributes" * 4)
    (folder / os.fsdecode(b"\xff\xfe")).write_bytes(b"not UTF-8")
    os.link(folder / "plain", folder / "hard")
    (folder / "slow").symlink_to("x" * 200)
    (folder / "fast").symlink_to("to")
    for name, size in (("a", 5), ("big", 700)):
        os.setxattr(folder / "plain", f"user.{name}", b"v" * size)
    return folder


def image_of(folder: Path, options: str) -> tuple[Path, Path]:
    """The source folder, and an image of it whose folders are hashed and whose last files are devices."""
    many = 3000 if "large_dir" in options else 300
    root, image = special(folder / "root", many), folder / "image"
    samples.tool("mke2fs", "-q", "-F", *samples.EXT, *options.split(), "-d", root, image, "48M")
    debugfs(image, "mknod new b 300 60000", "mknod old c 8 1", "set_inode_field tiny flags 0x10000030")
    done = subprocess.run(["e2fsck", "-fyD", image], capture_output=True, check=False)
    assert done.returncode <= 1, done.stdout
    debugfs(image, "rm many/an\\ entry\\ named\\ 00007", "kill_file small", "rm small")
    return root, image


def read(data: bytes) -> tuple[Container, dict[str, Member]]:
    container = opened(memoryview(data))
    assert isinstance(container, Ext)
    members = {member.name: member for member in container.members()}
    assert not container.problems.found
    return container, members


@pytest.mark.parametrize("options", _OPTIONS)
def test_all_is_read_and_every_byte_has_a_name(options: str, tmp_path: Path) -> None:
    root, image = image_of(tmp_path, options)
    data = image.read_bytes()
    container, members = read(data)
    for member in members.values():
        place = root / member.name
        if member.content:
            assert content(member) == place.read_bytes(), member.name
            assert (member.mode, member.uid) == (place.stat().st_mode & 0o7777, place.stat().st_uid)
    listed = {path.relative_to(root).as_posix() for path in root.rglob("*")}
    assert members.keys() - {".", "lost+found", "new", "old"} == listed - {"small"} & members.keys()
    assert len(members) >= 310
    assert (members["new"].device, members["old"].device) == ((300, 60000), (8, 1))
    assert (members["slow"].target, members["fast"].target) == ("x" * 200, "to")
    assert dict(members["plain"].xattrs) == {"user.a": b"v" * 5, "user.big": b"v" * 700}
    assert members["plain"].links == ("hard", "plain")
    _partition(container, members, data)


def _partition(container: Container, members: dict[str, Member], data: bytes) -> None:
    """Every byte is in a structure or a content, or is zero; names are unique; the checksums hold."""
    found = list(container.structures())
    assert all(0 <= s.start < s.end <= len(data) for s in found)
    twice = [name for name, count in Counter((s.name, s.of) for s in found).items() if count > 1]
    assert not twice
    extents = [extent for member in members.values() if member.content for extent in member.content.extents()]
    at = 0
    for start, end in sorted([(s.start, s.end) for s in found] + extents):
        assert start <= at or not data[at:start].strip(b"\0"), (at, start)
        at = max(at, end)
    assert not data[at:].strip(b"\0")
    held = [s for s in found if s.holds]
    for structure in [*held[:300], *(s for s in held if not s.name.startswith("inode"))]:
        assert structure.holds is not None and structure.holds(), structure.label


def test_times_owners_and_attributes_are_those_that_debugfs_tells(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(samples.ext(tmp_path / "made"))
    fields = {"mtime": "@4300000000", "ctime_extra": "8", "uid": "123456", "gid": "70001", "mtime_extra": "9"}
    debugfs(image, *(f"set_inode_field init {name} {value}" for name, value in fields.items()))
    debugfs(image, "set_inode_field init mtime_extra 9", "set_inode_field init flags 0x80030")
    _, members = read(image.read_bytes())
    told = debugfs(image, "stat init", write=False)
    seconds, fine = re.search(r"mtime: 0x(\w+):(\w+)", told).groups()  # type: ignore[union-attr]
    whole = int(seconds, 16) + (int(fine, 16) & 3) * 2**32
    assert members["init"].mtime == f"{whole}.{int(fine, 16) >> 2:09d}"
    assert (members["init"].uid, members["init"].gid) == (123456, 70001)
    assert ("mode", "flags", "immutable, append only") in members["init"].extra


def test_reserved_blocks_read_as_zeros(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(samples.ext(tmp_path / "made", {"init": b"", "hole": b"start"}))
    debugfs(image, "fallocate hole 1 9", "set_inode_field hole size 9000")
    _, members = read(image.read_bytes())
    assert content(members["hole"]) == b"start" + bytes(8995)


def _first_of(container: Container, name: str) -> int:
    return next(s.start for s in container.structures() if s.name == name)


@pytest.mark.parametrize(
    "name",
    [
        "boot block",
        "superblock UUID",
        "superblock mkfs time",
        "superblock lifetime writes",
        "journal contents",
        "inode generation",
        "deleted inode",
        "directory slack",
        "file slack",
        "unallocated block",
    ],
)
def test_one_changed_byte_is_named(name: str, tmp_path: Path) -> None:
    files = {**samples.FILES, "gone": b"secret" * 900, "etc/gone": b"x"}
    image, other = tmp_path / "image", tmp_path / "other"
    image.write_bytes(samples.ext(tmp_path / "made", files, "-t ext4 -b 1024 -J size=1", "8M"))
    debugfs(image, "rm gone", "set_inode_field init generation 5", "set_inode_field etc/big size 10000")
    data = bytearray(image.read_bytes())
    container, _ = read(bytes(data))
    if name == "journal contents":
        data[_first_of(container, "journal header") + 5000] = 7
    elif name == "directory slack":
        data[data.index(b"gone") : data.index(b"gone") + 1] = b"G"
    image.write_bytes(data)
    container, _ = read(bytes(data))
    at = _first_of(container, name)
    data[at + (40 if name == "deleted inode" else 0)] ^= 1
    other.write_bytes(data)
    result = compare_artifacts(image, other, deep=False)
    assert not result.unexamined
    (found,) = result.divergences
    assert found.location == () and {r.structure.partition(" of ")[0] for r in found.ranges} == {name}, found


def test_a_file_in_a_partition_of_a_usb_image(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(samples.usb(tmp_path / "left"))
    changed = {**samples.FILES, "etc/hostname": b"dead\n"}
    (tmp_path / "b").write_bytes(samples.usb(tmp_path / "right", changed))
    done = repro("compare", "a", "b", "--shallow", "--report", "json=d.json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    found = json.loads((tmp_path / "d.json").read_bytes())
    assert not found["unexamined"]
    content = [d["location"] for d in found["divergences"] if "content" in d["aspects"]]
    assert content == [["[partition 2]", "etc/hostname"]]


def test_a_size_of_which_nothing_is_there_ends(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(samples.ext(tmp_path / "made"))
    debugfs(image, "set_inode_field init size 0x0fffffffffffffff", "set_inode_field etc/big size 0x3ffffffffff")
    found = {member.name: member for member in Ext(memoryview(image.read_bytes())).members()}
    assert "announces" in (found["init"].problem or "") and found["init"].content is None
    assert "too many holes" in (found["etc/big"].problem or "")
    assert content(found["etc/hostname"]) == b"live\n"


def test_a_folder_in_itself_is_told(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(samples.ext(tmp_path / "made"))
    debugfs(image, "ln . etc/loop")
    container = Ext(memoryview(image.read_bytes()))
    assert len(list(container.members())) < 20
    assert ("etc/loop", "directory loop") in container.problems.found
