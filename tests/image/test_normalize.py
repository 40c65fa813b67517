"""Each normalizer does what its row says and nothing else, in trees as odd as a package could make them."""

from __future__ import annotations

import os
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.image.normalizers import NORMALIZERS
from repro.sandbox.session import Session

EPOCH = 1700000000
DAYS = EPOCH // 86400
INSIDE, NORMALIZE = "tests.image.inside", "repro.image.normalize"
OLD = b"\xa7\x0d\x0d\x0a"
BY_TIME = (OLD + struct.pack("<III", 0, EPOCH, 3) + b"code").decode("latin-1")
BY_HASH = (OLD + struct.pack("<I", 3) + b"x" * 8 + b"code").decode("latin-1")

Entry = list[str]
Tree = list[Entry]


def file(path: str, content: str = "content", mode: str = "") -> Entry:
    return [path, "file", content, mode]


def folder(path: str) -> Entry:
    return [path, "dir", "", ""]


def link(path: str, target: str) -> Entry:
    return [path, "link", target, ""]


def hard(path: str, first: str) -> Entry:
    return [path, "hard", first, ""]


def fifo(path: str) -> Entry:
    return [path, "fifo", "", ""]


def planted(session: Session, tree: Tree) -> dict[str, Any]:
    session.call(INSIDE, "plant", tree="/tree", entries=tree)
    return facts(session)


def facts(session: Session) -> dict[str, Any]:
    found: dict[str, Any] = session.call(INSIDE, "facts", tree="/tree")
    return found


def normalize(session: Session, apply: bool = True) -> dict[str, list[str]]:
    said: dict[str, list[str]] = session.call(NORMALIZE, "normalize", root="/tree", epoch=EPOCH, apply=apply)
    return said


def content(session: Session, path: str) -> str:
    return str(session.call(INSIDE, "read", path=f"/tree/{path}"))


# For each normalizer: what goes, what is emptied, what stays as it is.
ROWS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "machine-id": ([], ["etc/machine-id"], ["etc/machine-info", "usr/etc/machine-id"]),
    "dbus-machine-id": (["var/lib/dbus/machine-id"], [], ["var/lib/dbus/other"]),
    "host-keys": (
        [
            "etc/ssh/ssh_host_rsa_key",
            "etc/ssh/ssh_host_ed25519_key.pub",
            "etc/ssl/private/ssl-cert-snakeoil.key",
            "etc/ssl/certs/ssl-cert-snakeoil.pem",
            "etc/nvme/hostid",
            "etc/nvme/hostnqn",
            "etc/udev/rules.d/70-persistent-net.rules",
            "var/lib/systemd/random-seed",
            "var/lib/urandom/random-seed",
        ],
        [],
        ["etc/ssh/sshd_config", "etc/ssh/keys/ssh_host_rsa_key", "etc/ssl/certs/ca.pem", "etc/udev/rules.d/60-x.rules"],
    ),
    "logs": (
        [],
        ["var/log/dpkg.log", "var/log/apt/history.log", "var/log/a/b/c"],
        ["var/logs", "var/lib/log", "usr/var/log/x"],
    ),
    "apt-state": (
        [
            "var/lib/apt/lists/mirror_Packages",
            "var/lib/apt/lists/partial/x",
            "var/cache/apt/archives/a.deb",
            "var/cache/apt/archives/lock",
            "var/cache/apt/pkgcache.bin",
            "var/lib/apt/extended_states.bak",
        ],
        [],
        ["var/lib/apt/extended_states", "var/cache/apt/sub/x.bin", "var/cache/other.bin"],
    ),
    "backups": (
        [
            "var/lib/dpkg/status-old",
            "var/cache/debconf/config.dat-old",
            "etc/passwd-",
            "etc/shadow-",
            "etc/group-",
            "etc/gshadow-",
            "etc/subuid-",
            "etc/subgid-",
            "etc/.pwd.lock",
            "usr/share/info/dir.old",
            "var/lib/dpkg/lock",
            "var/lib/dpkg/lock-frontend",
            "var/lib/dpkg/triggers/Lock",
            "var/lib/apt/daily_lock",
        ],
        [],
        ["var/lib/dpkg/status", "etc/passwd", "etc/other-", "var/lib/dpkg/info/x-old", "home/passwd-"],
    ),
    "dpkg-available": ([], ["var/lib/dpkg/available"], ["var/lib/available"]),
    "kernel-autoremove": (["etc/apt/apt.conf.d/01autoremove-kernels"], [], ["etc/apt/apt.conf.d/01autoremove"]),
    "ldconfig-cache": (["var/cache/ldconfig/aux-cache"], [], ["var/cache/aux-cache"]),
    "journal-catalog": (["var/lib/systemd/catalog/database"], [], ["var/lib/systemd/catalog/other"]),
    "man-cache": (["var/cache/man/index.db", "var/cache/man/de/index.db"], [], ["var/cache/mandb"]),
    "home-cache": (["root/.cache/pip/x"], [], ["home/.cache/x"]),
    "appstream-cache": (["var/cache/app-info/cache.gz", "var/cache/swcatalog/xb/C.xb"], [], ["var/cache/other/x"]),
    "icon-cache": (["usr/share/icons/hicolor/icon-theme.cache"], [], ["usr/share/icons/icon-theme.cache"]),
    "font-cache": (["var/cache/fontconfig/abc.cache-7"], [], ["usr/share/fontconfig/x"]),
    "vlc-plugins": (["usr/lib/x86_64-linux-gnu/vlc/plugins/plugins.dat"], [], ["usr/lib/vlc/plugins.dat"]),
    "dkms-log": (["var/lib/dkms/mod/1.0/6.1/x86_64/log/make.log"], [], ["var/lib/dkms/mod/1.0/source/make.log"]),
    "tex-logs": (["var/lib/texmf/web2c/pdftex/pdftex.log"], [], ["var/lib/texmf/web2c/pdftex/pdftex.fmt"]),
    "volatile": (["run/lock/x", "tmp/.hidden", "tmp/a/b", "var/tmp/x"], [], ["usr/tmp/x", "srv/run/x"]),
    "bytecode": (["usr/lib/python3/x.pyc", "usr/share/y/__pycache__/z.cpython-311.pyc"], [], ["opt/x.pyc"]),
    "host-names": (["etc/hostname", "etc/resolv.conf"], [], ["etc/hosts", "usr/etc/hostname"]),
}


WRITTEN_ANEW = {  # in test_rewrite.py
    *(
        "shadow-days",
        "clock-drift",
        "mdadm-date",
        "java-certificates",
        "info-menu",
        "sax-parsers",
        "dictionaries",
        "gtk2-modules",
    )
}


def test_every_normalizer_is_tested_here() -> None:
    assert set(ROWS) | WRITTEN_ANEW == {normalizer.name for normalizer in NORMALIZERS}
    assert all(normalizer.reason for normalizer in NORMALIZERS)


@pytest.mark.parametrize("name", list(ROWS))
def test_a_normalizer_by_its_row(bare: Session, name: str) -> None:
    goes, emptied, stays = ROWS[name]
    tree = [file(path, BY_TIME) for path in (*goes, *emptied, *stays)]
    before = planted(bare, tree)
    said = normalize(bare)
    after = facts(bare)
    assert set(said) == {name}
    assert set(goes) | set(emptied) <= set(said[name]) | {
        p for p in goes if any(p.startswith(f"{s}/") for s in said[name])
    }
    assert not [path for path in goes if path in after]
    assert [content(bare, path) for path in emptied] == [""] * len(emptied)
    assert {path: after[path] for path in stays} == {path: before[path] for path in stays}
    assert set(before) - set(after) >= set(goes)
    assert normalize(bare) == {}


def test_days_of_password_changes(bare: Session) -> None:
    old = "root:*:19000:0:99999:7:::\nnew:!:19999::::::\nnone:$y$j9T$a.b/c::0:99999:7:::\nodd\nlast:x:1:2:3"
    planted(bare, [file("etc/shadow", old, "0640"), hard("etc/second", "etc/shadow"), file("etc/gshadow", old)])
    before = facts(bare)
    assert normalize(bare) == {"shadow-days": ["etc/shadow"]}
    after = facts(bare)
    new = f"root:*:{DAYS}:0:99999:7:::\nnew:!:{DAYS}::::::\nnone:$y$j9T$a.b/c::0:99999:7:::\nodd\nlast:x:{DAYS}:2:3"
    assert content(bare, "etc/shadow") == content(bare, "etc/second") == new
    assert content(bare, "etc/gshadow") == old
    assert (after["etc/shadow"][:2], after["etc/shadow"][3]) == (before["etc/shadow"][:2], 2)
    assert normalize(bare) == {}


def test_owners_and_modes_stay_where_content_changes(bare: Session) -> None:
    tree = [
        file("etc/shadow", "a:b:1:\n", "0640"),
        file("var/log/x", "text", "4751"),
        file("etc/machine-id", "1", "0444"),
    ]
    planted(bare, tree)
    if not bare.backend.fake:
        for path in ("etc/shadow", "var/log/x"):
            bare.call(INSIDE, "own", path=f"/tree/{path}", uid=7, gid=42)
    before = facts(bare)
    normalize(bare)
    after = facts(bare)
    assert {path: row[:2] for path, row in after.items()} == {path: row[:2] for path, row in before.items()}


SECRET = "untouched\n"
OUTWARD = [
    ("a folder of etc", [link("etc", "elsewhere"), file("elsewhere/machine-id"), file("elsewhere/shadow", "a:b:1:")]),
    ("etc by absolute name", [link("etc", "/elsewhere"), file("elsewhere/passwd-"), file("elsewhere/hostname")]),
    ("the log folder", [link("var/log", "../elsewhere"), file("elsewhere/x.log")]),
    (
        "var",
        [link("var", "elsewhere"), file("elsewhere/log/x"), file("elsewhere/tmp/x"), file("elsewhere/cache/man/x")],
    ),
    ("tmp", [link("tmp", "elsewhere"), file("elsewhere/x")]),
    ("tmp by absolute name", [link("tmp", "/"), file("elsewhere/x")]),
    ("run", [link("run", "/elsewhere"), file("elsewhere/x")]),
    ("usr", [link("usr", "elsewhere"), file("elsewhere/lib/x.pyc", BY_TIME)]),
    ("a folder below usr", [link("usr/lib", "../elsewhere"), file("elsewhere/x.pyc", BY_TIME)]),
    ("icons", [link("usr/share/icons/x", "/elsewhere"), file("elsewhere/icon-theme.cache")]),
]


@pytest.mark.parametrize(("name", "tree"), OUTWARD, ids=[name for name, _ in OUTWARD])
def test_links_are_not_followed_to_folders(bare: Session, name: str, tree: Tree) -> None:
    before = planted(bare, tree)
    normalize(bare)
    assert facts(bare) == before


def test_links_are_not_followed_to_files(bare: Session) -> None:
    targets = [file("opt/secret", SECRET), file("opt/code", BY_TIME), file("etc/passwd", SECRET)]
    links = [
        link("etc/machine-id", "../opt/secret"),
        link("etc/shadow", "/opt/secret"),
        link("etc/hostname", "/etc/passwd"),
        link("var/log/x.log", "/opt/secret"),
        link("var/log/dangling", "/nonexistent"),
        link("tmp/x", "/etc/passwd"),
        link("tmp/folder", "/opt"),
        link("root/.cache", "/opt"),
        link("usr/lib/a.pyc", "/opt/code"),
        link("usr/lib/b.pyc", "nowhere"),
        link("usr/lib/c.pyc", "c.pyc"),
    ]
    before = planted(bare, [*targets, *links])
    said = normalize(bare)
    after = facts(bare)
    assert said == {
        "home-cache": ["root/.cache"],
        "volatile": ["tmp/folder", "tmp/x"],
        "host-names": ["etc/hostname"],
    }
    gone = {"root/.cache", "tmp/folder", "tmp/x", "etc/hostname"}
    assert after == {path: row for path, row in before.items() if path not in gone}


def test_what_is_not_a_file(bare: Session) -> None:
    """Pipes, at which reading would wait for ever, and folders where files are expected."""
    stays = [
        fifo("etc/machine-id"),
        fifo("etc/shadow"),
        fifo("var/log/pipe"),
        fifo("usr/lib/x.pyc"),
        folder("usr/y.pyc"),
    ]
    before = planted(bare, [*stays, fifo("tmp/pipe"), folder("etc/hostname"), file("etc/passwd-/deep/file")])
    said = normalize(bare)
    after = facts(bare)
    assert said == {"backups": ["etc/passwd-"], "volatile": ["tmp/pipe"], "host-names": ["etc/hostname"]}
    assert set(after) == {p for p in before if not p.startswith(("tmp/", "etc/hostname", "etc/passwd-"))}


def test_short_and_odd_bytecode(bare: Session) -> None:
    tree = [
        file("usr/a.pyc", ""),
        file("usr/b.pyc", BY_TIME[:15]),
        file("usr/c.pyc", BY_HASH),
        file("usr/d.pyc", BY_TIME),
    ]
    planted(bare, tree)
    assert normalize(bare) == {"bytecode": ["usr/d.pyc"]}


def test_names_that_are_not_text(bare: Session) -> None:
    odd = [
        os.fsdecode(name) for name in (b"\xff\xfe", b"a\nb", b"*", b"[x]", b"?", b"-rf", "ü".encode(), b"\xe2\x80\xae")
    ]
    tree = [file(f"{top}/{name}") for top in ("tmp", "var/log", "srv") for name in odd]
    tree += [file(f"usr/{name}/{name}.pyc", BY_TIME) for name in odd]
    planted(bare, tree)
    said = normalize(bare)
    assert said["volatile"] == sorted(f"tmp/{name}" for name in odd)
    assert said["logs"] == sorted(f"var/log/{name}" for name in odd)
    assert said["bytecode"] == sorted(f"usr/{name}/{name}.pyc" for name in odd)
    assert sum(path.startswith("srv/") for path in facts(bare)) == len(odd)


def test_a_name_that_is_a_pattern_means_itself_alone(bare: Session) -> None:
    """`*` in the tree is a file's name; and `*` of a pattern does not cross a folder."""
    planted(
        bare, [file("etc/ssh/*"), file("etc/*/ssh_host_x_key"), file("var/cache/apt/x/y.bin"), file("[a-z]tc/passwd-")]
    )
    assert normalize(bare) == {}


def test_an_empty_tree_and_a_large_one(bare: Session) -> None:
    planted(bare, [])
    assert normalize(bare) == {}
    names = [f"usr/lib/python3/{'package-with-a-long-name/' * 4}{number:05}.pyc" for number in range(4000)]
    planted(bare, [file(name, BY_TIME) for name in names])
    assert normalize(bare) == {"bytecode": names}


PATHS = [
    *(path for goes, emptied, stays in ROWS.values() for path in (*goes, *emptied, *stays)),
    *("etc", "var", "var/log", "tmp", "usr", "usr/lib", "root/.cache", "etc/shadow", "srv/x", "var/cache/man", "run"),
]
CONTENTS = ["", "content", BY_TIME, BY_HASH, "root:*:19000:0:::\n"]
ENTRIES = st.one_of(
    st.tuples(
        st.sampled_from(PATHS), st.just("file"), st.sampled_from(CONTENTS), st.sampled_from(["", "0600", "4755"])
    ),
    st.tuples(st.sampled_from(PATHS), st.just("dir"), st.just(""), st.just("")),
    st.tuples(st.sampled_from(PATHS), st.just("fifo"), st.just(""), st.just("")),
    st.tuples(st.sampled_from(PATHS), st.just("link"), st.sampled_from([*PATHS, "/", "..", "/srv"]), st.just("")),
)


def consistent(entries: list[tuple[str, str, str, str]]) -> Tree:
    """Without entries that would lie below a file or a link, and each path once."""
    kept: dict[str, Entry] = {}
    for entry in entries:
        path, above = entry[0], entry[0].split("/")[:-1]
        parents = ["/".join(above[: n + 1]) for n in range(len(above))]
        blocked = any(parent in kept and kept[parent][1] != "dir" for parent in parents)
        if path not in kept and not blocked and not any(other.startswith(f"{path}/") for other in kept):
            kept[path] = list(entry)
    return list(kept.values())


@settings(max_examples=150)
@given(st.lists(ENTRIES, max_size=25).map(consistent))
def test_properties_on_any_tree(bare: Session, tree: Tree) -> None:
    """Asking changes nothing and says what doing does; doing twice is doing once; what is not named stays."""
    before = planted(bare, tree)
    would = normalize(bare, apply=False)
    assert facts(bare) == before
    did = normalize(bare)
    assert would == did
    after = facts(bare)
    assert normalize(bare) == {}
    assert facts(bare) == after
    named = {path for paths in did.values() for path in paths}
    changed = {path for path in before if after.get(path) != before[path]}
    assert not set(after) - set(before)
    assert all(path in named or any(path.startswith(f"{one}/") for one in named) for path in changed)
    assert named <= changed
