"""Which mirrors are asked, from the host's apt sources, the environment and the user's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.model.errors import InvalidInput
from repro.snapshot.hosts import SNAPSHOT, mirrors, snapshot_base

ONE_LINE = """\
# deb http://off.example.org/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://one.example.org/debian bookworm main
deb-src https://two.example.org/mirror/debian/ bookworm main
deb cdrom:[Debian]/ bookworm main
deb file:/srv/debian bookworm main
deb https://user:secret@three.example.org/debian bookworm main
deb https://four.example.org/ubuntu noble main
deb
"""
DEB822 = """\
Types: deb
# a comment
URIs: http://five.example.org/debian https://five.example.org/debian-security
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://six.example.org/debian
Suites: bookworm
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    folder = tmp_path / "apt"
    (folder / "sources.list.d").mkdir(parents=True)
    (folder / "sources.list").write_text(ONE_LINE)
    (folder / "sources.list.d/debian.sources").write_text(DEB822)
    (folder / "sources.list.d/broken.sources").write_bytes(b"\xff\x00: ::\n:::\n")
    (folder / "sources.list.d/dir.list").mkdir()
    return folder


def test_the_hosts_sources_in_both_forms(apt: Path, tmp_path: Path) -> None:
    found = mirrors({"HOME": str(tmp_path)}, apt)
    assert found["debian"] == (
        "http://one.example.org/debian",
        "https://two.example.org/mirror/debian",
        "http://five.example.org/debian",
    )
    assert found["debian-security"] == ("https://five.example.org/debian-security",)


def test_what_the_user_configures_comes_after_and_may_replace(apt: Path, tmp_path: Path) -> None:
    (tmp_path / "repro").mkdir()
    (tmp_path / "repro/mirrors.toml").write_text(
        '[mirrors]\ndebian = ["https://mirror.example.org/debian/"]\ndebian-ports = ["https://mirror.example.org/ports"]\n'
    )
    environment = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "REPRO_MIRROR_DEBIAN": "- http://env.example.org/debian",
        "REPRO_MIRROR_DEBIAN_SECURITY": "http://env.example.org/debian-security",
    }
    found = mirrors(environment, apt)
    assert found["debian"] == ("http://env.example.org/debian", "https://mirror.example.org/debian")
    assert found["debian-security"][-1] == "http://env.example.org/debian-security"
    assert found["debian-ports"] == ("https://mirror.example.org/ports",)


@pytest.mark.parametrize(
    "text", ["[mirrors]\ndebian = 3\n", "mirrors = 3\n", '[mirrors]\ndebian = ["ftp://x/"]\n', "["]
)
def test_a_broken_file_of_the_users_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "repro").mkdir()
    (tmp_path / "repro/mirrors.toml").write_text(text)
    with pytest.raises(InvalidInput, match=r"mirrors\.toml"):
        mirrors({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)


def test_the_snapshot_archive(tmp_path: Path) -> None:
    assert snapshot_base({}) == SNAPSHOT
    assert snapshot_base({"REPRO_SNAPSHOT_URL": "http://localhost:8000/"}) == "http://localhost:8000"
    with pytest.raises(InvalidInput):
        snapshot_base({"REPRO_SNAPSHOT_URL": "file:///etc"})
