"""apt as the solver: what it finds follows from the indexes alone, whatever the host is and has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from repro.lock.apt import Repository, Room, configuration, host_room, solve
from repro.model.errors import BuildFailed, InvalidInput
from repro.system import run as running
from tests.lock.archive import BASE, LIBC, SMALL, index, names, stanza

ROOT = Path(__file__).resolve().parents[2]
CLOSURE = ["app 1", "base 1", "lib 2", "libc 2", "provider 1", "tool 1"]

needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="host: no apt")


def solved(wanted: Sequence[str], *indexes: bytes) -> list[str]:
    with host_room() as room:
        repositories = [Repository(index) for index in indexes or (SMALL,)]
        return names(solve(room, repositories, ["amd64"], wanted), *(indexes or (SMALL,)))


@needs_apt
def test_the_closure_without_what_is_only_recommended() -> None:
    assert solved(["app"]) == CLOSURE
    assert solved([]) == ["base 1", "libc 2"]
    assert solved(["lib"]) == ["base 1", "lib 2", "libc 2"]
    assert solved(["app", "other-tool"]) == ["app 1", "base 1", "lib 2", "libc 2", "other-tool 1"]


@needs_apt
def test_several_indexes() -> None:
    newer = index(stanza("lib", "3"), stanza("app", "1"))
    for indexes in ((SMALL, newer), (newer, SMALL)):
        assert solved(["lib"], *indexes) == ["base 1", "lib 3", "libc 2"]


@needs_apt
def test_what_is_not_automatic_is_taken_only_where_it_is_asked_for() -> None:
    """Backports: a higher version there is left alone, unless the suite is named; then only for that package."""
    newer = index(
        stanza("lib", "3"), stanza("tool", "9", Depends="virtual"), stanza("only-there", Depends="lib (>= 3)")
    )
    facts = {
        "Suite": "stable-backports",
        "Codename": "x-backports",
        "NotAutomatic": "yes",
        "ButAutomaticUpgrades": "yes",
    }

    def chosen(*wanted: str) -> list[str]:
        with host_room() as room:
            repositories = [Repository(newer, facts), Repository(SMALL, {"Suite": "stable", "Codename": "x"})]
            return names(solve(room, repositories, ["amd64"], wanted), newer, SMALL)

    assert chosen("app") == CLOSURE
    assert chosen("lib/x-backports") == chosen("lib/stable-backports") == ["base 1", "lib 3", "libc 2"]
    assert chosen("app", "lib/x-backports") == [name.replace("lib 2", "lib 3") for name in CLOSURE]
    with pytest.raises(InvalidInput, match="lib"):
        chosen("only-there")
    assert chosen("only-there", "lib/x-backports") == ["base 1", "lib 3", "libc 2", "only-there 1"]
    with pytest.raises(InvalidInput, match="Release 'nowhere' for 'lib' was not found"):
        chosen("lib/nowhere")


@needs_apt
def test_foreign_architectures() -> None:
    """The essential packages are of the system's own; a foreign package brings foreign dependencies."""
    libc = stanza("libc", "2", Multi_Arch="same")
    own = index(BASE, libc)
    other = index(
        stanza("base", Architecture="i386", Essential="yes"),
        stanza("libc", "2", Architecture="i386", Multi_Arch="same"),
        stanza("wine", Architecture="i386", Depends="libc"),
    )
    repositories = [Repository(own), Repository(other)]
    with host_room() as room:
        hashes = solve(room, repositories, ["amd64", "i386"], ["wine:i386"])
    assert names(hashes, own, other) == ["base 1", "libc 2", "libc 2", "wine 1"]
    assert names([digest for digest in hashes if digest in other.decode()], other) == ["libc 2", "wine 1"]
    with host_room() as room, pytest.raises(InvalidInput, match="wine:i386"):
        solve(room, [Repository(own)], ["amd64"], ["wine:i386"])


@needs_apt
@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["no-such-package"], "Unable to locate package no-such-package"),
        (["broken"], "nowhere"),
        (["app", "fighter"], "fighter : Conflicts: app"),
        (["foreign"], "Unable to locate package foreign"),
        (["virtual-nothing"], "Unable to locate"),
    ],
)
def test_no_solution_in_the_words_of_apt(wanted: list[str], words: str) -> None:
    with pytest.raises(InvalidInput, match="apt finds no solution") as refused:
        solved(wanted)
    assert words in refused.value.message


DAMAGED = {
    "no stanzas": b"garbage\n",
    "not text": b"\xff\xfe" * 100,
    "cut": SMALL[:300],
    "without hashes": SMALL.replace(b"\nSHA256:", b"\nMD5sum:"),
}


@needs_apt
@pytest.mark.parametrize("damaged", list(DAMAGED.values()), ids=list(DAMAGED))
def test_an_index_that_is_none(damaged: bytes) -> None:
    with pytest.raises((InvalidInput, BuildFailed)):
        solved(["app"], damaged)


def room(plan: str, failing: str = "") -> Room:
    """A room in which apt says `plan`, or fails as a sandbox reports it."""

    def run(argv: Sequence[str], env: Mapping[str, str]) -> str:
        if "install" in argv and failing:
            raise BuildFailed(failing)
        return plan

    return Room("/apt", lambda path, data: None, run)


def test_the_words_of_apt_in_a_sandbox() -> None:
    words = "apt exited with 100; its last words:\n  E: Unable to locate package xyzzy"
    with pytest.raises(InvalidInput, match="Unable to locate package xyzzy"):
        solve(room("", words), [Repository(b"")], ["amd64"], ["xyzzy"])
    with pytest.raises(BuildFailed, match="ended unexpectedly"):
        solve(room("", "the sandbox ended unexpectedly"), [Repository(b"")], ["amd64"], ["xyzzy"])


def test_a_plan_that_was_cut_is_no_plan() -> None:
    line = f"'copy:/apt/a.deb' a_1_amd64.deb 10 SHA256:{'a' * 64}\n"
    counted = "0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.\n"
    assert solve(room(counted + line), [Repository(b"")], ["amd64"], ["a"]) == ["a" * 64]
    without_hash = counted + line.replace("SHA256", "MD5Sum")
    for plan in ("", line, counted, counted.replace("1 newly", "2 newly") + line, without_hash):
        with pytest.raises(BuildFailed, match="apt planned"):
            solve(room(plan), [Repository(b"")], ["amd64"], ["a"])


def test_a_host_without_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(running, "BASE_ENVIRONMENT", {**running.BASE_ENVIRONMENT, "PATH": str(tmp_path)})
    with pytest.raises(BuildFailed, match="cannot run apt-get") as failed:
        solved(["app"])
    assert "recipe.lock" in failed.value.hint


@needs_apt
def test_nothing_of_the_hosts_configuration_is_read(tmp_path: Path) -> None:
    """As apt itself tells it."""
    (tmp_path / "apt.conf").write_bytes(configuration(str(tmp_path), ["amd64"]))
    env = {"PATH": os.environ["PATH"], "APT_CONFIG": str(tmp_path / "apt.conf"), "LC_ALL": "C"}
    dump = subprocess.run(["apt-config", "dump"], env=env, capture_output=True, text=True, check=True).stdout
    settings = dict(line.rstrip(";").split(" ", 1) for line in dump.splitlines())
    paths = {key: value.strip('"') for key, value in settings.items() if value.startswith('"/')}
    outside = {key for key, value in paths.items() if not value.startswith(str(tmp_path))}
    unused = {"Dir::Media::MountPath", "Acquire::cdrom::mount", "DPkg::Path", "RootDir"}
    assert {key for key in outside if not key.startswith("Dir::Bin")} <= unused
    assert paths["Dir"] == str(tmp_path)
    assert settings["APT::Install-Recommends"] == '"false"'
    assert not [key for key in settings if "Invoke" in key]  # what packages of the host hook into apt


HOSTILE = """
import os, sys
from pathlib import Path
from repro.sandbox import kernel
from tests.lock.archive import SMALL, stanza
from tests.lock.test_apt import solved

kernel.unshare(kernel.CLONE_NEWNS)
kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
for folder in ("/etc/apt", "/var/lib/apt", "/var/cache/apt", "/var/lib/dpkg", "/root"):
    if os.path.isdir(folder):
        kernel.mount("tmpfs", folder, "tmpfs")
hostile = 'APT::Install-Recommends "true"; APT::Default-Release "nowhere"; APT::Architecture "arm64";'
hostile += 'APT::Update::Pre-Invoke {"touch /etc/apt/hooked";}; Dir::State "/nonexistent"; Debug::NoLocking "no";'
for path, text in {
    "/etc/apt/apt.conf": hostile,
    "/etc/apt/apt.conf.d/99hostile": hostile,
    "/etc/apt/sources.list": "deb http://mirror.invalid/debian bookworm main",
    "/etc/apt/sources.list.d/x.sources": "Types: deb\\nURIs: http://mirror.invalid/\\nSuites: x\\nComponents: y\\n",
    "/etc/apt/preferences": "Package: *\\nPin: release *\\nPin-Priority: -1\\n",
    "/etc/apt/preferences.d/x": "Package: lib\\nPin: version 1\\nPin-Priority: 1001\\n",
    "/var/lib/dpkg/status": "\\n".join(stanza(name, Status="install ok installed") for name in ("tool", "app", "libc")),
    "/var/lib/apt/extended_states": "Package: lib\\nArchitecture: amd64\\nAuto-Installed: 1\\n",
}.items():
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
os.environ.update({"APT_CONFIG": "/etc/apt/apt.conf", "LC_ALL": "tr_TR.UTF-8", "TMPDIR": "/tmp", "DPKG_ROOT": "/x"})
print(solved(["app"]), os.path.exists("/etc/apt/hooked"))
"""


@needs_apt
@pytest.mark.skipif(os.geteuid() != 0, reason="host: only root can pretend that the host is another")
def test_sources_settings_and_packages_of_the_host_have_no_influence() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", HOSTILE],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == f"{CLOSURE} False\n", ran.stderr


@needs_apt
def test_settings_named_by_the_callers_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "apt.conf"
    config.write_text('APT::Install-Recommends "true"; Dir::State::status "/nonexistent"; Acquire::ForceHash "md5";')
    monkeypatch.setenv("APT_CONFIG", str(config))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert solved(["app"]) == CLOSURE


def test_the_parts_of_the_small_archive() -> None:
    assert BASE.startswith("Package: base\n")
    assert index(BASE, LIBC).count(b"\n\n") == 1
