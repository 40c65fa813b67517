"""Small real artifacts of every format, made by the tools that make them in the field."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import libarchive
import lz4.frame
import zstandard

EPOCH = {"SOURCE_DATE_EPOCH": "1000000000"}
FILES: dict[str, bytes] = {"etc/hostname": b"live\n", "etc/big": bytes(range(256)) * 40, "init": b"#!/bin/sh\n"}


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    """`files` below `folder`, with fixed modes and times, and one symlink."""
    for name, data in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (folder / "link").symlink_to("etc/hostname")
    for place in (folder, *folder.rglob("*")):
        os.utime(place, (1000, 1000), follow_symlinks=False)
        if not place.is_symlink():
            place.chmod(0o755 if place.is_dir() else 0o644)
    return folder


def tool(*argv: str | Path) -> None:
    """Run a program that makes an artifact, with a fixed clock."""
    subprocess.run(argv, check=True, env={**os.environ, **EPOCH}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def squashfs(folder: Path, files: dict[str, bytes] = FILES, compressor: str = "gzip") -> bytes:
    root, image = tree(folder / "root", files), folder / "image"
    os.setxattr(root / "init", "user.note", b"x" * 80)
    tool("mksquashfs", root, image, "-quiet", "-no-progress", "-all-root", "-comp", compressor, "-processors", "1")
    return image.read_bytes()


def iso(folder: Path, files: dict[str, bytes] = FILES, *options: str | Path) -> bytes:
    root, image = tree(folder / "root", files), folder / "image"
    tool("xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "LIVE", *options, "-o", image, root)
    return image.read_bytes()


def bootable_iso(folder: Path) -> bytes:
    """With an El Torito image that is a file, an appended partition and a GPT."""
    folder.mkdir()
    esp = folder / "esp"
    esp.write_bytes(fat(folder / "fat"))
    files = {**FILES, "boot/efi.img": esp.read_bytes()}
    boot = ("-e", "boot/efi.img", "-no-emul-boot", "-append_partition", "2", "0xef", esp, "-appended_part_as_gpt")
    return iso(folder / "iso", files, *boot)


def fat(folder: Path, files: dict[str, bytes] = FILES, serial: str = "12345678") -> bytes:
    root, image = tree(folder / "root", files), folder / "image"
    image.write_bytes(bytes(720 * 1024))
    tool("mformat", "-i", image, "-N", serial, "-v", "ESP", "-f", "720", "::")
    long = root / "a long file name.cfg"
    long.write_bytes(b"set timeout=5\n")
    os.utime(long, (1_000_000_000, 1_000_000_000))
    (root / "link").unlink()
    tool("mcopy", "-i", image, "-s", "-m", *sorted(root.iterdir()), "::")
    return image.read_bytes()


def cpio(folder: Path, files: dict[str, bytes] = FILES) -> bytes:
    return _archive("cpio_newc", files)


def ar(folder: Path, files: dict[str, bytes] = FILES) -> bytes:
    """GNU style, the second member with a name that needs the table of long names."""
    table = b"a_name_of_more_than_fifteen.o/\n"
    members = [(b"//", table), *((b"/0" if n == 1 else b"m%d/" % n, data) for n, data in enumerate(files.values()))]
    return b"!<arch>\n" + b"".join(_ar_member(name, data) for name, data in members)


def _ar_member(name: bytes, data: bytes) -> bytes:
    return b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, 1000, 0, 0, 0o100644, len(data)) + data + b"\n" * (len(data) % 2)


def _archive(form: str, files: dict[str, bytes]) -> bytes:
    chunks: list[bytes] = []
    with libarchive.custom_writer(lambda data: chunks.append(bytes(data)) or len(data), form) as writer:  # type: ignore[func-returns-value]
        for name, data in files.items():
            writer.add_file_from_memory(name, len(data), data, 0o100000, 0o644, mtime=1000)
    return b"".join(chunks)


def tar(folder: Path, files: dict[str, bytes] = FILES, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, pax_headers={}) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name if name != "init" else "long/" * 30 + "né")
            info.size, info.mtime, info.uname = len(data), 1000, "root"
            archive.addfile(info, io.BytesIO(data))
        for kind, name in ((tarfile.SYMTYPE, "link"), (tarfile.LNKTYPE, "hard"), (tarfile.DIRTYPE, "etc")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = kind, "etc/hostname" if kind != tarfile.DIRTYPE else "", 1000
            archive.addfile(info)
    return out.getvalue()


def deb(folder: Path, files: dict[str, bytes] = FILES) -> bytes:
    data = lzma.compress(tar(folder, files))
    control = gzip.compress(tar(folder, {"control": b"Package: x\n"}), mtime=0)
    return archive_ar({b"debian-binary": b"2.0\n", b"control.tar.gz": control, b"data.tar.xz": data})


def archive_ar(members: dict[bytes, bytes]) -> bytes:
    """An ar archive of members with short names, as a .deb is one."""
    return b"!<arch>\n" + b"".join(_ar_member(name, content) for name, content in members.items())


def initrd(folder: Path, files: dict[str, bytes] = FILES) -> bytes:
    early = _archive("cpio_newc", {"kernel/x86/microcode/GenuineIntel.bin": b"microcode" * 20})
    return early + bytes(512) + zstandard.compress(_archive("cpio_newc", files))


def disk(folder: Path, files: dict[str, bytes] = FILES) -> bytes:
    """An MBR with one FAT partition from sector 2048 on."""
    partition = fat(folder, files)
    entry = struct.pack("<B3sB3sII", 0x80, b"", 0xEF, b"", 2048, len(partition) // 512)
    return (bytes(446) + entry).ljust(510, b"\0") + b"\x55\xaa" + bytes(2047 * 512) + partition


def sparse_tar(folder: Path, form: str) -> bytes:
    """Data at both ends of a hole, as GNU tar's `form` (gnu, or posix with a version) writes it."""
    folder.mkdir()
    with open(folder / "sparse", "wb") as out:
        for number in range(6):
            out.seek(number * 300_000)
            out.write(b"data%d" % number * 1000)
        out.truncate(2_000_000)
    kind, _, version = form.partition(" ")
    options = ("--sparse-version", version) if version else ()
    tool("tar", "-C", folder, "--sparse", *options, "-H", kind, "-cf", folder / "made", "--mtime=@1000", "sparse")
    return (folder / "made").read_bytes()


EXT = ("-U", "12345678-1234-1234-1234-123456789abc", "-E", "hash_seed=12345678-1234-1234-1234-123456789abc")


def ext(
    folder: Path, files: dict[str, bytes] = FILES, options: str = "-t ext4 -b 1024 -N 32", size: str = "1M"
) -> bytes:
    root, image = tree(folder / "root", files), folder / "image"
    os.setxattr(root / "init", "user.note", b"x" * 80)
    tool("mke2fs", "-q", "-F", *EXT, *options.split(), "-d", root, image, size)
    return image.read_bytes()


def usb(folder: Path, files: dict[str, bytes] = FILES) -> bytes:
    """A GPT with a FAT ESP as its first partition and an ext4 as its second."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = fat(folder / "esp"), ext(folder / "ext", files)
    lba, at, entries = [], 64, b""
    for number, part in enumerate(parts, 1):
        lba.append((at, at + len(part) // 512 - 1))
        entries += struct.pack("<16s16sQQQ72s", bytes([number] * 16), bytes([number + 8] * 16), *lba[-1], 0, b"p\0")
        at = lba[-1][1] + 1
    entries = entries.ljust(128 * 128, b"\0")
    mbr = (bytes(446) + struct.pack("<B3sB3sII", 0, b"", 0xEE, b"", 1, at + 32)).ljust(510, b"\0") + b"\x55\xaa"
    body = b"".join(parts)
    first, last = (_gpt(1, at + 32, 2, entries, at), _gpt(at + 32, 1, at, entries, at))
    return (mbr + first + entries).ljust(64 * 512, b"\0") + body + entries + last


def _gpt(own: int, other: int, table: int, entries: bytes, end: int) -> bytes:
    def header(crc: int) -> bytes:
        places = struct.pack("<QQQQ16sQ", own, other, 64, end - 1, b"disk" * 4, table)
        return b"EFI PART\0\0\1\0" + struct.pack("<III", 92, crc, 0) + places + tail

    tail = struct.pack("<III", 128, 128, zlib.crc32(entries))
    return header(zlib.crc32(header(0))).ljust(512, b"\0")


SAMPLES: dict[str, Callable[[Path], bytes]] = {
    "squashfs": squashfs,
    "squashfs-xz": lambda folder: squashfs(folder, compressor="xz"),
    "squashfs-zstd": lambda folder: squashfs(folder, compressor="zstd"),
    "squashfs-lzo": lambda folder: squashfs(folder, compressor="lzo"),
    "squashfs-lz4": lambda folder: squashfs(folder, compressor="lz4"),
    "iso": iso,
    "bootable-iso": bootable_iso,
    "fat": fat,
    "cpio": cpio,
    "ar": ar,
    "tar": tar,
    "tar-gnu": lambda folder: tar(folder, form=tarfile.GNU_FORMAT),
    "deb": deb,
    "initrd": initrd,
    "disk": disk,
    "ext2": lambda folder: ext(folder, options="-t ext2 -b 1024 -N 32", size="512k"),
    "ext4": ext,
    "usb": usb,
    "gzip": lambda folder: gzip.compress(FILES["etc/big"], mtime=5),
    "xz": lambda folder: lzma.compress(FILES["etc/big"]),
    "zstd": lambda folder: zstandard.compress(FILES["etc/big"]),
    "lz4": lambda folder: lz4.frame.compress(FILES["etc/big"], content_checksum=True),
    "tar-sparse-gnu": lambda folder: sparse_tar(folder, "gnu"),
    "tar-sparse-0.0": lambda folder: sparse_tar(folder, "posix 0.0"),
    "tar-sparse-0.1": lambda folder: sparse_tar(folder, "posix 0.1"),
    "tar-sparse-1.0": lambda folder: sparse_tar(folder, "posix 1.0"),
    "elf": lambda folder: Path("/bin/true").read_bytes(),
    "pyc": lambda folder: b"\xa7\r\r\n" + bytes(4) + struct.pack("<II", 1000, 50) + b"code" * 20,
}
