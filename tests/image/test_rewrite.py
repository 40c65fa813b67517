"""What files that are written anew become: by hand, by their own programs, and never twice."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.image import rewrite
from repro.image.normalizers import NORMALIZERS

EPOCH = 1700000000
STORE = Path(__file__).with_name("data") / "cacerts.jks"  # keytool -importcert -storetype JKS: zeta, then alpha

MDADM = b"""DEVICE partitions
# This configuration was auto-generated on Fri, 27 Nov 2026 08:51:00 +0100 by mkconf
"""
INFO = b"""This is the file .../info/dir.

* Menu:

Utilities
* Zsh: (zsh).                   A shell.
* Bash: (bash).                 Another,
                                in two lines.

Basics
* Finding files: (find).        Operating on files.
* Common options: (coreutils)Common options.
"""
SAX = b"""[XML::SAX::PurePerl]
http://xml.org/sax/features/namespaces = 1

[XML::SAX::Expat]
http://xml.org/sax/features/external-parameter-entities = 1
http://xml.org/sax/features/namespaces = 1
"""
DICTIONARIES = b"""%dictionaries = (
  'american' => {
     'hunspell-locales' => 'en_US,en_GB',
     'ispellname' => 'b,a'
  }
);
"""


def test_where_gtk2_looked_for_modules() -> None:
    places = b"%s/.gtk-2.0/2.10.0/x86_64-pc-linux-gnu/immodules:%s/.gtk-2.0/immodules:/usr/lib/gtk-2.0/immodules"
    made = b"# Created by x\n# ModulesPath = " + places + b'\n#\n"a.so" \n'
    assert rewrite.gtk2_modules(made % (b"/nonexistent/home", b"/h"), EPOCH) == made % (b"/root", b"/root")
    for kept in (made % (b"/root", b"/root"), b"", b"# ModulesPath = /usr/lib/gtk-2.0/immodules\n"):
        assert rewrite.gtk2_modules(kept, EPOCH) == kept


def test_days_of_password_changes() -> None:
    assert rewrite.shadow_days(b"root:*:19000:0:::\nodd\n", EPOCH) == b"root:*:19675:0:::\nodd\n"


def test_the_hardware_clock() -> None:
    assert rewrite.adjtime(b"0.012 1700000000 0.000000\n1700000000\nLOCAL\n", EPOCH) == b"0.0 0 0.0\n0\nLOCAL\n"
    for odd in (b"", b"UTC\n", b"0.0 0 0.0\n0\nMARS\n", b"x 0 0\n0\nUTC\n"):
        assert rewrite.adjtime(odd, EPOCH) == odd


def test_the_date_of_mkconf() -> None:
    new = rewrite.mdadm_date(MDADM, EPOCH)
    assert new == MDADM.replace(b"Fri, 27 Nov 2026 08:51:00 +0100", b"Tue, 14 Nov 2023 22:13:20 +0000")
    assert rewrite.mdadm_date(b"# This file was written on Monday\n", EPOCH) == b"# This file was written on Monday\n"


def test_the_menu_of_manuals() -> None:
    new = rewrite.info_directory(INFO, EPOCH)
    order = [b"Basics", b"* Common", b"* Finding", b"Utilities", b"* Bash", b"in two lines", b"* Zsh"]
    assert [new.index(each) for each in order] == sorted(new.index(each) for each in order)
    assert sorted(new.split()) == sorted(INFO.split())
    assert rewrite.info_directory(b"no menu at all\n", EPOCH) == b"no menu at all\n"


@pytest.mark.skipif(not shutil.which("install-info"), reason="host: install-info is missing")
def test_a_menu_of_install_info_in_either_order(tmp_path: Path) -> None:
    """Two manuals registered in two orders give one menu afterwards."""
    made = []
    for order in (("a", "b"), ("b", "a")):
        folder = tmp_path / "".join(order)
        folder.mkdir()
        for name in order:
            entry = f"START-INFO-DIR-ENTRY\n* {name}: ({name}).  What.\nEND-INFO-DIR-ENTRY\n"
            (folder / f"{name}.info").write_text(f"INFO-DIR-SECTION Section of {name}\n{entry}")
            subprocess.run(["install-info", f"{name}.info", "dir"], cwd=folder, check=True, capture_output=True)
        made.append((folder / "dir").read_bytes())
    new = [rewrite.info_directory(data, EPOCH) for data in made]
    assert new[0] == new[1] and b"* a: (a)." in new[0] and b"* b: (b)." in new[0]


def test_features_are_sorted_and_parsers_are_not() -> None:
    lines = SAX.splitlines(keepends=True)
    mixed = b"".join((*lines[:4], lines[5], lines[4]))
    assert rewrite.sax_parsers(mixed, EPOCH) == SAX == rewrite.sax_parsers(SAX, EPOCH)
    assert rewrite.sax_parsers(b"b = 1\na = 2\n", EPOCH) == b"b = 1\na = 2\n"


def test_locales_of_dictionaries() -> None:
    new = rewrite.dictionaries(DICTIONARIES, EPOCH)
    assert new == DICTIONARIES.replace(b"en_US,en_GB", b"en_GB,en_US")


def test_a_store_of_certificates() -> None:
    old = STORE.read_bytes()
    new = rewrite.java_keystore(old, EPOCH)
    assert (
        len(new) == len(old) and new.index(b"alpha") < new.index(b"zeta") and old.index(b"zeta") < old.index(b"alpha")
    )
    assert new.count((EPOCH * 1000).to_bytes(8, "big")) == 2
    assert rewrite.java_keystore(new, EPOCH) == new
    for broken in (b"", old[:-1], old[:50], old[:40] + b"x" + old[41:], b"\0" * 64):
        assert rewrite.java_keystore(broken, EPOCH) == broken


@pytest.mark.skipif(not shutil.which("keytool"), reason="host: keytool is missing")
def test_keytool_reads_what_was_written(tmp_path: Path) -> None:
    said = []
    for name, data in (("old", STORE.read_bytes()), ("new", rewrite.java_keystore(STORE.read_bytes(), EPOCH))):
        (tmp_path / name).write_bytes(data)
        command = ["keytool", "-list", "-keystore", str(tmp_path / name), "-storepass", "changeit"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C", "TZ": "UTC"})
        said.append(done.stdout)
    prints = [sorted(line for line in text.splitlines() if "fingerprint" in line) for text in said]
    assert len(prints[0]) == 2 and prints[0] == prints[1] and said[1].count("Nov 14, 2023") == 2


def test_bytecode() -> None:
    timed, hashed = b"\xa7\x0d\x0d\x0a" + bytes(4) + b"x" * 8, b"\xa7\x0d\x0d\x0a\x03\0\0\0" + b"x" * 8
    assert rewrite.stale_bytecode(timed, EPOCH) is None and rewrite.stale_bytecode(hashed, EPOCH) == hashed
    assert rewrite.stale_bytecode(timed[:15], EPOCH) == timed[:15]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(
                (
                    *MDADM.splitlines(),
                    b"# ModulesPath = /h/.gtk-2.0/x",
                    *INFO.splitlines(),
                    *SAX.splitlines(),
                    b"",
                    b"[x]",
                )
            )
        ).map(b"\n".join),
    ),
    st.integers(0, 1 << 32),
)
def test_a_second_time_changes_nothing(data: bytes, epoch: int) -> None:
    for normalizer in NORMALIZERS:
        if normalizer.wanted and (new := normalizer.wanted(data, epoch)) is not None:
            assert normalizer.wanted(new, epoch) == new, normalizer.name
