"""What lies on a medium, and GRUB in the first sectors of a disk."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from repro.image import files_inside, medium, medium_inside
from repro.image.order import Order
from repro.model.lock import Lock
from repro.model.recipe import MenuEntry, Recipe

RECIPE = Recipe("tiny", 'A "tiny" $one', "x", "amd64", ("a",), ("iso",), cmdline="boot=live")
ORDER = Order(RECIPE, Lock("tiny", "0" * 64, 1, (), (), ()), b"", (), ())


def test_the_menu() -> None:
    more = replace(RECIPE, menu=(MenuEntry("Text console", "systemd.unit=multi-user.target"),))
    text = medium._menu(replace(ORDER, recipe=more))
    assert 'menuentry "A \\"tiny\\" \\$one" {' in text
    assert "  linux /live/vmlinuz boot=live systemd.unit=multi-user.target\n" in text
    assert text.index("A \\") < text.index("Text console") and "set timeout=5" in text
    assert text.startswith(f"search --no-floppy --set=root --file {medium.marker(replace(ORDER, recipe=more))}\n")


def test_the_files_are_laid_with_modes_and_times_of_no_one(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_text("k")
    top = tmp_path / "medium"
    top.mkdir(mode=0o700)
    (top / "stale").write_text("")
    links = {"live/vmlinuz": str(tmp_path / "kernel"), "live/none": str(tmp_path / "nowhere")}
    old = os.umask(0o077)
    try:
        medium_inside.lay(str(top), {".disk/info": "x\n"}, links, 5)
    finally:
        os.umask(old)
    assert files_inside.listing(str(top)) == [
        (".disk", True),
        (".disk/info", False),
        ("live", True),
        ("live/vmlinuz", False),
    ]
    for path in (top, *top.rglob("*")):
        status = path.stat()
        assert (status.st_mode & 0o777, int(status.st_mtime)) == (0o755 if path.is_dir() else 0o644, 5)
    assert files_inside.size(str(top), 512) == 4 * 512 or files_inside.size(str(top), 4096) == 4 * 4096


def test_grub_in_the_first_sectors(tmp_path: Path) -> None:
    boot, core, disk = (tmp_path / name for name in ("boot", "core", "disk"))
    boot.write_bytes(bytes(range(256)) * 2)
    core.write_bytes(b"c" * 1000)
    disk.write_bytes(b"d" * 8192)
    medium_inside.install_grub(str(disk), str(boot), str(core), sector=4, room=2)
    data = disk.read_bytes()
    assert struct.unpack_from("<Q", data, 0x5C) == (4,) and data[0x66:0x68] == b"\x90\x90"
    assert data[:0x5C] == boot.read_bytes()[:0x5C] and data[440:2048] == b"d" * (2048 - 440)
    assert data[2048:2548] == b"c" * 500 and struct.unpack_from("<QH", data, 2048 + 0x1F4) == (5, 1)
    assert data[2048 + 512 : 2048 + 1000] == b"c" * 488 and data[2048 + 1000 : 3072] == bytes(24)
    with pytest.raises(ValueError, match="takes 2 sectors; there are 1"):
        medium_inside.install_grub(str(disk), str(boot), str(core), sector=4, room=1)
