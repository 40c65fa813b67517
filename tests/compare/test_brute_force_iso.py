"""The walker against what the usual programs unpack of the minimal ISO and of variants of it, boot set-up and all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from repro.compare import compare_artifacts
from repro.model.comparison import Comparison
from tests.compare import trees, unpacked

# the group of the boot tests: one worker builds the image for all
pytestmark = [pytest.mark.build, pytest.mark.xdist_group("boot")]

SQUASHFS, INITRD, ESP = "live/filesystem.squashfs", "live/initrd.img", "[El Torito image 2]"
CONTAINERS = (SQUASHFS, INITRD, ESP)
Told = dict[tuple[str, ...], set[str]]

_UNPACK_INITRD = 'mkdir "$1"; zstd -dcq "$0" | cpio -idm --quiet --no-absolute-filenames -D "$1"'
_MADE = (
    *("-R", "-J", "-joliet-long", "-V", "VARIANT", "--set_all_file_dates", "set_to_mtime"),
    *("-c", "boot/boot.cat", "-b", "boot/grub/bios.img", "-no-emul-boot", "-boot-load-size", "4"),
    *("-boot-info-table", "--grub2-boot-info", "--grub2-mbr", "/usr/lib/grub/i386-pc/boot_hybrid.img"),
)
_EFI = ("-appended_part_as_gpt", "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot")


def tool(*argv: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=cwd)


def extracted(image: Path, folder: Path) -> trees.Tree:
    """The files of `image` below `folder`/tree, its boot images in `folder`/boot."""
    read = ("xorriso", "-no_rc", "-osirrox", "on", "-indev", image)
    tool(*read, "-extract_boot_images", folder / "boot")
    return unpacked.unpacked(folder / "tree", *read, "-extract", "/", folder / "tree")


def all_of(image: Path, folder: Path) -> dict[tuple[str, ...], trees.Tree]:
    """What lies in `image` and in the containers in it, by the location of the container."""
    folder.mkdir(exist_ok=True)
    outside = extracted(image, folder)
    esp = folder / "boot/eltorito_img2_uefi.img"
    outside[ESP] = trees.Node(trees.FILE, data=esp.read_bytes())
    initrd, efi = folder / "initrd", folder / "esp"
    efi.mkdir()
    return {
        (): outside,
        (SQUASHFS,): unpacked.squashfs(folder / "tree" / SQUASHFS, folder / "squashfs"),
        (INITRD,): unpacked.unpacked(initrd, "sh", "-ec", _UNPACK_INITRD, folder / "tree" / INITRD, initrd),
        (ESP,): unpacked.unpacked(efi, "mcopy", "-s", "-m", "-i", esp, "::*", efi),
    }


def expected(left: dict[tuple[str, ...], trees.Tree], right: dict[tuple[str, ...], trees.Tree]) -> Told:
    found = {
        (*location, path): aspects
        for location in left
        for path, aspects in trees.expected(left[location], right[location]).items()
    }
    root = found.pop((ESP, "."), None)  # FAT keeps nothing of its root: that is the folder it was unpacked into
    assert root is None or root <= {"mtime", "mode"}
    return told(found)


def told(found: Told) -> Told:
    """Without what is said of containers as such (one side speaks of their bytes, the other of their structure), of the
    link count that cpio keeps of folders, and of the folder into which an initrd was unpacked."""
    kept = {
        place: aspects
        - ({"content", "structure", "order"} if place in {(c,) for c in CONTAINERS} else set())
        - ({"link"} if place[0] == INITRD else set())
        for place, aspects in found.items()
        if place != (INITRD, ".")
    }
    return {place: aspects for place, aspects in kept.items() if aspects}


def walked(found: Comparison) -> Told:
    return told({d.location: set(d.aspects) for d in found.divergences if d.location})


@pytest.fixture(scope="module")
def original(iso: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, ...], trees.Tree]]:
    """The folder into which the minimal ISO was unpacked, and what lies there."""
    folder = tmp_path_factory.mktemp("original")
    return folder, all_of(iso, folder)


def variant(original: Path, folder: Path, compressor: str) -> Path:
    """An image of what lies in `original`, with changes in every container of it."""
    for name in ("tree", "squashfs", "initrd"):
        tool("cp", "-a", original / name, folder / name)
    tree, esp = folder / "tree", folder / "efi.img"
    (tree / "boot/boot.cat").unlink()
    shutil.copy(original / "boot/eltorito_img2_uefi.img", esp)
    unpacked.mutate(folder / "squashfs", seed=len(compressor), times=60)
    unpacked.mutate(folder / "initrd", seed=2, times=12)
    (tree / SQUASHFS).unlink()
    made = ("mksquashfs", folder / "squashfs", tree / SQUASHFS, "-quiet", "-no-progress", "-comp")
    tool(*made, *compressor.split())
    pack = 'find . -mindepth 1 -print0 | cpio -0 -o -H newc --quiet | zstd -1 -q -f -o "$0"'
    tool("sh", "-ec", pack, tree / INITRD, cwd=folder / "initrd")
    (tree / "boot/grub/grub.cfg").write_bytes(b"set timeout=3\n")
    (tree / ".disk/info").chmod(0o755)
    (tree / "live/added").write_bytes(b"new")
    (folder / "BOOTX64.EFI").write_bytes(b"MZ" + bytes(5000))
    tool("mcopy", "-o", "-i", esp, folder / "BOOTX64.EFI", "::EFI/BOOT/BOOTX64.EFI")
    tool("mcopy", "-i", esp, folder / "BOOTX64.EFI", "::EFI/added.efi")
    image = folder / "variant.iso"
    tool("xorriso", "-as", "mkisofs", "-quiet", "-o", image, *_MADE, "-append_partition", "2", "0xef", esp, *_EFI, tree)
    return image


@pytest.mark.parametrize("compressor", ["zstd -Xcompression-level 1", "lz4"])
def test_variant(
    compressor: str, iso: Path, original: tuple[Path, dict[tuple[str, ...], trees.Tree]], tmp_path: Path
) -> None:
    folder, ours = original
    (tmp_path / "variant").mkdir()
    image = variant(folder, tmp_path / "variant", compressor)
    theirs = all_of(image, tmp_path / "theirs")
    result = compare_artifacts(iso, image, deep=False)
    wanted = expected(ours, theirs)
    assert walked(result) == wanted
    assert all("content" in wanted[unread.location] for unread in result.unexamined)  # a broken .gz and the like
    assert {place[0] for place in wanted if len(place) == 2} == set(CONTAINERS)
    shutil.rmtree(tmp_path)
