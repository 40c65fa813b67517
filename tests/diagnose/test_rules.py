"""Each rule finds what it is for, in what real tools write, and says nothing where that is not there."""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from repro.diagnose import RULES, Judge
from repro.diagnose.byte_rules import content_causes
from repro.image import steps
from repro.model.cause import CONFIDENCES, UNKNOWN, Cause
from repro.model.comparison import DIFFERENT, Comparison, Divergence, Range, Side, Summary

ROOT = Path(__file__).resolve().parents[2]

TEXTS = [
    ("built 2026-11-27T04:21:45Z\n", "built 2024-02-03T10:01:02Z\n", "timestamps_in_text"),
    ("Fri Nov 27 04:21:45 UTC 2026\n", "Mon Nov 30 04:22:46 UTC 2026\n", "timestamps_in_text"),
    ("Date: Fri, 27 Nov 2026 04:21:45 +0000\n", "Date: Sat, 28 Nov 2026 05:20:11 +0000\n", "timestamps_in_text"),
    ('.TH X 1 "November 2026" "x"\n', '.TH X 1 "March 2024" "x"\n', "timestamps_in_text"),
    ("stamp=1764217305\n", "stamp=1700000000\n", "timestamps_in_text"),
    ("/CreationDate (D:20261127042145Z)\n", "/CreationDate (D:20240203100102Z)\n", "timestamps_in_text"),
    ("at 2026-11-27 04:21:45 UTC\n", "at 2026-11-27 14:21:45 CEST\n", "timezone"),
    ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301\n", "id 7d444840-9dc0-11d1-b245-5ffdce74fad2\n", "random_uuid"),
    ("src /build/one/x.c\n", "src /srv/two/y/x.c\n", "captures_build_path"),
    ("in /home/ann/x\n", "in /root/x\n", "captures_home_dir"),
    ("log /tmp/tmp.aB3dE6gH9j/x\n", "log /tmp/tmp.Zz1yX2wV3u/x\n", "temporary_name"),
    ("host: alpha\n", "host: beta\n", "captures_hostname"),
    ("Built by: ann\n", "Built by: root\n", "captures_user"),
    ("pid 4711\n", "pid 815\n", "process_id"),
    ("make -j4 all\n", "make -j16 all\n", "captures_parallelism"),
    ("MemTotal: 16384 kB\n", "MemTotal: 8192 kB\n", "captures_memory"),
    ("cpus=4\n", "cpus=2\n", "captures_cpu"),
    ("Linux release 6.1.0-37-amd64\n", "Linux release 6.12.3-1-cloud\n", "captures_kernel_version"),
    ("LANG=C.UTF-8\n", "LANG=tr_TR.UTF-8\n", "locale_text"),
    ("A=1\nB=2\n", "A=1\nB=2\nCAPTURED=yes\n", "captures_environment"),
    ("token 9f86d081884c7d659a2feaa0\n", "token 60303ae22b998861bce3b28f\n", "random_identifier"),
    (
        '{"digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}\n',
        '{"digest":"sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"}\n',
        "hash_of_what_differs",
    ),
    (
        "SHA256 = 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
        "SHA256 = 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752\n",
        "hash_of_what_differs",
    ),
    ("a\nB\nc\n", "B\na\nc\n", "locale_order"),
    ("b.txt\na.txt\nc.txt\n", "c.txt\nb.txt\na.txt\n", "directory_order"),
    ("{'a': 1, 'b': 2}\n", "{'b': 2, 'a': 1}\n", "hash_order"),
    ("object at 0x7ffd5e6f1a2c\n", "object at 0x7ffe12345678\n", "captures_memory_address"),
    ("GCC: (Debian 12.2.0-14) x\n", "GCC: (Debian 13.1.0-2) x\n", "inputs_differ"),
    ("Version: 1.2.3-1\n", "Version: 1.2.3-2\n", "inputs_differ"),
    ("/usr/lib/libx.so.1.2.3\n", "/usr/lib/libx.so.1.2.4\n", "inputs_differ"),
    ("+0000\n", "-1200\n", "timezone"),
    ("zone CET\n", "zone UTC\n", "timezone"),
    ("made 2023-11-14 22:13:20\n", "made 2023-11-14 10:13:20\n", "timezone"),
    ("made 2023-11-14 22:13:20\n", "made 2023-11-15 22:13:20\n", "timestamps_in_text"),
    ("x:$6$abcdefgh$0123456789012345678901:1\n", "x:$6$zyxwvuts$9876543210987654321098:1\n", "random_key"),
    ("tor:x:105:105::/:/bin/sh\n", "tor:x:107:107::/:/bin/sh\n", "uid_gid_drift"),
    ("Linux alpha 6.1.0-37-amd64 x86_64\n", "Linux beta 6.1.0-37-amd64 x86_64\n", "captures_hostname"),
    ("compiled with 4 jobs\n", "compiled with 16 jobs\n", "captures_parallelism"),
    ("on 2 cores\n", "on 64 cores\n", "captures_cpu"),
    ("-I/build/one/include\n", "-I/srv/two/include\n", "captures_build_path"),
    ("/root/.config/x\n", "/nonexistent/home/.config/x\n", "captures_home_dir"),
    ("EDITOR=vi\n", "EDITOR=/usr/bin/nano\n", "captures_environment"),
    ("Tuesday\n", "mardi\n", "locale_text"),
    ("serial 2023111401\n", "serial 2026121701\n", "timestamps_in_text"),
    ("(c) 2001-2023\n", "(c) 2001-2026\n", "timestamps_in_text"),
    (
        f"{'1' * 32}  b\n{'2' * 32}  a\n{'3' * 32}  c\n",
        f"{'3' * 32}  c\n{'1' * 32}  b\n{'2' * 32}  a\n",
        "directory_order",
    ),
    ("-----BEGIN PRIVATE KEY-----\nQUJD\n", "-----BEGIN PRIVATE KEY-----\nREVG\n", "random_key"),
]


@pytest.mark.parametrize(("left", "right", "label"), TEXTS, ids=[f"{label}-{n}" for n, (*_, label) in enumerate(TEXTS)])
def test_a_text_has_its_cause_first_and_no_other_with_confidence(left: str, right: str, label: str) -> None:
    found = content_causes("usr/share/x", left.encode(), right.encode())
    assert found[0].label == label
    assert [cause.label for cause in found if cause.confidence == "high"] in ([label], [])
    assert found[0].evidence


def test_a_line_may_have_two_causes() -> None:
    left, right = b"2026-11-27 04:21:45 host: alpha\n", b"2024-02-03 10:01:02 host: beta\n"
    assert {cause.label for cause in content_causes("x", left, right)} == {"timestamps_in_text", "captures_hostname"}


def test_plain_changes_are_not_explained() -> None:
    assert content_causes("x", b"the cat sat\n", b"the dog sat\n") == []
    assert content_causes("x", bytes(range(64)), bytes(range(1, 65))) == []


def test_gzip(tmp_path: Path) -> None:
    data = b"compressed " * 500
    assert labels(gzip.compress(data, mtime=1764217305), gzip.compress(data, mtime=1700000000)) == [
        "timestamps_in_gzip_headers"
    ]
    assert labels(gzip.compress(data, 1, mtime=0), gzip.compress(data, 9, mtime=0)) == ["compressor"]
    inside = [gzip.compress(f"pid {number}\n".encode(), mtime=0) for number in (12, 34)]
    assert labels(*inside) == ["process_id"]


def test_zip_and_jar() -> None:
    def archive(names: Mapping[str, tuple[int, ...]]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for name, time in names.items():
                target.writestr(zipfile.ZipInfo(name, time), b"same")  # type: ignore[arg-type]  # six numbers
        return out.getvalue()

    early, late = (2024, 2, 3, 10, 1, 2), (2026, 11, 27, 4, 21, 44)
    assert labels(archive({"a": early}), archive({"a": late})) == ["timestamps_in_zip"]
    assert labels(archive({"a": early}), archive({"a": late}), "x.jar") == ["timestamps_in_jar"]
    assert labels(archive({"a": late, "b": late}), archive({"b": late, "a": late})) == ["member_order"]


def test_png() -> None:
    def png(year: int, level: int) -> bytes:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        head = chunk(b"IHDR", struct.pack(">2I5B", 64, 64, 8, 0, 0, 0, 0))
        pixels = zlib.compress((b"\0" + bytes(range(64))) * 64, level)
        time = chunk(b"tIME", struct.pack(">H5B", year, 2, 3, 4, 5, 6))
        return b"\x89PNG\r\n\x1a\n" + head + time + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

    assert labels(png(2024, 9), png(2026, 9)) == ["timestamps_in_png"]
    assert labels(png(2024, 1), png(2024, 9)) == ["compressor"]


def test_compiled_by_real_tools(tmp_path: Path) -> None:
    """A .pyc of a source that was touched; __DATE__ and __TIME__ in an ELF file that gcc made at two times."""
    source = tmp_path / "module.py"
    source.write_text("answer = 42\n")
    compiled = []
    for time in (1700000000, 1764217305):
        os.utime(source, (time, time))
        target = tmp_path / f"{time}.pyc"
        code = f"import py_compile; py_compile.compile({str(source)!r}, {str(target)!r})"
        subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": os.environ["PATH"]})
        compiled.append(target.read_bytes())
    assert labels(*compiled) == ["timestamps_in_pyc"]
    program = tmp_path / "dated.c"
    program.write_text('const char *built = __DATE__ " " __TIME__;\n')
    objects = []
    for time in (1700000000, 1764217305):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time)}
        subprocess.run(["gcc", "-c", program, "-o", tmp_path / "dated.o"], check=True, env=environment)
        objects.append((tmp_path / "dated.o").read_bytes())
    assert labels(*objects) == ["timestamps_from_cpp_macros"]


def test_numbers_that_are_times() -> None:
    left, right = (b"\xff" * 32 + struct.pack("<I", time) + b"\xff" * 32 for time in (1700000000, 1764217305))
    assert labels(left, right) == ["timestamps_in_binary"]


FACTS = [
    ("mtime", {"mtime": 1700000000}, {"mtime": 1764217305}, "timestamps_of_members"),
    ("mode", {"mode": "0644"}, {"mode": "0600"}, "different_due_to_umask"),
    ("mode", {"mode": "0644"}, {"mode": "0755"}, UNKNOWN),
    ("mode", {"mode": "0644"}, {"mode": "4644"}, UNKNOWN),
    ("owner", {"uid": 101}, {"uid": 102}, "uid_gid_drift"),
    ("owner", {"uid": 0}, {"uid": 1000}, "captures_owner"),
    ("order", {"order of names": "position 1 is a"}, {"order of names": "position 1 is b"}, "member_order"),
    ("link", {"links": ["a"]}, {"links": ["b"]}, "hard_link_order"),
    ("link", {"target": "/build/one/x"}, {"target": "/srv/two/x"}, "captures_build_path"),
    ("xattr", {"xattrs": {"security.selinux": "x"}}, {"xattrs": {}}, "host_xattrs"),
    ("structure", {"FAT serial number": "1"}, {"FAT serial number": "2"}, "random_uuid"),
    ("structure", {"superblock mkfs time": 1}, {"superblock mkfs time": 2}, "timestamps_in_containers"),
    ("structure", {"header CRC": 1}, {"header CRC": 2}, UNKNOWN),
    ("device", {"device": "1:3"}, {"device": "1:5"}, UNKNOWN),
]


@pytest.mark.parametrize(("aspect", "left", "right", "label"), FACTS)
def test_facts(aspect: str, left: dict[str, object], right: dict[str, object], label: str) -> None:
    (found,) = judged(Divergence(("x",), (aspect,), left, right))
    assert [cause.label for cause in found.causes] == [label]
    assert found.cause == label


def test_a_build_id_alone() -> None:
    ranges = (Range("both", 800, 820, "ELF build-id"),)
    (found,) = judged(Divergence(("usr/bin/x",), ("content",), {"size": 9}, {"size": 9}, ranges))
    assert found.cause == "build_id_differences_only"


def test_added_packages_are_inputs() -> None:
    lists = Divergence(("var/lib/dpkg/info/extra.list",), ("presence",), None, {"size": 1}, package="extra")
    owned = Divergence(("usr/bin/extra",), ("presence",), None, {"size": 1}, package="extra")
    status = Divergence(("var/lib/dpkg/status",), ("content",), {"size": 1}, {"size": 2})
    other = Divergence(("usr/bin/other",), ("presence",), None, {"size": 1})
    assert [d.cause for d in judged(lists, owned, status, other)] == ["inputs_differ"] * 3 + [UNKNOWN]


@given(st.text(max_size=20), st.binary(max_size=300), st.binary(max_size=300))
def test_nothing_is_raised_about_any_bytes(path: str, left: bytes, right: bytes) -> None:
    for cause in content_causes(path, left, right):
        assert cause.confidence in CONFIDENCES
        assert cause.label in RULES


MAGICS = [b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"BZh9", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"MZ" + b"\0" * 62, b"\x7fELF"]


@given(st.sampled_from(MAGICS), st.binary(max_size=200), st.binary(max_size=200))
def test_nothing_is_raised_behind_any_magic(magic: bytes, left: bytes, right: bytes) -> None:
    content_causes("x", magic + left, magic + right)


def test_the_page_lists_the_rules() -> None:
    rows = [f"| `{rule.label}` | {rule.looks_at} | {rule.remedy} |" for rule in RULES.values()]
    text = (ROOT / "docs" / "causes.md").read_text(encoding="utf-8")
    assert [row for row in text.splitlines() if row.startswith("| `")] == rows


def test_remedies_name_normalizers_that_exist() -> None:
    named = {
        name
        for rule in RULES.values()
        for part in re.findall(r"normalizers? (`[\w-]+`(?: and `[\w-]+`)*)", rule.remedy)
        for name in re.findall(r"`([\w-]+)`", part)
    }
    assert named
    assert named <= set(steps.NAMES)


def labels(left: bytes, right: bytes, path: str = "x") -> list[str]:
    found: list[Cause] = content_causes(path, left, right)
    return [cause.label for cause in found]


def judged(*divergences: Divergence) -> tuple[Divergence, ...]:
    side = Side("x", 1, "0" * 64)
    found = Comparison(side, side, DIFFERENT, Summary(0, 0, 0, 0), divergences)
    return Judge().judged(found).divergences


def looked_into(known: dict[tuple[str, str], str] | None, *files: tuple[str, str]) -> list[tuple[Cause, ...]]:
    """The causes of files with these contents on either side, one comparison."""
    judge = Judge(known)
    for number, (left, right) in enumerate(files):
        judge.look((f"f{number}",), memoryview(left.encode()), memoryview(right.encode()))
    found = tuple(Divergence((f"f{number}",), ("content",), {}, {}) for number in range(len(files)))
    side = Side("x", 1, "0" * 64)
    comparison = Comparison(side, side, DIFFERENT, Summary(0, 0, 0, 0), found)
    return [each.causes for each in judge.judged(comparison).divergences]


def test_what_one_file_shows_is_known_in_the_others() -> None:
    """Before and behind it; and not of words that are another."""
    files = [
        ("welcome to alpha, ann\n", "welcome to beta42, ann\n"),
        ("host: alpha\n", "host: beta42\n"),
        ("at gamma\n", "at delta\n"),
    ]
    first, second, third = looked_into(None, *files)
    assert [(cause.label, cause.confidence) for cause in first] == [("captures_hostname", "medium")]
    assert second[0].confidence == "high" and third[0].label == UNKNOWN


def test_what_is_known_of_the_surroundings_is_certain() -> None:
    known = {("repro", "i-capture"): "captures_hostname", ("/build", "/srv/second"): "captures_build_path"}
    first, second = looked_into(
        known, ("motd of repro!\n", "motd of i-capture!\n"), ("x=/build/y\n", "x=/srv/second/y\n")
    )
    assert [(cause.label, cause.confidence) for cause in first] == [("captures_hostname", "high")]
    assert [(cause.label, cause.confidence) for cause in second] == [("captures_build_path", "high")]


def test_addresses_in_binary_data() -> None:
    def record(address: int) -> bytes:
        return b"\0\1\2\3\4\5\6\7" + struct.pack("<Q", address) + b"\0" * 8

    assert labels(record(0x7FFD5E6F1A2C), record(0x7FFE12345678)) == ["uninitialized_memory"]
    assert labels(record(0x123456789ABC), record(0xCBA987654321)) == []


def test_symbols_of_an_archive_and_keys_in_der() -> None:
    def table(*names: bytes) -> bytes:
        return struct.pack(">I", len(names)) + struct.pack(">2I", 8, 99) + b"\0".join(names) + b"\0"

    assert labels(table(b"one", b"two"), table(b"two", b"one"), "/") == ["member_order"]
    keys = [b"\x30\x2e\x02\x01\0\x30\x05\x06\x03\x2b\x65\x70" + os.urandom(36) for _ in range(2)]
    assert labels(*keys) == ["random_key"]


def test_zstd_and_uboot() -> None:
    inside = [zstandard.compress(f"pid {number}\n".encode()) for number in (12, 34)]
    assert labels(*inside) == ["process_id"]
    images = [
        b"\x27\x05\x19\x56" + os.urandom(4) + struct.pack(">I", when) + bytes(60) for when in (1700000000, 1764217305)
    ]
    assert labels(*images) == ["timestamps_in_binary"]
