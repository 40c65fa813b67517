"""One comparison in which everything occurs that a report has to cope with."""

from __future__ import annotations

from repro.model.comparison import (
    Account,
    Cells,
    Comparison,
    Divergence,
    Picture,
    Range,
    Row,
    Shift,
    Side,
    Summary,
    Unexamined,
)

ROOT = "live/filesystem.squashfs"
HOSTILE = "etc/\x1b[31m\n\u202e`x`|@everyone <script>alert(1)</script> [l](https://example.org) #1\udcff"
WIDE = "usr/share/日本語のとても長いファイル名/" + "テキスト" * 12 + ".txt"
COMBINING = "usr/share/" + "e\u0301" * 40
DIFF = "gzip header MTIME differs\n@@ -1,2 +1,2 @@\n-built on ```monday``` by @admin\n+built on \x1b[1mtuesday\n"


def content(path: str, left: int, right: int, package: str | None = None, detail: str | None = None) -> Divergence:
    """A file of `ROOT` whose bytes differ, of these sizes."""
    return Divergence(
        (ROOT, path),
        ("content", "mtime"),
        {"size": left, "sha256": "1" * 64, "mtime": 1_000_000_000},
        {"size": right, "sha256": "2" * 64, "mtime": 1_000_000_001},
        (Range("both", 4, 8, "gzip header"),),
        package=package,
        detail=detail,
    )


DIVERGENCES = (
    Divergence((), ("structure",), {"volume id": "A" * 60}, {"volume id": "B"}, (Range("both", 0, 9, "MBR"),)),
    Divergence(("boot/efi.img",), ("structure",), {"serial": "12345678"}, {"serial": "87654321"}, cause="fat-serial"),
    Divergence((ROOT, HOSTILE), ("presence",), None, {"type": "file", "size": 3_000}),
    Divergence((ROOT, "etc/gone"), ("presence",), {"type": "file", "size": 163_000_000}, None),
    content("etc/hostname", 5, 5),
    content("usr/bin/tool", 18_000_000, 18_004_096, "coreutils"),
    content("usr/share/doc/tool/changelog.gz", 900, 901, "coreutils", DIFF),
    Divergence((ROOT, "usr/bin/su"), ("mode", "owner"), {"mode": "4755", "uid": 0}, {"mode": "0755", "uid": 1000}),
    Divergence(
        (ROOT, "usr/lib/x"), ("xattr",), {"xattrs": {"security.capability": "a|b"}}, {"xattrs": {}}, package="|"
    ),
    Divergence((ROOT, COMBINING), ("link",), {"target": "a\\b"}, {"target": "c"}),
    Divergence((ROOT, WIDE), ("order",), {"order of entries": "a b"}, {"order of entries": "b a"}),
)
COMPARISON = Comparison(
    Side("live`1`|.iso", 427_000_000, "a" * 64),
    Side("live 2 \udcff.iso", 427_004_096, "b" * 64),
    "different",
    Summary(1000, len(DIVERGENCES), 4_198_500, 4_194_404),
    tuple(sorted(DIVERGENCES, key=lambda d: d.location)),
    (
        Unexamined((ROOT, HOSTILE), "no text diff: `tool` said\n<b>no</b> to @admin | twice"),
        Unexamined(("live/initrd.img",), "window of 1 GiB is over the limit"),
    ),
    {"repro": "0.1.0", "diffoscope": "300"},
    (
        Account(
            (),
            "iso9660",
            (
                Row("GPT", 500, 12, 0, 0, True),
                Row("boot/efi.img", 1_000_000, 4, 0, 0, True),
                Row("live/filesystem.squashfs", 420_000_000, 4_190_000, 0, 4_388, True),
                Row("padding", 32_768, 0, 0, 0, True),
                Row("unmapped", 0, 4_096, 0, 0, False),
            ),
            1_200_000,
            (Shift(32_768, 36_864, 1_000_000), Shift(2_000_000, 2_004_096, 200_000)),
        ),
        Account((ROOT,), "squashfs", (Row("data block", 9_000, 4_000_000, 77, 0, True),), 0, ()),
        Account(("live/same",), "cpio", (Row("header", 110, 0, 0, 0, True),), 0, ()),
    ),
    Picture(4096, ("GPT", ROOT), (Cells(9, 0, 0), Cells(100, 1, 5)), (Cells(9, 0, 1), Cells(101, 1, 5))),
    interrupted=True,
)


def many(count: int) -> Comparison:
    """`count` files that differ, in ten folders, of which one is in a package."""
    found = tuple(
        content(f"d{n % 10}/file{n:06d}", n, n + 1, "base-files" if n % 10 == 9 else None) for n in range(count)
    )
    sides = Side("a.iso", 1, "a" * 64), Side("b.iso", 1, "b" * 64)
    return Comparison(*sides, "different", Summary(count, count, count, count), found)
