"""FAT file systems: every byte has a name, and the names say what other implementations read there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from repro.formats.base import DERIVED, FACT, IDENTITY
from tests.formats import samples
from tests.formats.accounted import changed, container, planted, structures, unnamed, wrong

LONG = "a folder with a long name/and a file with a long name.cfg"
FILES = {**samples.FILES, LONG: b"set timeout=5\n" * 99}


def made(folder: Path, megabytes: int, *options: str) -> bytes:
    """A file system by mkfs.vfat with files in it, one of them deleted again."""
    root, image = samples.tree(folder / "root", FILES), folder / "image"
    image.write_bytes(bytes(megabytes << 20))
    samples.tool("mkfs.vfat", "-i", "1234abcd", "-n", "ESP", *options, image)
    (root / "link").unlink()
    (root / "a secret file.txt").write_bytes(b"secret" * 999)
    samples.tool("mcopy", "-i", image, "-s", "-m", *sorted(root.iterdir()), "::")
    samples.tool("mdel", "-i", image, "::a secret file.txt")
    return image.read_bytes()


IMAGES: dict[str, Callable[[Path], bytes]] = {
    "mformat": samples.fat,
    "12": lambda folder: made(folder, 4, "-F", "12", "-s", "4"),
    "16": lambda folder: made(folder, 16, "-F", "16", "-s", "2"),
    "32": lambda folder: made(folder, 34, "-F", "32", "-s", "1"),
}


@cache
def image(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        return IMAGES[name](Path(folder))


@pytest.mark.parametrize("name", IMAGES)
def test_every_byte_has_a_name_and_what_is_derived_holds(name: str) -> None:
    assert unnamed(image(name)) == []
    assert wrong(structures(image(name))) == set()


def tool(data: bytes, *argv: str) -> str:
    with TemporaryDirectory() as folder:
        place = Path(folder, "image")
        place.write_bytes(data)
        argv = tuple(str(place) if word == "IMAGE" else word for word in argv)
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", IMAGES)
def test_boot_sector_is_what_minfo_reads(name: str) -> None:
    named = structures(image(name))
    said = dict(re.findall(r"(.+?)(?:: |=|:)(.+)", tool(image(name), "minfo", "-i", "IMAGE", "::")))
    for theirs, ours in (
        ("sector size", "bytes per sector"),
        ("cluster size", "sectors per cluster"),
        ("reserved (boot) sectors", "reserved sectors"),
        ("fats", "FAT count"),
        ("max available root directory slots", "root entries"),
        ("sectors per track", "sectors per track"),
        ("heads", "heads"),
    ):
        assert int(said[theirs].split()[0]) == named[f"boot sector {ours}", ""].value
    assert int(said["serial number"], 16) == int(named["boot sector serial number", ""].value, 16)
    assert said["disk label"].strip('"').strip() == named["boot sector label", ""].value
    if name == "32":
        assert int(said["free clusters"]) == named["FSInfo free clusters", ""].value


@pytest.mark.parametrize("name", IMAGES)
def test_clusters_and_sizes_are_what_mtools_reads(name: str) -> None:
    data, named = image(name), structures(image(name))
    for path, content in (FILES if name != "mformat" else samples.FILES).items():
        first = tool(data, "mshowfat", "-i", "IMAGE", f"::{path}").rpartition("<")[2].split("-")[0].rstrip(">\n ")
        assert named["directory entry first cluster", path].value == int(first)
        assert named["directory entry size", path].value == len(content)


def test_what_was_deleted_is_named() -> None:
    named = structures(image("12"))
    deleted = [s for (name, _), s in named.items() if name == "deleted directory entry short name"]
    assert [image("12")[s.start + 1 : s.start + 8] for s in deleted] == [b"SECRE~1"]
    assert {s.role for (name, _), s in named.items() if name.startswith("deleted ")} == {IDENTITY}
    leaked = b"".join(image("12")[s.start : s.end] for (name, _), s in named.items() if name == "unallocated cluster")
    assert leaked.rstrip(b"\0") == b"secret" * 999


def test_slack_and_rests_are_named_where_they_are_not_zero() -> None:
    data = bytearray(image("12"))
    named = structures(bytes(data))
    (member,) = (m for m in container(bytes(data)).members() if m.name == "init")
    assert member.content
    ((_, end),) = member.content.extents()
    data[end] = 1
    more = structures(bytes(data) + b"\3")
    new = {key: s for key, s in more.items() if key not in named}
    assert new.keys() == {("file slack", "init"), ("behind the file system", "")}
    assert {s.role for s in new.values()} == {IDENTITY}


def test_times_keep_what_the_seconds_do_not_say() -> None:
    data = bytearray(image("12"))
    at = structures(bytes(data))["directory entry creation hundredths", "init"].start

    def created(hundredths: int) -> object:
        data[at] = hundredths
        (member,) = (m for m in container(bytes(data)).members() if m.name == "init")
        return next(value for _, name, value in member.extra if name == "created")

    whole = created(0)
    assert isinstance(whole, int)
    assert (created(150), created(51)) == (f"{whole + 1}.50", f"{whole}.51")


PLANTED = [
    ("12", "boot sector serial number", "", IDENTITY),
    ("16", "boot sector OEM name", "", IDENTITY),
    ("12", "boot sector label", "", IDENTITY),
    ("32", "boot sector serial number", "", IDENTITY),
    ("12", "boot code", "", IDENTITY),
    ("12", "FAT copy", "2", DERIVED),
    ("32", "FSInfo next free cluster", "", DERIVED),
    ("12", "volume label", "", IDENTITY),
    ("12", "volume label time", "", IDENTITY),
    ("12", "directory entry write time", "init", FACT),
    ("12", "directory entry creation hundredths", LONG, FACT),
    ("12", "directory entry access date", "etc/hostname", FACT),
    ("12", "directory entry write time", "etc/.", DERIVED),
    ("12", "directory entry short name", LONG, DERIVED),
    ("12", "long-name entry type", f"{LONG} part 2", DERIVED),
]


@pytest.mark.parametrize(("name", "structure", "of", "role"), PLANTED)
def test_a_changed_byte_has_one_name(name: str, structure: str, of: str, role: str) -> None:
    assert changed(image(name), planted(image(name), structure, of)) == {(structure, of)}
    assert structures(image(name))[structure, of].role == role


WRONG = [
    ("12", "FAT copy", "2", 9),
    ("16", "FAT copy", "2", 700),
    ("32", "backup boot sector", "", 67),
    ("32", "FSInfo free clusters", "", 0),
    ("12", "long-name entry checksum", f"{LONG} part 1", 0),
    ("12", "FAT cluster chains", "", 1200),
    ("12", "directory entry write date", "etc/.", 0),
]


@pytest.mark.parametrize(("name", "structure", "of", "byte"), WRONG)
def test_a_wrong_derived_byte_does_not_hold(name: str, structure: str, of: str, byte: int) -> None:
    found = structures(planted(image(name), structure, of, byte))[structure, of]
    assert found.holds is not None
    assert not found.holds()
