"""Which mirrors are asked, from the host's apt sources, the environment and the user's file."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from repro.model.errors import InvalidInput
from repro.snapshot.hosts import SNAPSHOT, mirrors
from repro.snapshot.settings import load_settings
from tests.users import ROOT

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
    (tmp_path / "repro/sources.toml").write_text(
        '[sources]\nmirrors.debian = ["https://mirror.example.org/debian/"]\n'
        'mirrors.debian-ports = ["https://mirror.example.org/ports"]\n'
    )
    environment = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "REPRO_MIRROR_DEBIAN": "- http://env.example.org/debian",
        "REPRO_MIRROR_DEBIAN_SECURITY": "http://env.example.org/debian-security",
    }
    found = load_settings(environment, apt).mirrors
    assert found["debian"] == ("http://env.example.org/debian", "https://mirror.example.org/debian")
    assert found["debian-security"][-1] == "http://env.example.org/debian-security"
    assert found["debian-ports"] == ("https://mirror.example.org/ports",)


BROKEN = {
    "a mirror that is no list": "[sources]\nmirrors.debian = 3\n",
    "mirrors that are no table": "[sources]\nmirrors = 3\n",
    "another scheme": '[sources]\nmirrors.debian = ["ftp://x/"]\n',
    "no TOML": "[",
    "another table": "[mirrors]\ndebian = []\n",
    "an unknown setting": "[sources]\npolite = true\n",
    "a negative pause": "[sources]\nsnapshot_pause = -1\n",
    "no connection": "[sources]\nsnapshot_connections = 0\n",
    "a pause that is text": "[sources]\nmirror_pause = 'long'\n",
    "a truth for a number": "[sources]\nattempts = true\n",
    "a host that is no table": "[sources]\nhosts.x = 3\n",
    "a host with more": "[sources]\nhosts.x = { speed = 1 }\n",
    "a snapshot archive that is none": "[sources]\nsnapshot_url = 'file:///etc'\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_of_the_users_is_said(tmp_path: Path, what: str) -> None:
    (tmp_path / "repro").mkdir()
    (tmp_path / "repro/sources.toml").write_text(BROKEN[what])
    with pytest.raises(InvalidInput, match=r"sources\.toml"):
        load_settings({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)


def test_the_snapshot_archive_and_how_hosts_are_treated(tmp_path: Path) -> None:
    usual = load_settings({}, tmp_path)
    assert usual.snapshot == SNAPSHOT
    budget = usual.budget(SNAPSHOT)
    assert (budget.pause, budget.connections) == (1.5, 1)
    assert usual.budget("https://mirror.example.org/debian").connections == 4
    (tmp_path / "repro").mkdir()
    (tmp_path / "repro/sources.toml").write_text(
        "[sources]\nsnapshot_url = 'http://one.example.org/'\nsnapshot_pause = 3\nattempts = 7\nbackoff = 1\n"
        "hosts.'slow.example.org' = { pause = 2.5 }\n"
    )
    given = {"XDG_CONFIG_HOME": str(tmp_path), "REPRO_ATTEMPTS": "9", "REPRO_SNAPSHOT_CONNECTIONS": "2"}
    own = load_settings(given, tmp_path)
    assert (own.snapshot, own.patience.attempts, own.patience.backoff) == ("http://one.example.org", 9, 1)
    budget = own.budget("http://one.example.org")
    assert (budget.pause, budget.connections) == (3, 2)
    slow = own.budget("http://slow.example.org/debian")
    assert (slow.pause, slow.connections) == (2.5, 1)
    assert load_settings({"REPRO_SNAPSHOT_URL": "http://localhost:8000/"}, tmp_path).snapshot == "http://localhost:8000"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("REPRO_SNAPSHOT_URL", "file:///etc"),
        ("REPRO_ATTEMPTS", "many"),
        ("REPRO_DEADLINE", "-1"),
        ("REPRO_BACKOFF", "nan"),
    ],
)
def test_variables_that_are_not_valid(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        load_settings({name: text}, tmp_path)


def test_the_settings_that_the_docs_show_are_those_that_hold_anyway(tmp_path: Path) -> None:
    text = (ROOT / "docs/fetching.md").read_text(encoding="utf-8")
    (tmp_path / "repro").mkdir()
    start = text.index("    [sources]\n")
    (tmp_path / "repro/sources.toml").write_text(textwrap.dedent(text[start : text.index("\n\n", start)]))
    shown, usual = load_settings({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path), load_settings({}, tmp_path)
    assert shown.mirrors["tor"] == ("https://mirror.example.org/torproject",)
    assert shown.hosts == {"slow.example.org": (2, 1)}
    assert replace(shown, mirrors={}, hosts={}) == replace(usual, mirrors={}, hosts={})
