"""Every byte of a real file has one name or is a member's; what is named says what other tools say."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import re
import subprocess
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from repro.formats import opened
from repro.formats.base import Container, Malformed, Structure
from tests.formats import samples
from tests.formats.accounted import every


def container(data: bytes) -> tuple[Container, list[tuple[int, int]]]:
    """The container of `data`, and where its members' contents lie."""
    found = opened(memoryview(data))
    assert found is not None
    contents = [member.content for member in found.members() if member.content]
    assert not found.problems.found
    for content in contents:
        for piece in content.pieces():
            piece.read()
    extents = [extent for content in contents for extent in content.extents()]
    return found, [] if found.format == "stream" else extents


def structures(data: bytes) -> dict[tuple[str, str], Structure]:
    found = every(container(data)[0])
    assert max(Counter((s.name, s.of) for s in found).values()) == 1
    return {(s.name, s.of): s for s in found}


def archive_of_tool(folder: Path, name: str) -> bytes:
    root = samples.tree(folder / "root", {**samples.FILES, "dir/" + "n" * 150: b"x" * 700})
    (root / "hard").hardlink_to(root / "init")
    made = folder / "made"
    if name == "deb":
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: M\nDescription: x\n"
        )
        samples.tool("dpkg-deb", "-b", root, made)
    elif name.startswith("cpio"):
        listing = b"\0".join(str(p.relative_to(root)).encode() for p in (root, *sorted(root.rglob("*"))))
        run = ("cpio", "--quiet", "-0", "-o", "-H", name.split()[1])
        made.write_bytes(subprocess.run(run, cwd=root, input=listing, stdout=-1, check=True).stdout)
    elif name == "static":
        for source in ("first", "a_second_one_of_a_long_name"):
            (folder / f"{source}.s").write_text(f".globl {source}\n{source}: ret\n")
            samples.tool("as", folder / f"{source}.s", "-o", folder / f"{source}.o")
        samples.tool("ar", "rcsU", made, *sorted(folder.glob("*.o")))
    elif name == "object":
        (folder / "x.s").write_text(".globl x\nx: ret\n.data\n.long 5\n")
        samples.tool("as", folder / "x.s", "-o", made)
    else:
        samples.tool("tar", "-C", root, "-H", name.split()[1], "-cf", made, ".")
    return made.read_bytes()


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def _gzipped(data: bytes) -> bytes:
    head = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\x03\0abc" + b"name\0comment\0"
    plain = gzip.compress(data, mtime=7)
    return head + (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") + plain[10:]


BIG = bytes(range(256)) * 900
MADE: dict[str, Callable[[Path], bytes]] = {
    **{
        name: (lambda folder, name=name: archive_of_tool(folder, name))  # type: ignore[misc]
        for name in ("deb", "cpio newc", "cpio crc", "static", "object", "tar gnu", "tar pax")
    },
    **{name: samples.SAMPLES[name] for name in samples.SAMPLES if name.startswith("tar-sparse")},
    "gzip": lambda folder: gzip.compress(BIG, mtime=5) + gzip.compress(b"again", mtime=6),
    "gzip-fields": lambda folder: _gzipped(BIG),
    "xz": lambda folder: lzma.compress(BIG) + lzma.compress(b"again"),
    "xz-blocks": lambda folder: _piped(("xz", "-T2", "--block-size=65536"), BIG),
    "zstd": lambda folder: _zstd(BIG),
    "zstd-tool": lambda folder: _piped(("zstd", "-19"), BIG),
    "bzip2": lambda folder: bz2.compress(BIG) + bz2.compress(b"again"),
    "lz4": lambda folder: lz4.frame.compress(BIG, content_checksum=True, block_checksum=True),
    "lz4-tool": lambda folder: _piped(("lz4", "-c"), BIG),
    "lz4-legacy": lambda folder: _piped(("lz4", "-l", "-c"), BIG),
    "elf-program": lambda folder: Path("/bin/true").read_bytes(),
    "elf-library": lambda folder: next(Path("/usr/lib").glob("*/libz.so.1")).resolve().read_bytes(),
    "pyc": samples.SAMPLES["pyc"],
}


def _piped(argv: tuple[str, ...], data: bytes) -> bytes:
    return subprocess.run(argv, input=data, stdout=-1, stderr=subprocess.DEVNULL, check=True).stdout


@pytest.mark.parametrize("name", sorted(MADE))
def test_nothing_but_zeros_is_left(name: str, tmp_path: Path) -> None:
    data = MADE[name](tmp_path / "made" if name.startswith("tar-sparse") else tmp_path)
    found, extents = container(data)
    named = [(s.start, s.end) for s in found.structures()]
    assert named and all(0 <= start <= end <= len(data) for start, end in named)
    left = bytearray(data)
    for start, end in (*named, *extents):
        left[start:end] = bytes(end - start)
    assert not any(left)


@pytest.mark.parametrize("name", sorted(MADE))
def test_what_can_be_computed_holds(name: str, tmp_path: Path) -> None:
    data = MADE[name](tmp_path / "made" if name.startswith("tar-sparse") else tmp_path)
    assert [s.label for s in structures(data).values() if s.holds and not s.holds()] == []


@pytest.mark.parametrize(
    ("name", "structure", "of", "offset"),
    [
        ("gzip", "gzip header MTIME", "", 0),
        ("gzip-fields", "gzip trailer CRC32", "", 0),
        ("gzip", "gzip header MTIME", "2", 1),
        ("gzip-fields", "gzip header file name", "", 2),
        ("gzip-fields", "gzip header CRC16", "", 0),
        ("xz-blocks", "xz block header CRC32", "2", 0),
        ("xz-blocks", "xz stream header CRC32", "", 0),
        ("xz-blocks", "xz index CRC32", "", 0),
        ("xz-blocks", "xz stream footer CRC32", "", 0),
        ("zstd", "zstd frame checksum", "", 0),
        ("bzip2", "bzip2 header level", "", 0),
        ("cpio newc", "cpio header mtime", "init", 7),
        ("cpio crc", "cpio header check", "init", 7),
        ("tar gnu", "tar header mtime", "init", 10),
        ("deb", "ar header mtime", "debian-binary", 3),
        ("elf-program", "ELF build-id", ".note.gnu.build-id", 3),
        ("elf-program", "ELF section", ".text", 3),
        ("pyc", "pyc header mtime", "", 0),
    ],
)
def test_a_changed_byte_is_in_the_structure_of_that_name(
    name: str, structure: str, of: str, offset: int, tmp_path: Path
) -> None:
    data = MADE[name](tmp_path)
    place = structures(data)[structure, of]
    changed = bytearray(data)
    changed[place.start + offset] ^= 1
    expected = {(structure, of)}
    if name == "tar gnu":
        check = structures(data)["tar header checksum", of]
        head = changed[check.start - 148 : check.start + 364]
        changed[check.start : check.end] = b"%06o\0 " % (sum(head[:148]) + 256 + sum(head[156:]))
        expected.add((check.name, of))
    found = opened(memoryview(bytes(changed)))
    assert found is not None
    for member in found.members():
        with contextlib.suppress(Malformed):
            list(member.content.pieces() if member.content else ())
    ours = {(s.name, s.of): data[s.start : s.end] for s in structures(data).values() if _leaf(s)}
    theirs = {(s.name, s.of): s for s in every(found) if _leaf(s)}
    differing = {k for k, s in theirs.items() if bytes(changed[s.start : s.end]) != ours.get(k)}
    assert differing == expected
    if place.holds:
        holds = theirs[structure, of].holds
        assert holds is not None and not holds()


def _leaf(structure: Structure) -> bool:
    """Regions, ELF segments and sections of notes have further structures inside."""
    if structure.parts:
        return False
    return structure.name == "ELF build-id" or not (structure.name == "ELF segment" or structure.of.startswith(".note"))


def test_elf_sections_and_build_id_against_readelf() -> None:
    program = "/bin/true"
    text = subprocess.run(("readelf", "-SWn", program), check=True, capture_output=True, text=True).stdout
    theirs = {
        (m[1], int(m[2], 16), int(m[3], 16))
        for m in re.finditer(r"\] (\.\S+)\s+(?!NOBITS)\S+\s+[0-9a-f]{16} ([0-9a-f]+) ([0-9a-f]+)", text)
    }
    found = structures(Path(program).read_bytes())
    assert {(of, s.start, s.end - s.start) for (name, of), s in found.items() if name == "ELF section"} == theirs
    build_id = re.search(r"Build ID: ([0-9a-f]+)", text)
    assert build_id and found["ELF build-id", ".note.gnu.build-id"].value == build_id[1]


@pytest.mark.parametrize("name", ["tar-sparse-gnu", "tar-sparse-0.0", "tar-sparse-0.1", "tar-sparse-1.0"])
def test_sparse_members_against_the_standard_library(name: str, tmp_path: Path) -> None:
    data = samples.SAMPLES[name](tmp_path / "made")
    found = opened(memoryview(data))
    assert found is not None
    (member,) = found.members()
    assert member.content is not None
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        (info,) = archive
        stream = archive.extractfile(info)
        assert stream is not None
        assert b"".join(bytes(p.read()) for p in member.content.pieces()) == stream.read()
    assert (member.name, member.content.size, member.problem) == ("sparse", 2_000_000, None)
