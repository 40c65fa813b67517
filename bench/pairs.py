"""Pairs of live images made of real Debian packages, with known changes planted in one of the two.

`original.iso` beside `few.iso` (40 files changed by eight bytes) and `many.iso` (some 10,000 entries changed), and on
request both `large-original.iso` and `large-few.iso` of more than 4 GB. Beside each changed image NAME.json lists what
was planted. The packages are unpacked, not configured: what is compared is bytes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import planted
from bench.planted import Planted

ORIGINAL, FEW, MANY = "original", "few", "many"
LARGE, LARGE_FEW = "large-original", "large-few"
SQUASHFS = "live/filesystem.squashfs"

_VERSION = 2  # of what is built here: older pairs are built anew
_EPOCH = 1_750_000_000
_LARGE_FILES, _LARGE_SIZE = 56, 64 << 20  # of bytes that do not compress
_SMALLEST = 400_000_000, 4_000_000_000
_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_PACKAGES = """
    apt base-files base-passwd bash bsdutils coreutils dash debianutils diffutils findutils grep gzip hostname less
    login mount nano ncurses-base ncurses-bin sed tar usr-is-merged util-linux linux-image-amd64 systemd-sysv
    live-boot live-config-systemd initramfs-tools zstd sudo locales tzdata man-db manpages vim git python3 perl
    openssh-client network-manager firmware-linux-free xfce4 adwaita-icon-theme fonts-noto-core fonts-dejavu
    tango-icon-theme evince-common cups python3-apt python3-docutils busybox-static isolinux syslinux-common
    grub-efi-amd64-signed
"""
_UNPACK = 'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -C "$2" -xpv --numeric-owner --keep-directory-symlink'
_MERGED = ("bin", "sbin", "lib", "lib64")


@dataclass(frozen=True)
class Pair:
    """Two images and what was planted in the second."""

    name: str
    left: Path
    right: Path
    truth: Path


def pair(folder: Path, name: str) -> Pair:
    """The pair of `folder` whose changed image is `name`."""
    original = LARGE if name == LARGE_FEW else ORIGINAL
    return Pair(name, folder / f"{original}.iso", folder / f"{name}.iso", folder / f"{name}.json")


def have(folder: Path, *, large: bool, say: Callable[[str], None]) -> None:
    """Have the pairs in `folder`: build those that are not there, or not whole.

    Raises CalledProcessError where a program failed, ValueError where the images are smaller than promised.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(ORIGINAL, (FEW, MANY), False)] + [(LARGE, (LARGE_FEW,), True)] * large
    for original, changed, big in wanted:
        if not _whole(folder, original, changed):
            _build(folder, original, changed, big=big, say=say)


def _whole(folder: Path, original: str, changed: Iterable[str]) -> bool:
    try:
        marker = json.loads((folder / f"{original}.whole.json").read_text())
        sizes = {name: (folder / name).stat().st_size for name in _products(original, changed)}
    except (OSError, ValueError):
        return False
    return bool(marker == {"version": _VERSION, "sizes": sizes})


def _products(original: str, changed: Iterable[str]) -> list[str]:
    return [f"{original}.iso", *(f"{name}.{suffix}" for name in changed for suffix in ("iso", "json"))]


def _build(folder: Path, original: str, changed: tuple[str, ...], *, big: bool, say: Callable[[str], None]) -> None:
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    debs = download(folder / "debs", say)
    say(f"unpacking {len(debs)} packages")
    tree = unpack(debs, work / "tree")
    if big:
        _add_incompressible(tree / "srv/large")
    boot = boot_files(tree, work / "boot")
    say(f"building {original}.iso")
    _image(tree, boot, folder / f"{original}.iso", work, ())
    for name in changed:
        say(f"building {name}.iso")
        copy = work / "changed"
        _run("cp", "-a", str(tree), str(copy))
        done: Planted = planted.many(copy) if name == MANY else planted.few(copy)
        planted.write(folder / f"{name}.json", done.truth(SQUASHFS))
        _image(copy, boot, folder / f"{name}.iso", work, done.owners)
        shutil.rmtree(copy)
    shutil.rmtree(work)
    sizes = {name: (folder / name).stat().st_size for name in _products(original, changed)}
    if sizes[f"{original}.iso"] < _SMALLEST[big]:
        raise ValueError(f"{original}.iso has only {sizes[f'{original}.iso']} bytes")
    marker = {"version": _VERSION, "sizes": sizes}
    (folder / f"{original}.whole.json").write_text(json.dumps(marker, indent=1) + "\n")


def download(folder: Path, say: Callable[[str], None]) -> list[Path]:
    """The packages with all that they depend on, from the host's apt, which checks them; sorted."""
    marker = folder / "whole"
    if not marker.exists():
        say("downloading packages")
        (folder / "partial").mkdir(parents=True, exist_ok=True)
        (folder / "status").write_bytes(b"")  # as if nothing were installed
        options = {"Dir::State::status": folder / "status", "Dir::Cache::archives": folder, "Debug::NoLocking": 1}
        options |= {"APT::Install-Recommends": 0, "APT::Sandbox::User": ""}
        given = (f"-o{name}={value}" for name, value in options.items())
        _run("apt-get", "-qq", "-y", "--download-only", *given, "install", *_PACKAGES.split())
        marker.touch()
    return sorted(folder.glob("*.deb"))


def unpack(debs: list[Path], tree: Path) -> Path:
    """Lay the files of all packages out in `tree`, with dpkg's database of which file belongs to which package."""
    info = tree / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    for name in _MERGED:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    stanzas: list[bytes] = []
    for deb in debs:
        names = _run("bash", "-c", _UNPACK, "bash", str(deb), str(tree)).splitlines()
        stanza = _run("dpkg-deb", "--field", str(deb), "Package", "Version", "Architecture", "Multi-Arch")
        fields = dict(line.split(": ", 1) for line in stanza.decode().splitlines())
        same = fields.get("Multi-Arch") == "same"
        package = fields["Package"] + (f":{fields['Architecture']}" if same else "")
        listed = [name.removeprefix(b".").rstrip(b"/") or b"/." for name in names]
        (info / f"{package}.list").write_bytes(b"".join(name + b"\n" for name in listed))
        stanzas.append(stanza + b"Status: install ok unpacked\n")
    (info.parent / "status").write_bytes(b"\n".join(stanzas))
    _settle(tree)
    return tree


def _settle(tree: Path) -> None:
    """No time later than the images'."""
    for folder, _, names in os.walk(tree, topdown=False):
        for path in (*(os.path.join(folder, name) for name in names), folder):
            if os.lstat(path).st_mtime > _EPOCH:
                os.utime(path, (_EPOCH, _EPOCH), follow_symlinks=False)


def _add_incompressible(folder: Path) -> None:
    chance = random.Random("large")
    folder.mkdir(parents=True)
    for number in range(_LARGE_FILES):
        path = folder / f"{number:02}.bin"
        path.write_bytes(chance.randbytes(_LARGE_SIZE))
        os.utime(path, (_EPOCH, _EPOCH))
    for path in (folder, folder.parent):
        os.utime(path, (_EPOCH, _EPOCH))


def boot_files(tree: Path, folder: Path) -> Path:
    """What an ISO holds besides the squashfs: kernel, an initrd of busybox and modules, boot loaders."""
    for name in ("live", "isolinux", "boot/grub"):
        (folder / name).mkdir(parents=True)
    kernel = next((tree / "boot").glob("vmlinuz-*"))
    shutil.copy(kernel, folder / "live/vmlinuz")
    _initrd(tree, folder / "live/initrd.img")
    for name in ("usr/lib/ISOLINUX/isolinux.bin", "usr/lib/syslinux/modules/bios/ldlinux.c32"):
        shutil.copy(tree / name, folder / "isolinux")
    append = "label live\n  kernel /live/vmlinuz\n  append initrd=/live/initrd.img boot=live\n"
    (folder / "isolinux/isolinux.cfg").write_text("default live\n" + append)
    efi = str(folder / "boot/grub/efi.img")
    loader = tree / "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"
    _run("mformat", "-i", efi, "-C", "-T", "8192", "-h", "2", "-s", "32", "-N", "12345678", "::")
    _run("mmd", "-i", efi, "::/EFI", "::/EFI/BOOT")
    _run("mcopy", "-m", "-i", efi, str(loader), "::/EFI/BOOT/BOOTX64.EFI")
    shutil.copy(tree / "usr/lib/ISOLINUX/isohdpfx.bin", folder.with_suffix(".mbr"))
    return folder


def _initrd(tree: Path, target: Path) -> None:
    folders = ("kernel/fs", *(f"kernel/drivers/{kind}" for kind in ("ata", "nvme", "usb", "md", "virtio", "scsi")))
    wanted = [path for name in folders for path in sorted(tree.glob(f"usr/lib/modules/*/{name}/**/*.ko"))]
    names = "\n".join(["usr/bin/busybox", *(str(path.relative_to(tree)) for path in wanted)])
    archiver = ("cpio", "--quiet", "-o", "-H", "newc", "--reproducible", "-R", "0:0")
    archive = _run(*archiver, cwd=tree, stdin=names.encode())
    _run("zstd", "-q", "-9", "-f", "-o", str(target), stdin=archive)


def _image(tree: Path, boot: Path, iso: Path, work: Path, owners: tuple[str, ...]) -> None:
    squashfs, pseudo = boot / SQUASHFS, work / "owners"
    pseudo.write_text("".join(f"{line}\n" for line in owners))
    squashfs.unlink(missing_ok=True)
    options = ["-noappend", "-no-progress", "-quiet", "-exports", "-comp", "zstd", "-Xcompression-level", "9"]
    options += ["-mkfs-time", str(_EPOCH), "-pf", str(pseudo)]
    _run("mksquashfs", str(tree), str(squashfs), *options)
    stamp = time.strftime("%Y%m%d%H%M%S00", time.gmtime(_EPOCH))
    part = iso.with_suffix(".part")
    part.unlink(missing_ok=True)
    _run(
        *("xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-o", str(part), "-iso-level", "3"),
        *("-V", "BENCH", f"--modification-date={stamp}", "--set_all_file_dates", f"={_EPOCH}"),
        *("--gpt_disk_guid", "modification-date"),
        *(
            "-R",
            "-J",
            "-joliet-long",
            "-uid",
            "0",
            "-gid",
            "0",
            "--sort-weight",
            "1",
            "/",
            "--sort-weight",
            "0",
            "/live",
        ),
        *("-isohybrid-mbr", str(boot.with_suffix(".mbr")), "-c", "isolinux/boot.cat", "-b", "isolinux/isolinux.bin"),
        *("-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"),
        *("-eltorito-alt-boot", "-e", "boot/grub/efi.img", "-no-emul-boot", "-isohybrid-gpt-basdat"),
        str(boot),
    )
    os.replace(part, iso)


def _run(*argv: str, cwd: Path | None = None, stdin: bytes = b"") -> bytes:
    done = subprocess.run(argv, cwd=cwd, env=_ENV, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, argv, stderr=done.stderr[-2000:].decode(errors="replace"))
    return done.stdout
