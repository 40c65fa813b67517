"""Crafted pairs through the command line: an answer, never a traceback, a hang, a stray file or memory without end."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from repro.report import RENDERERS
from tests.formats import crafted as c

MEMORY = 512 << 20  # bytes of its own that a comparison of small hostile files may take: RLIMIT_DATA
SECONDS = 90
NASTY = {
    "traversal": b"../../../../tmp/escaped",
    "absolute": b"/etc/escaped",
    "dots": b"a/../../..",
    "controls": b"a\rb\x08\x07\x7f\n\tc",
    "escapes": b"\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "c1 controls": "\u009b2J\u0085".encode(),
    "bidirectional": "\u202etxt.exe\u2066\u200b".encode(),
    "html": b"<script>alert(1)</script><img src=x onerror='alert(2)'>&amp;\"",
    "not utf-8": b"\xff\xfe\xc3\x28\x80",
    "markdown": b"|`a`|[x](javascript:alert(1))|\n# head",
    "workflow": b"::error::x%0A]]>--><!--",
    "empty": b"",
    "long": b"n" * 60_000,
}
Pair = tuple[bytes, bytes]


def by_content(make: Callable[[bytes], bytes]) -> Pair:
    return make(b"one"), make(b"two, longer")


def names(pack: Callable[[bytes, bytes], bytes]) -> Pair:
    one, other = (b"".join(pack(name, side) for name in NASTY.values()) for side in (b"one\n", b"two\n"))
    return one, other


def in_cpio() -> Pair:
    one, other = names(c.cpio_entry)
    return c.cpio([one]), c.cpio([other])


def in_tar() -> Pair:
    one, other = names(lambda name, data: c.tar_entry(b"LongLink", name + b"\0", kind=b"L") + c.tar_entry(b"x", data))
    return c.tar([one]), c.tar([other])


def in_iso() -> Pair:
    def make(data: bytes) -> bytes:
        records = b"".join(
            c.iso_record(b"F%d" % n, 22, len(data), use=c.susp(b"NM", b"\0" + name[:150]))
            for n, name in enumerate(NASTY.values())
            if n % 6
        )
        own = c.iso_record(b"\0", 20, c.SECTOR, flags=2, use=c.susp(b"SP", b"\xbe\xef\0")) + c.iso_record(
            b"\1", 20, c.SECTOR, flags=2
        )
        return c.iso([own + records, b"", data])

    return by_content(make)


def in_squashfs() -> Pair:
    def make(data: bytes) -> bytes:
        names = [name[:250] for name in NASTY.values() if name and b"/" not in name]  # the others: `squashfs_slash`
        files = b"".join(c.squashfs_file(n + 3, len(data), (len(data) | 1 << 24,)) for n in range(len(names)))
        entries = [(name, 36 * n, 2, n) for n, name in enumerate(names)]
        listing = c.squashfs_directory(entries, inode=3)
        return c.squashfs(
            files + c.squashfs_folder(1, size=len(listing) + 3), listing, root=len(files), data=data.ljust(32), count=20
        )

    return by_content(make)


def squashfs_slash() -> Pair:
    def make(data: bytes) -> bytes:
        listing = c.squashfs_directory(
            [(b"../" + data, 32, 2, 1), (b"..", 32, 2, 1), (b".", 0, 1, 0), (b"\0", 32, 2, 1)]
        )
        return c.squashfs(c.squashfs_folder(1, size=len(listing) + 3) + c.squashfs_file(2, 0), listing)

    return by_content(make)


def links_out() -> Pair:
    return by_content(
        lambda data: c.tar(
            [
                c.tar_entry(b"out", kind=b"2", target=b"/tmp/" + data),
                c.tar_entry(b"out/file", data),
                c.tar_entry(b"hard", kind=b"1", target=b"../../../etc/passwd"),
                c.tar_entry(b"loop", kind=b"2", target=b"loop"),
                c.tar_entry(b"ring1", kind=b"1", target=b"ring2"),
                c.tar_entry(b"ring2", kind=b"1", target=b"ring1"),
            ]
        )
    )


def iso_loop() -> Pair:
    def make(data: bytes) -> bytes:
        rows = [c.iso_record(b"D%d" % n, 20 + n % 2, c.SECTOR, flags=2) for n in range(20)]
        return c.iso([b"".join(rows), b"".join(rows), data])

    return by_content(make)


def iso_overlap() -> Pair:
    def make(data: bytes) -> bytes:
        rows = [c.iso_record(b"F%d" % n, 16 + n, 4096 * (n + 1)) for n in range(20)]
        return c.iso([b"".join(rows), data], tail=bytes(1 << 18))

    return by_content(make)


def iso_beyond() -> Pair:
    rows = (
        c.iso_record(b"FAR", 0xFFFFFFFF, 0xFFFFFFFF) + c.iso_record(b"BIG", 22, 0xFFFFFFF0),
        c.iso_record(b"X", 1, 9),
    )
    return c.iso([rows[0]]), c.iso([rows[1]], root_size=0xFFFFF800)


def squashfs_loop() -> Pair:
    def make(data: bytes) -> bytes:
        listing = c.squashfs_directory([(b"again", 0, 1, 0), (data, 0, 1, 0)])
        return c.squashfs(c.squashfs_folder(1, size=len(listing) + 3), listing)

    return by_content(make)


def squashfs_giants() -> Pair:
    def make(data: bytes) -> bytes:
        inodes = c.squashfs_file(2, 0xFFFFFFFF, (0,) * 100) + c.squashfs_folder(1, size=0xFFFF)
        listing = c.squashfs_directory([(data, 0, 2, 0)], count=255)
        return c.squashfs(inodes, listing, root=432, count=0xFFFFFFFF, fragment_count=0xFFFFFFFF, id_count=0xFFFF)

    return by_content(make)


def squashfs_negative() -> Pair:
    def make(data: bytes) -> bytes:
        listing = c.squashfs_directory([(data, 0xFFFF, 2, 0x8000)], start=-1, inode=-1)
        return c.squashfs(c.squashfs_folder(1, size=90), listing, directories=-8, fragments=-2, ids=-16, used=-1)

    return by_content(make)


def cpio_giants() -> Pair:
    return by_content(
        lambda data: c.cpio(
            [c.cpio_entry(b"a", data), c.cpio_entry(b"b", size=0xFFFFFFFF), c.cpio_entry(b"c", namesize=-1)]
        )
    )


def tar_giants() -> Pair:
    sizes = (b"\x80" + b"\x7f" * 11, b"\xff" * 12, b"77777777777\0", b"-0000000001\0")
    return (
        c.tar([c.tar_entry(b"a", b"one")] + [c.tar_entry(b"g%d" % n, size=size) for n, size in enumerate(sizes[:2])]),
        c.tar([c.tar_entry(b"a", b"two")] + [c.tar_entry(b"g%d" % n, size=size) for n, size in enumerate(sizes[2:])]),
    )


def ar_giants() -> Pair:
    return by_content(
        lambda data: c.ar(
            [
                c.ar_entry(b"a/", data),
                c.ar_entry(b"/9999999999", b"x"),
                c.ar_entry(b"#1/999999", b"y"),
                c.ar_entry(b"z/", size=b"-1"),
            ]
        )
    )


def fat_loop() -> Pair:
    def make(data: bytes) -> bytes:
        entries = c.fat_entry(b"LOOP    BIN", 2, 0xFFFFFFFF) + c.fat_entry(b"SELF       ", 4, 0, 0x10)
        entries += c.fat_entry(b"FAR        ", 0xFFFF, 77) + c.fat_entry(b"X", 2, len(data))
        inside = c.fat_entry(b"SELF       ", 4, 0, 0x10) + c.fat_entry(b"\x1b[2J\n", 3, 9)
        image = bytearray(c.fat(entries, chain=(3, 2, 4, 0xFFF)))
        at = 512 * 4 + 112 * 32
        image[at : at + len(data)] = data
        image[at + 2048 : at + 2048 + len(inside)] = inside
        return bytes(image)

    return by_content(make)


def partitions_overlap() -> Pair:
    return by_content(
        lambda data: c.mbr([(0x83, 0, 2048), (0x83, 1, 0xFFFFFFFF), (0x83, 0xFFFFFFFF, 1), (0x83, 4, 4)])[:-20] + data
    )


def gpt_beyond() -> Pair:
    return (
        c.gpt([(34, 2**63), (2**64 - 1, 0), (1, 1)], count=2**32 - 1, entry=2**32 - 1),
        c.gpt([(40, 50), (45, 60)], table=2**64 - 1, mine=2**64 - 1, other=0),
    )


def deep() -> Pair:
    return by_content(lambda data: c.nested(200, data))


def deep_streams() -> Pair:
    def make(data: bytes) -> bytes:
        for _ in range(100):
            data = c.packed(data)
        return data

    return by_content(make)


def bombs() -> Pair:
    return by_content(
        lambda data: c.cpio([c.cpio_entry(b"bomb.gz", c.bomb(640 << 20, data)), c.cpio_entry(b"z", data)])
    )


def truncated() -> Pair:
    whole = in_squashfs()[0]
    return whole, whole[: len(whole) // 3]


def swarm() -> Pair:
    return by_content(
        lambda data: c.cpio([c.cpio_entry(b"f%d" % n) for n in range(10_000)] + [c.cpio_entry(b"z", data)])
    )


def same_name() -> Pair:
    return by_content(lambda data: c.cpio([c.cpio_entry(b"same", b"%d" % n + data, inode=n) for n in range(2000)]))


HOSTILE: dict[str, Callable[[], Pair]] = {
    function.__name__: function
    for function in (
        *(
            in_cpio,
            in_tar,
            in_iso,
            in_squashfs,
            squashfs_slash,
            links_out,
            iso_loop,
            iso_overlap,
            iso_beyond,
            squashfs_loop,
        ),
        *(squashfs_giants, squashfs_negative, cpio_giants, tar_giants, ar_giants, fat_loop, partitions_overlap),
        *(gpt_beyond, deep, deep_streams, bombs, truncated, swarm, same_name),
    )
}


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def snapshot(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def repro(folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "repro.cli.main", "--progress", "plain", "compare", "a", "b", *options]
    environment = {
        **{"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder / "tmp"), "LC_ALL": "C.UTF-8"},
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    return subprocess.run(
        argv, cwd=folder, capture_output=True, env=environment, check=False, timeout=SECONDS, preexec_fn=limited
    )


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_pair(name: str, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    left, right = HOSTILE[name]()
    assert left != right
    (tmp_path / "a").write_bytes(left)
    (tmp_path / "b").write_bytes(right)
    reports = {form: tmp_path / f"report.{form}" for form in RENDERERS}
    before = snapshot(tmp_path) | set(map(str, reports.values()))
    options = [part for form in reports for part in ("--report", f"{form}=report.{form}")]
    done = repro(tmp_path, "--time-limit", "20", "--shallow", *options)
    assert done.returncode in (1, 7), done.stderr[-3000:]
    assert b"Traceback" not in done.stderr
    assert snapshot(tmp_path) == before, "something was written beside the reports"
    assert not any(Path(place).exists() for place in ("/etc/escaped", "/tmp/escaped"))
    for text in (done.stdout, done.stderr, reports["terminal"].read_bytes()):
        assert not unsafe(text.decode("utf-8")), unsafe(text.decode("utf-8"))
    found = json.loads(reports["json"].read_bytes())
    assert found["verdict"] == "different" and (found["divergences"] or found["unexamined"])
    for form, place in reports.items():
        check_report(form, place.read_bytes())


def unsafe(text: str) -> list[str]:
    """The characters of `text` that a terminal may take for more than text."""
    return [
        char
        for char in text
        if char != "\n" and (ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u202e\u2066\u200b\u2028")
    ]


def check_report(form: str, data: bytes) -> None:
    """No markup of an artifact's names is live in a report, and no control character is raw in it."""
    assert data
    text = data.decode("utf-8")
    assert not unsafe(text.replace("\t", "")), form
    if form == "html":
        assert "<script>alert" not in text and "<img src=x" not in text
    if form == "markdown":
        text = MarkdownIt("commonmark").enable("table").render(text)
        assert "<script>alert" not in text and "<img src=x" not in text and "href=" not in text


def test_deep_comparison_of_hostile_names(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    for side, data in zip("ab", in_cpio(), strict=True):
        (tmp_path / side).write_bytes(data)
    before = snapshot(tmp_path)
    done = repro(tmp_path, "--time-limit", "60", "--deep")
    assert done.returncode == 1 and b"Traceback" not in done.stderr, done.stderr[-3000:]
    assert snapshot(tmp_path) == before
    assert not unsafe(done.stdout.decode("utf-8"))


def test_the_limit_on_memory_is_one(tmp_path: Path) -> None:
    code = f"import sys; sys.exit(len(bytearray({MEMORY})) == 0)"
    done = subprocess.run([sys.executable, "-c", code], preexec_fn=limited, capture_output=True, check=False)
    assert done.returncode and b"MemoryError" in done.stderr
    assert os.path.exists(tmp_path)
