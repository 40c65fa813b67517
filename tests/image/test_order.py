"""The id of a stage changes when, and only when, something that goes into it does."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from repro.image import order as orders
from repro.image.order import Base, Order, TreeFile, program_digest, read_tree
from repro.model.errors import InvalidInput
from repro.model.lock import Lock, LockedPackage
from repro.model.recipe import MenuEntry, Recipe
from repro.sandbox.environment import Environment
from repro.store import Blob


def package(name: str, digit: str) -> LockedPackage:
    return LockedPackage(name, "1", "amd64", f"{name} 1", f"pool/{name}.deb", 10, digit * 64, "debian/x")


RECIPE = Recipe("tiny", "A tiny one", "x", "amd64", ("a", "b"), ("iso",))
LOCK = Lock("tiny", "0" * 64, 1700000000, (), (package("a", "1"), package("b", "2")), (package("tool", "3"),))
ENVIRONMENT = Environment(1700000000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe's folder with an overlay and two hooks."""
    texts = {"overlay/etc/motd": "hello", "overlay/opt/run": "#!/bin/sh", "hooks/10-a": "a", "hooks/20-b": "b"}
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "overlay/opt/run").chmod(0o755)
    (tmp_path / "overlay/etc/link").symlink_to("motd")
    return tmp_path


def ids(folder: Path, environment: Environment = ENVIRONMENT, **changed: Any) -> dict[str, str]:
    order = Order(RECIPE, LOCK, b"Package: a\n", read_tree(folder / "overlay"), read_tree(folder / "hooks"))
    return replace(order, **changed).stage_ids(environment)


def test_the_same_inputs_give_the_same_ids(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever they lie, and whenever and by whomever they were written."""
    first = ids(folder)
    assert list(first) == ["root", "squashfs", "iso"]
    assert len(set(first.values())) == 3
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    folder.rename(elsewhere)
    for path in elsewhere.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    (elsewhere / "overlay/etc/motd").chmod(0o600)  # only whether it may be executed counts, as in git
    (elsewhere / "overlay/opt/run").chmod(0o700)
    (elsewhere / "overlay/empty").mkdir()
    assert ids(elsewhere) == first


INSIDE_THE_FOLDER: dict[str, Callable[[Path], object]] = {
    "content of an overlay file": lambda at: (at / "overlay/etc/motd").write_text("hellO"),
    "name of an overlay file": lambda at: (at / "overlay/etc/motd").rename(at / "overlay/etc/motd2"),
    "folder of an overlay file": lambda at: (at / "overlay/opt").rename(at / "overlay/srv"),
    "executable bit set": lambda at: (at / "overlay/etc/motd").chmod(0o755),
    "executable bit taken": lambda at: (at / "overlay/opt/run").chmod(0o644),
    "one more overlay file": lambda at: (at / "overlay/new").write_text(""),
    "one overlay file less": lambda at: (at / "overlay/opt/run").unlink(),
    "target of a link": lambda at: ((at / "overlay/etc/link").unlink(), (at / "overlay/etc/link").symlink_to("./motd")),
    "a file with a link's target as content": lambda at: (
        (at / "overlay/etc/link").unlink(),
        (at / "overlay/etc/link").write_text("motd"),
    ),
    "content of a hook": lambda at: (at / "hooks/10-a").write_text("A"),
    "order of hooks": lambda at: (at / "hooks/10-a").rename(at / "hooks/30-a"),
    "a hook to the overlay": lambda at: (at / "hooks/10-a").rename(at / "overlay/10-a"),
}


@pytest.mark.parametrize("what", list(INSIDE_THE_FOLDER))
def test_a_change_of_the_recipes_files(folder: Path, what: str) -> None:
    before = ids(folder)
    INSIDE_THE_FOLDER[what](folder)
    assert all(before[stage] != after for stage, after in ids(folder).items())


CHANGED_FIELDS: dict[str, Any] = {
    "name": "other",
    "summary": "Another",
    "pins": "y",
    "architecture": "arm64",
    "packages": ("a",),
    "outputs": ("iso", "squashfs"),
    "compression": "xz",
    "compression_level": 9,
    "volume": "OTHER",
    "cmdline": "quiet",
    "timeout": 1,
    "scratch": 1,
    "foreign_architectures": ("i386",),
    "menu": (MenuEntry("Another", "quiet"),),
}


@pytest.mark.parametrize("field", [field.name for field in fields(Recipe)])
def test_a_change_of_the_recipe(folder: Path, field: str) -> None:
    changed = ids(folder, recipe=replace(RECIPE, **{field: CHANGED_FIELDS[field]}))
    assert not set(changed.values()) & set(ids(folder).values())


def test_a_change_of_what_is_locked(folder: Path) -> None:
    changes = [
        replace(LOCK, image=(package("a", "9"), LOCK.image[1])),
        replace(LOCK, image=LOCK.image[:1]),
        replace(LOCK, image=LOCK.image[::-1]),
        replace(LOCK, toolchain=(package("tool", "9"),)),
        replace(LOCK, image=(*LOCK.image, *LOCK.toolchain), toolchain=()),
    ]
    all_ids = [ids(folder), ids(folder, index=b"Package: b\n"), *(ids(folder, lock=lock) for lock in changes)]
    for stage in ("root", "squashfs", "iso"):
        assert len({each[stage] for each in all_ids}) == len(all_ids)
    # what says nothing of the bits
    assert ids(folder, lock=replace(LOCK, inputs="1" * 64, recipe="x")) == ids(folder)


CHANGED_ENVIRONMENT: dict[str, Any] = {
    "source_date_epoch": 1,
    "clock": "still",
    "clock_shift": 1,
    "timezone": "GMT+1",
    "locale": "C",
    "hostname": "other",
    "domain": "other.example",
    "umask": 0o77,
    "cpus": 1,
    "parallelism": 2,
    "memory": 1 << 30,
    "build_path": "/other",
    "home": "/other",
    "user": "other",
    "uid": 1,
    "gid": 1,
    "extra": (("NAME", "value"),),
    "extra_path": "/other",
    "directory_order": "shuffle",
    "filesystem": "ext4",
    "personality": ("linux32",),
    "release": "5.10",
    "firmware": "uefi",
    "aslr": False,
    "hash_seed": "1",
    "backend": "fakeroot",
}


@pytest.mark.parametrize("field", [field.name for field in fields(Environment)])
def test_a_change_of_the_environment(folder: Path, field: str) -> None:
    changed = ids(folder, replace(ENVIRONMENT, **{field: CHANGED_ENVIRONMENT[field]}))
    assert not set(changed.values()) & set(ids(folder).values())


def test_a_change_of_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = ids(folder)
    assert program_digest() == program_digest()
    monkeypatch.setattr(orders, "program_digest", lambda: "f" * 64)
    assert not set(before.values()) & set(ids(folder).values())


def test_the_digest_of_the_program_is_over_every_module_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room = tmp_path / "sandbox"
    room.mkdir()
    seen = set()
    for name, text in (("__init__.py", ""), ("agent.py", "a = 1"), ("agent.py", "a = 2"), ("agent2.py", "a = 2")):
        (room / name).write_text(text)
        monkeypatch.setattr(orders.repro.sandbox, "__file__", str(room / "__init__.py"))
        seen.add(program_digest.__wrapped__())
    assert len(seen) == 4


def test_which_stages_lead_to_what() -> None:
    order = Order(RECIPE, LOCK, b"", (), ())
    assert order.stages == ("root", "squashfs", "iso")
    assert replace(order, recipe=replace(RECIPE, outputs=("squashfs",))).stages == ("root", "squashfs")
    assert replace(order, outputs=("tar",)).stages == ("root", "tar")
    assert replace(order, outputs=("oci", "usb", "iso")).stages == ("root", "squashfs", "iso", "usb", "oci")
    assert replace(order, outputs=("kit",)).stages == ("root", "squashfs", "kit")
    assert replace(order, until="squashfs").stages == ("root", "squashfs")


def test_what_a_kit_starts_from_is_part_of_its_id_alone() -> None:
    order = Order(RECIPE, LOCK, b"", (), (), outputs=("iso", "kit"))
    ids = [
        replace(order, base=Base(Blob(digit * 64, 1), (("live/vmlinuz", "0" * 64),), "1" * 64)).stage_ids(ENVIRONMENT)
        for digit in "12"
    ]
    assert ids[0]["kit"] != ids[1]["kit"]
    assert {stage for stage in ids[0] if ids[0][stage] == ids[1][stage]} == {"root", "squashfs", "iso"}


def test_the_id_of_a_build_is_of_what_it_is_built_of() -> None:
    """Not of the surroundings, nor of our own code: media bear it, in every rebuild the same."""
    order = Order(RECIPE, LOCK, b"", (), ())
    assert order.build_id == replace(order, repeat=1, outputs=("usb",), without=frozenset({"logs"})).build_id
    others = [
        replace(order, recipe=replace(RECIPE, cmdline="quiet")),
        replace(order, lock=replace(LOCK, source_date_epoch=1)),
        replace(order, lock=replace(LOCK, image=LOCK.image[:1])),
        replace(order, hooks=(TreeFile("a", b"", True),)),
    ]
    assert len({order.build_id, *(other.build_id for other in others)}) == 5


def test_reading_a_tree(tmp_path: Path) -> None:
    assert read_tree(tmp_path / "nowhere") == ()
    top = tmp_path / "top"
    (top / "b/c").mkdir(parents=True)
    (top / "b/c/file").write_bytes(b"\0\xff")
    (top / "a").write_bytes(b"")
    (top / "a").chmod(0o7755)
    (top / "z").symlink_to("b")  # a link to a folder is a link
    (top / "y").symlink_to("/nonexistent")
    (top / "x").symlink_to("x")
    odd = os.fsdecode(b"\xff\n")
    (top / odd).write_bytes(b"odd")
    assert read_tree(top) == (
        TreeFile("a", b"", True),
        TreeFile("b/c/file", b"\0\xff", False),
        TreeFile("x", b"", False, "x"),
        TreeFile("y", b"", False, "/nonexistent"),
        TreeFile("z", b"", False, "b"),
        TreeFile(odd, b"odd", False),
    )
    assert Order(RECIPE, LOCK, b"", read_tree(top), ()).stage_ids(ENVIRONMENT)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_tree_with_something_else_in_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        socket.socket(socket.AF_UNIX).bind(str(path))
    with pytest.raises(InvalidInput, match="odd: neither a file nor a link"):
        read_tree(tmp_path)


@pytest.mark.parametrize("what", ["scandir", "open"])
def test_a_tree_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Nothing of it is left out silently. (Root may read everything, hence the pretence.)"""
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "file").write_text("")

    def refuse(path: object, *_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    if what == "scandir":
        scan = os.scandir
        monkeypatch.setattr(os, "scandir", lambda path: refuse(path) if str(path).endswith("closed") else scan(path))
    else:
        monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InvalidInput, match=r"closed.*Permission denied"):
        read_tree(tmp_path)
