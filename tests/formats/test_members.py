"""Every reader against another implementation of the same format."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import libarchive
import pycdlib
import pytest

from repro.formats import opened
from repro.formats.base import Container, Member
from tests.compare import trees
from tests.formats import samples


def container(data: bytes) -> Container:
    found = opened(memoryview(data))
    assert found is not None
    return found


def members(data: bytes) -> dict[str, Member]:
    found = container(data)
    result = {member.name: member for member in found.members()}
    assert not found.problems.found
    return result


def content(member: Member) -> bytes:
    assert member.content is not None
    return b"".join(bytes(piece.read()) for piece in member.content.pieces())


@pytest.mark.parametrize(
    "options", ["-comp gzip", "-comp xz -b 4096", "-comp zstd", "-comp lz4", "-comp lzo", "-no-fragments -noI"]
)
def test_squashfs_lists_what_unsquashfs_lists(options: str, tmp_path: Path) -> None:
    image = trees.squashfs(trees.tree(3), tmp_path / "made", options)
    listing = subprocess.run(["unsquashfs", "-lln", image], check=True, capture_output=True, env={"TZ": "UTC"}).stdout
    line = re.compile(rb"(\S{10}) (\d+)/(\d+)\s+(\d+|\d+,\s*\d+) \d{4}-\d\d-\d\d \d\d:\d\d squashfs-root(/.*)?")
    theirs = set()
    for mode, uid, gid, _, path in (m.groups() for m in map(line.fullmatch, listing.splitlines()) if m):
        theirs.add(((path or b"/.")[1:].split(b" -> ")[0], mode[1:], int(uid), int(gid)))
    ours = {(os.fsencode(m.name), _letters(m.mode or 0), m.uid, m.gid) for m in members(image.read_bytes()).values()}
    assert ours == theirs


def _letters(mode: int) -> bytes:
    text = bytearray(b"rwxrwxrwx")
    for bit in range(9):
        if not mode >> (8 - bit) & 1:
            text[bit] = ord("-")
    if mode & 0o4000:
        text[2] = ord("s" if mode & 0o100 else "S")
    return bytes(text)


def test_squashfs_content(tmp_path: Path) -> None:
    tree = trees.tree(4)
    found = members(trees.squashfs(tree, tmp_path / "made", "-b 4096").read_bytes())
    assert {p: content(found[p]) for p, n in tree.items() if n.kind == trees.FILE} == {
        p: n.data for p, n in tree.items() if n.kind == trees.FILE
    }


def test_iso_lists_what_pycdlib_lists(tmp_path: Path) -> None:
    data = samples.bootable_iso(tmp_path / "iso")
    theirs = {}
    disc = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(data))
    for folder, folders, files in disc.walk(rr_path="/"):
        for name in (*folders, *files):
            path = f"{folder.rstrip('/')}/{name}"
            record = disc.get_record(rr_path=path)
            mode = record.rock_ridge.get_file_mode()
            is_file = mode & 0o170000 == 0o100000
            out = io.BytesIO()
            if is_file:
                disc.get_file_from_iso_fp(out, rr_path=path)
            theirs[path[1:]] = (mode & 0o7777, out.getvalue() if is_file else b"")
    found = members(data)
    ours = {n: (m.mode, content(m) if m.content else b"") for n, m in found.items() if n != "." and n[0] != "["}
    assert ours == theirs
    assert found["link"].target == "etc/hostname"
    assert found["etc/hostname"].mtime == 1000


def test_iso_without_rock_ridge(tmp_path: Path) -> None:
    root, image = samples.tree(tmp_path / "root", {"dir/file.txt": b"x"}), tmp_path / "image"
    samples.tool("xorriso", "-as", "mkisofs", "-quiet", "--norock", "-o", image, root)
    assert "DIR/FILE.TXT" in members(image.read_bytes())


def test_iso_long_rock_ridge_names_continue_elsewhere(tmp_path: Path) -> None:
    name = "n" * 200 + "/" + "m" * 250
    found = members(samples.iso(tmp_path / "iso", {name: b"x"}))
    assert content(found[name]) == b"x"


def test_iso_appended_partition_and_boot_image_are_members(tmp_path: Path) -> None:
    found = members(samples.bootable_iso(tmp_path / "iso"))
    assert content(found["[partition 2]"]) == content(found["boot/efi.img"])


@pytest.mark.parametrize("size", [720, 2880, 40000])
def test_fat_holds_what_mtools_put_there(size: int, tmp_path: Path) -> None:
    image, source = tmp_path / "image", tmp_path / "source"
    image.write_bytes(bytes(size * 1024))
    source.write_bytes(os.urandom(70_000))
    geometry = ("-f", str(size)) if size <= 2880 else ("-F", "-T", str(size * 2), "-h", "16", "-s", "63", "-c", "1")
    samples.tool("mformat", "-i", image, *geometry, "::")
    samples.tool("mmd", "-i", image, "::EFI", "::EFI/BOOT", "::EFI/a long folder name é")
    for target in ("::EFI/BOOT/BOOTX64.EFI", "::EFI/a long folder name é/and a long file name.cfg", "::lower.txt"):
        samples.tool("mcopy", "-i", image, source, target)
    found = members(image.read_bytes())
    files = {name: content(member) for name, member in found.items() if member.content}
    expected = {"EFI/BOOT/BOOTX64.EFI", "EFI/a long folder name é/and a long file name.cfg", "lower.txt"}
    assert files == dict.fromkeys(expected, source.read_bytes())


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_against_the_standard_library(form: int, tmp_path: Path) -> None:
    data = samples.tar(tmp_path, form=form)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        theirs = [_entry(archive, info) for info in archive]
    assert [
        (m.name, m.mode, m.uid, m.mtime, m.target or "", content(m) if m.content else b"")
        for m in members(data).values()
    ] == theirs


def _entry(archive: tarfile.TarFile, info: tarfile.TarInfo) -> tuple[Any, ...]:
    stream = archive.extractfile(info) if not info.issym() else None
    target = info.linkname if info.issym() else ""
    return info.name, info.mode, info.uid, info.mtime, target, stream.read() if stream else b""


def test_tar_numbers_beyond_octal_and_extended_attributes(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("big")
        info.uid, info.mtime = 1 << 40, -5
        archive.addfile(info)
    big = members(out.getvalue())["big"]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.mtime, info.pax_headers = 1.5, {"SCHILY.xattr.user.a": "b"}
        archive.addfile(info)
    found = members(out.getvalue())
    assert (big.uid, big.mtime) == (1 << 40, -5)
    assert (found["x"].mtime, found["x"].xattrs) == ("1.5", (("user.a", b"b"),))


@pytest.mark.parametrize("name", ["cpio", "ar", "deb"])
def test_archives_against_libarchive(name: str, tmp_path: Path) -> None:
    data = samples.SAMPLES[name](tmp_path)
    with libarchive.memory_reader(data) as archive:
        theirs = {entry.pathname: b"".join(entry.get_blocks()) for entry in archive if entry.pathname != "//"}
    assert {n: content(m) for n, m in members(data).items()} == theirs


def test_initrd_segments_in_order(tmp_path: Path) -> None:
    found = members(samples.initrd(tmp_path))
    assert list(found) == ["early-1", "main"]
    (inner,) = members(content(found["main"])).values()
    assert set(members(content(inner))) == set(samples.FILES)


def test_cpio_hard_links_share_the_last_ones_data() -> None:
    def entry(name: bytes, data: bytes) -> bytes:
        numbers = (7, 0o100644, 0, 0, 2, 1, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % n for n in numbers) + name + b"\0"
        padded = head + bytes(-len(head) % 4)
        return padded + data + bytes(-len(data) % 4)

    found = members(entry(b"a", b"") + entry(b"./b", b"shared") + entry(b"TRAILER!!!", b""))
    assert [content(found[name]) for name in "ab"] == [b"shared", b"shared"]
    assert found["a"].links == ("a", "b")


@pytest.mark.parametrize("name", ["gzip", "xz", "zstd", "lz4"])
def test_streams(name: str, tmp_path: Path) -> None:
    (inner,) = members(samples.SAMPLES[name](tmp_path)).values()
    assert content(inner) == samples.FILES["etc/big"]


def test_legacy_lz4_stream() -> None:
    block = b"\x43abcd\x04\x00" + b"\xf0\x05" + b"x" * 20  # 4 literals, 7 bytes from 4 back, 20 literals
    frame = b"\x02\x21\x4c\x18" + len(block).to_bytes(4, "little") + block
    (inner,) = members(frame * 2).values()
    assert content(inner) == (b"abcdabcdabc" + b"x" * 20) * 2


def test_disk_partitions(tmp_path: Path) -> None:
    found = members(samples.disk(tmp_path))
    assert "etc/hostname" in members(content(found["[partition 1]"]))
