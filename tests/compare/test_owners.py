"""Which package owns a path: held against dpkg itself, on a root file system that dpkg made."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from repro.compare.owners import INFO, owners
from repro.formats.base import DIRECTORY, FILE, SYMLINK, Member, Stored
from tests.compare.test_cli import repro

PACKAGES = {
    ("alpha", "all", "foreign"): ("usr/bin/alpha", "etc/alpha.conf", "usr/share/doc/alpha/copyright", "usr/share/é/x"),
    ("beta", "amd64", "same"): ("lib/beta/module", "usr/lib/both", "usr/share/doc/beta/a b"),
    ("beta.1", "all", "no"): ("bin/tool", "usr/lib/own/x", "lib/both"),
    ("gamma", "all", "no"): ("usr/bin/tool", "bin/other"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with merged /usr in which dpkg unpacked PACKAGES; of two files, each diverted by somebody."""
    folder = tmp_path_factory.mktemp("dpkg")
    root = folder / "root"
    for name in ("bin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/updates").mkdir()
    (root / "var/lib/dpkg/status").touch()
    divert(root, "--package", "gamma", "--divert", "/usr/bin/tool.real", "/usr/bin/tool")
    divert(root, "--local", "--divert", "/usr/bin/moved", "/usr/bin/alpha")
    for (name, architecture, multi), paths in PACKAGES.items():
        source = folder / name
        (source / "DEBIAN").mkdir(parents=True)
        fields = f"Package: {name}\nVersion: 1\nArchitecture: {architecture}\nMulti-Arch: {multi}\n"
        (source / "DEBIAN/control").write_text(f"{fields}Maintainer: A <a@example.org>\nDescription: test\n")
        (source / "DEBIAN/postinst").write_text("#!/bin/sh\n")
        (source / "DEBIAN/postinst").chmod(0o755)
        for path in paths:
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(f"{name} {path}\n")
        command("dpkg-deb", "--root-owner-group", "--build", str(source), str(folder / f"{name}.deb"))
        command("dpkg", f"--root={root}", "--force-all", "--log=/dev/null", "--unpack", str(folder / f"{name}.deb"))
    return root


def command(*argv: str) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def divert(root: Path, *argv: str) -> None:
    command("dpkg-divert", "--root", str(root), "--no-rename", "--quiet", "--add", *argv)


def members(root: Path) -> dict[str, Member]:
    found = {}
    for path in root.rglob("*"):
        name = os.fsdecode(path.relative_to(root))
        if path.is_symlink():
            found[name] = Member(name, SYMLINK, target=os.readlink(path))
        elif path.is_dir():
            found[name] = Member(name, DIRECTORY)
        else:
            found[name] = Member(name, FILE, content=Stored(memoryview(path.read_bytes()), 0))
    return found


def read(member: Member) -> bytes:
    return b"".join(piece.read() for piece in member.content.pieces()) if member.content else b""


def said(paths: Iterable[str], given: dict[str, Member]) -> dict[str, str]:
    return owners(paths, given, read)


def test_as_dpkg_says_it(root: Path) -> None:
    """Every path that a package lists, asked of dpkg by the spelling that the list has."""
    given = members(root)
    lists = "".join(path.read_text() for path in (root / INFO).glob("*.list"))
    # dpkg tells of the diversions of what is diverted, it does not follow them
    asked = sorted(line for line in set(lists.splitlines()) if not re.search(r"^/\.$|tool|/alpha$", line))
    assert len(asked) > 20
    answers = command("dpkg-query", f"--admindir={root}/var/lib/dpkg", "--search", *asked).splitlines()
    for spelling in asked:
        packages = {
            name.partition(":")[0]
            for answer in answers
            if answer.endswith(f": {spelling}")
            for name in answer.rpartition(": ")[0].split(", ")
        }
        real = os.path.relpath(os.path.realpath(root / spelling[1:]), root)
        several = len(packages) > 1 or real in ("usr/bin", "usr/lib", "usr/lib/both")  # of which dpkg sees one spelling
        assert said([real], given) == ({} if several else {real: packages.pop()}), spelling


def test_merged_usr_diversions_and_the_database(root: Path) -> None:
    given = members(root)
    assert (root / "usr/bin/tool").read_text() == "gamma usr/bin/tool\n"
    expected = {
        "usr/lib/beta/module": "beta",  # shipped as lib/beta/module
        "usr/bin/other": "gamma",  # shipped as bin/other
        "usr/bin/tool": "gamma",
        "usr/lib/own": "beta.1",  # a folder of one package
        "usr/share/é/x": "alpha",
        "usr/share/doc/beta/a b": "beta",
        f"{INFO}/beta:amd64.list": "beta",
        f"{INFO}/beta.1.postinst": "beta.1",
        "usr/bin/moved": "alpha",  # where the administrator moved alpha's file to
    }
    nobody = {
        "usr/lib/both",
        "usr/share",
        "usr/bin/alpha",
        "etc/passwd",
        "lib",
        "var/lib/dpkg/status",
        f"{INFO}/format",
    }
    assert said([*expected, *nobody], given) == expected
    assert said(["lib/beta/module"], given) == {"lib/beta/module": "beta"}


def test_what_a_diversion_moved_belongs_to_who_shipped_it() -> None:
    given = database({"one": "/usr/bin/x\n", "two": "/usr/bin/x\n"}, "/usr/bin/x\n/usr/bin/x.one\ntwo\n")
    assert said(["usr/bin/x", "usr/bin/x.one"], given) == {"usr/bin/x": "two", "usr/bin/x.one": "one"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {f"{INFO}/a.list": Member("", DIRECTORY)},
        {f"{INFO}/a.list": Member("", FILE)},
        {f"{INFO}/../../a.list": Member("", FILE, content=Stored(memoryview(b"/x\n"), 0))},
        {f"{INFO}/UP.list": Member("", FILE, content=Stored(memoryview(b"/x\n"), 0))},
        {f"{INFO}/.list": Member("", FILE, content=Stored(memoryview(b"/x\n"), 0))},
        {f"{INFO}/a.list": Member("", FILE, content=Stored(memoryview(bytes((16 << 20) - 2) + b"\n/x\n"), 0))},
        {"loop": Member("", SYMLINK, target="loop"), "up": Member("", SYMLINK, target="../../..")},
    ],
    ids=["nothing", "folder", "no bytes", "outside", "bad name", "no name", "too large", "links"],
)
def test_hostile_databases_own_nothing(given: dict[str, Member]) -> None:
    assert said(["x", "loop/x", "up/x", "", "/", "."], given) == {}


def test_a_list_that_cannot_be_read_is_passed_over() -> None:
    given = database({"bad": "/x\n", "good": "/y\n"}, "/odd\n")
    found = owners(["x", "y"], given, lambda member: None if member.name.endswith("bad.list") else read(member))
    assert found == {"y": "good"}


def database(lists: dict[str, str], diversions: str = "") -> dict[str, Member]:
    texts = {f"{INFO}/{name}.list": text for name, text in lists.items()} | {"var/lib/dpkg/diversions": diversions}
    return {name: Member(name, FILE, content=Stored(memoryview(t.encode()), 0)) for name, t in texts.items()}


def test_compare_names_the_package(root: Path, tmp_path: Path) -> None:
    """Two squashfs images of that root, in which owned and unowned paths differ."""
    images = []
    for side in ("left", "right"):
        tree = tmp_path / side
        command("cp", "-a", str(root), str(tree))
        if side == "right":
            (tree / "usr/lib/beta/module").write_text("changed\n")
            (tree / "usr/share/doc/alpha/copyright").unlink()
            (tree / "etc/local").write_text("new\n")
        images.append(tmp_path / f"{side}.squashfs")
        command("mksquashfs", str(tree), str(images[-1]), "-quiet", "-no-progress", "-all-time", "1", "-mkfs-time", "1")
    done = repro("compare", "--shallow", "--json", *images, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    packages = {tuple(row["location"]): row["package"] for row in json.loads(done.stdout)["divergences"]}
    assert packages == {
        ("usr/lib/beta/module",): "beta",
        ("usr/share/doc/alpha/copyright",): "alpha",
        ("etc/local",): None,
    }
