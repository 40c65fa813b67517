"""ISO images and partition tables: every byte has a name, and the names say what other implementations read there."""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pycdlib
import pytest

from repro.formats.base import DERIVED, FACT, IDENTITY
from tests.formats import samples
from tests.formats.accounted import changed, container, planted, structures, unnamed, wrong

DEEP = "/".join("abcdefghij")
FILES = {**samples.FILES, f"{DEEP}/file": b"x", "long/" + "n" * 240: b"y", "empty": b""}


def rescue(folder: Path) -> bytes:
    """A hybrid of everything: MBR, GPT, Apple's map, HFS+, El Torito for BIOS and UEFI."""
    root, image = samples.tree(folder / "root", samples.FILES), folder / "image"
    folder.joinpath("cfg").write_text("")
    modules = ("--install-modules=iso9660 normal", "--fonts=", "--locales=", "--themes=")
    samples.tool("grub-mkrescue", *modules, "-o", image, root)
    return image.read_bytes()


def attributed(folder: Path) -> bytes:
    """With extended attributes, ACLs and checksums, as a session of its own."""
    root, image = samples.tree(folder / "root", FILES), folder / "image"
    os.setxattr(root / "init", "user.note", b"x" * 300)
    os.setxattr(root / "init", "user.other", b"y")
    os.mknod(root / "null", 0o20600, os.makedev(1, 3))
    options = ("-md5", "on", "-xattr", "on", "-joliet", "on", "-map", root, "/")
    samples.tool("xorriso", "-outdev", image, *options, "-commit")
    return image.read_bytes()


def hybrid(folder: Path) -> bytes:
    """isolinux with a boot info table, and an MBR that isohybrid's code is in."""
    root, image = samples.tree(folder / "root", samples.FILES), folder / "image"
    (root / "isolinux.bin").write_bytes(Path("/usr/lib/ISOLINUX/isolinux.bin").read_bytes())
    boot = ("-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table")
    mbr = ("-isohybrid-mbr", "/usr/lib/ISOLINUX/isohdpfx.bin")
    samples.tool("xorriso", "-as", "mkisofs", "-quiet", "-R", *boot, *mbr, "-o", image, root)
    return image.read_bytes()


IMAGES: dict[str, Callable[[Path], bytes]] = {
    "joliet": lambda folder: samples.iso(folder, FILES),
    "bootable": samples.bootable_iso,
    "without-rock-ridge": lambda folder: samples.iso(folder, samples.FILES, "--norock"),
    "relocated": lambda folder: samples.iso(folder, FILES, "-disallow_dir_id_ext"),
    "md5": lambda folder: samples.iso(folder, FILES, "--md5"),
    "attributed": attributed,
    "hybrid": hybrid,
    "rescue": rescue,
    "disk": samples.disk,
}


@cache
def image(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        place = Path(folder, "made")
        if name != "bootable":
            place.mkdir()
        return IMAGES[name](place)


@pytest.mark.parametrize("name", IMAGES)
def test_every_byte_has_a_name_and_what_is_derived_holds(name: str) -> None:
    assert unnamed(image(name)) == []
    assert wrong(structures(image(name))) == set()


def report(data: bytes, *options: str) -> str:
    with TemporaryDirectory() as folder:
        place = Path(folder, "image")
        place.write_bytes(data)
        argv = ("xorriso", "-indev", str(place), *options)
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_volume_fields_are_what_xorriso_and_pycdlib_read() -> None:
    data = image("joliet")
    named = structures(data)
    said = report(data, "-pvd_info")
    assert named["primary volume volume identifier", ""].value in said
    times = re.findall(r"(\w+) Time *: *(\d{16})", said)
    assert {word: named[f"primary volume {word.lower()} time", ""].value for word, _ in times} == dict(times)
    disc = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(data))
    assert named["primary volume volume space size", ""].value == disc.pvd.space_size
    assert named["primary volume path table L location", ""].value == disc.pvd.path_table_location_le
    assert named["Joliet volume path table M", ""].start == disc.joliet_vd.path_table_location_be * 2048
    for folder, folders, files in disc.walk(rr_path="/"):
        for name in (*folders, *files):
            path = f"{folder.rstrip('/')}/{name}"
            record = disc.get_record(rr_path=path)
            of = path[1:]
            assert named["directory record data length", of].value == record.data_length
            assert named["directory record extent location", of].value == record.extent_location()
            assert named["Rock Ridge PX mode", of].value == record.rock_ridge.get_file_mode()
            start = named["directory record identifier", of]
            assert data[start.start : start.end] == record.file_identifier()


def test_joliet_records_have_their_own_names() -> None:
    disc = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(image("joliet")))
    theirs = {
        f"{folder.rstrip('/')}/{name}"[1:]
        for folder, folders, files in disc.walk(joliet_path="/")
        for name in (*folders, *files)
    }
    ours = {of for name, of in structures(image("joliet")) if name == "Joliet directory record flags"}
    assert {of for of in ours if of.rpartition("/")[2] not in (".", "..")} == theirs


def test_boot_catalogue_is_what_xorriso_reports() -> None:
    data = image("rescue")
    named = structures(data)
    rows = re.findall(r"boot img : +(\d) +(\w+) .* (\d+) +(\d+)\n", report(data, "-report_el_torito", "plain"))
    assert len(rows) == 2
    for number, _, sectors, block in rows:
        assert named["El Torito entry sector count", number].value == int(sectors)
        assert named["El Torito entry image location", number].value == int(block)
    assert named["boot info table file location", "1"].value == int(rows[0][3])
    assert named["GRUB boot image address", "1"].value == int(rows[0][3]) * 4 + 5


def test_tables_are_what_sgdisk_and_xorriso_report(tmp_path: Path) -> None:
    data = image("rescue")
    (tmp_path / "image").write_bytes(data)
    named = structures(data)
    said = subprocess.run(["sgdisk", "-i2", tmp_path / "image"], check=True, capture_output=True, text=True).stdout
    for word, name in (("Partition GUID code", "type GUID"), ("Partition unique GUID", "unique GUID")):
        assert f"{word}: {named[f'GPT partition {name}', '2'].value}".upper() in said.upper()
    assert f"First sector: {named['GPT partition first LBA', '2'].value} " in said
    assert f"'{named['GPT partition name', '2'].value}'" in said
    system = report(data, "-report_system_area", "plain")
    starts = re.findall(r"APM start and size : +(\d) +(\d+) +(\d+)", system)
    assert len(starts) == 3
    for number, first, count in starts:  # the first entry is the map itself
        of = str(int(number) + 1)
        assert named["Apple partition map first block", of].value == int(first)
        assert named["Apple partition map block count", of].value == int(count)
    assert f"0x{named['MBR partition type', '1'].value:02x}" in system


def test_hfs_plus_names_the_files_of_the_image() -> None:
    data = image("rescue")
    named = structures(data)
    members = {m.name for m in container(data).members() if m.kind != "directory" and m.name[0] != "["}
    hidden = {"efi.img", "boot.catalog"}  # from HFS+
    files = {of for name, of in named if name == "HFS+ catalogue record data fork size"}
    assert files == members - hidden
    assert named["HFS+ volume header file count", ""].value == len(files)
    size = named["HFS+ catalogue record data fork size", "etc/big"].value
    assert size == len(samples.FILES["etc/big"])
    target = named["HFS+ symbolic link target", "link"]
    assert data[target.start : target.end] == b"etc/hostname"


def test_attributes_are_decoded_and_libisofs_own_are_not_a_files() -> None:
    members = {m.name: m for m in container(image("attributed")).members()}
    assert dict(members["init"].xattrs) == {"user.note": b"x" * 300, "user.other": b"y"}
    assert members["etc/big"].xattrs == ()
    assert members["null"].device == (1, 3)


PLANTED = [
    ("rescue", "MBR boot code", "", IDENTITY),
    ("rescue", "GPT disk GUID", "", IDENTITY),
    ("rescue", "GPT partition unique GUID", "2", IDENTITY),
    ("rescue", "backup GPT partition unique GUID", "2", DERIVED),
    ("rescue", "GPT partition name", "1", IDENTITY),
    ("rescue", "Apple partition map name", "2", IDENTITY),
    ("rescue", "HFS+ volume header create date", "", IDENTITY),
    ("rescue", "HFS+ volume header backup date", "", IDENTITY),
    ("rescue", "HFS+ volume header finder info", "", IDENTITY),
    ("rescue", "HFS+ catalogue record content modify date", "etc/hostname", DERIVED),
    ("rescue", "El Torito entry load segment", "1", IDENTITY),
    ("joliet", "primary volume creation time", "", IDENTITY),
    ("joliet", "Joliet volume modification time", "", IDENTITY),
    ("joliet", "primary volume root record recording time", "", IDENTITY),
    ("joliet", "directory record recording time", "etc/hostname", FACT),
    ("joliet", "Rock Ridge PX uid", "etc/hostname", FACT),
    ("joliet", "Rock Ridge TF modification time", "etc/hostname", FACT),
    ("joliet", "Rock Ridge TF modification time", "etc/.", DERIVED),
    ("joliet", "Joliet directory record recording time", "etc/hostname", DERIVED),
    ("joliet", "SUSP ER texts", ".", IDENTITY),
    ("hybrid", "MBR boot image address", "", DERIVED),
    ("hybrid", "MBR disk signature", "", IDENTITY),
    ("attributed", "session primary volume creation time", "", IDENTITY),
    ("disk", "MBR partition first CHS", "1", DERIVED),
]


@pytest.mark.parametrize(("name", "structure", "of", "role"), PLANTED)
def test_a_changed_byte_has_one_name(name: str, structure: str, of: str, role: str) -> None:
    data = image(name)
    other = planted(data, structure, of, 1 if structure.endswith("time") else 0)
    assert changed(data, other) == {(structure, of)}
    assert structures(data)[structure, of].role == role


WRONG = [
    ("rescue", "GPT header CRC", ""),
    ("rescue", "GPT entries CRC", ""),
    ("rescue", "backup GPT header CRC", ""),
    ("rescue", "backup GPT disk GUID", ""),
    ("rescue", "backup GPT partition attributes", "3"),
    ("rescue", "HFS+ alternate volume header modify date", ""),
    ("rescue", "El Torito validation checksum", ""),
    ("rescue", "boot info table checksum", "1"),
    ("hybrid", "boot info table checksum", "1"),
    ("joliet", "primary volume volume space size", ""),
    ("joliet", "primary volume path table L", ""),
    ("joliet", "Joliet volume path table M", ""),
    ("joliet", "directory record volume sequence number", "etc/hostname"),
    ("joliet", "Rock Ridge TF modification time", "etc/.."),
    ("joliet", "Joliet directory record recording time", "etc"),
    ("md5", "libisofs superblock checksum tag md5", ""),
    ("md5", "libisofs session checksum tag self", ""),
    ("md5", "libisofs MD5 array", ""),
]


@pytest.mark.parametrize(("name", "structure", "of"), WRONG)
def test_a_wrong_derived_byte_does_not_hold(name: str, structure: str, of: str) -> None:
    size = structures(image(name))[structure, of]
    byte = (size.end - size.start) // 2  # of both-endian fields in the half that is not read
    found = structures(planted(image(name), structure, of, byte))[structure, of]
    assert found.holds is not None
    assert not found.holds()


def test_every_structure_of_a_directory_record_is_a_members_or_its_repetition() -> None:
    members = {m.name for m in container(image("joliet")).members()}
    for (name, of), found in structures(image("joliet")).items():
        if found.role == FACT:
            assert of.split(" part ")[0] in members or of == ".", name


@pytest.mark.parametrize("zone", [0, 4])
def test_the_same_moment_written_in_another_zone_is_a_fact(zone: int) -> None:
    data = bytearray(image("joliet"))
    at = structures(bytes(data))["Rock Ridge TF modification time", "init"]
    data[at.end - 1] = zone
    (member,) = (m for m in container(bytes(data)).members() if m.name == "init")
    assert [value for _, name, value in member.extra if name == "time zones"] == ["mtime +60 min"] * bool(zone)
