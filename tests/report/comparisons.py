"""Comparisons for the tests of reports: a large one, and one whose every name is hostile."""

from __future__ import annotations

from repro.model.comparison import (
    DIFFERENT,
    INCONCLUSIVE,
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

SQUASHFS = "live/filesystem.squashfs"
HOSTILE = (
    "<script>window.__pwned=1</script><img src=x onerror=window.__pwned=1>"
    "\u202egnp.exe\x1b[31m\n\udcff\u200b</script><!--\u2028 \u05e2\u05d1\u05e8 \\ '\" $title"
)
DIFF = "a sentence\n@@ -1,2 +1,2 @@\n same\n-built on Monday\n+built on Tuesday"


def large(count: int) -> Comparison:
    """`count` divergences, and two outside the squashfs; every third has a package, every fourth a cause."""
    found = [_member(number) for number in range(count)]
    found.append(Divergence(("live/initrd.img", "init"), ("content",), {"size": 5}, {"size": 900_000_000}))
    found.append(Divergence(("boot/efi.img",), ("structure",), {"serial": "1"}, {"serial": "2"}))
    rows = (Row("nested containers", 1000, 24, 0, 0, True), Row("unmapped", 8, 2, 0, 3, False))
    accounts = (Account((), "iso9660", (*rows, Row("padding", 4096, 0, 0, 0, True)), 7, (Shift(10, 20, 7),)),)
    strip = (Cells(40, 0, 0), Cells(2, 1, 9), Cells(50, 1, 0))
    picture = Picture(4096, ("MBR boot code", f"{SQUASHFS} → data blocks"), strip, (*strip, Cells(1, 1, 17)))
    return Comparison(
        Side("a.iso", 376_832, "a" * 64),
        Side("b.iso", 380_928, "b" * 64),
        DIFFERENT,
        Summary(count + 500, len(found), 29, 24),
        tuple(sorted(found, key=lambda d: d.location)),
        (Unexamined((SQUASHFS, "usr/f00001"), "no text diff: time limit"),),
        {"repro": "0.1.0"},
        accounts,
        picture,
    )


def _member(number: int) -> Divergence:
    content = number % 2 == 0
    return Divergence(
        (SQUASHFS, f"{'usr' if number % 5 else 'etc'}/f{number:05d}"),
        ("content",) if content else ("mode", "mtime"),
        {"size": number + 10, "sha256": "a" * 64} if content else {"mode": "0644", "mtime": 1_000_000_000},
        {"size": number + 10, "sha256": "b" * 64} if content else {"mode": "0600", "mtime": 1_000_000_001},
        (Range("both", 4, 9, "content"),) if content else (),
        cause="embedded time" if number % 4 == 0 else None,
        package="libc6" if number % 3 == 0 else None,
        detail=DIFF if content else None,
    )


def hostile() -> Comparison:
    """Every text in it tries to leave its place."""
    found = (
        Divergence((), ("structure",), {"a": 1}, {"a": 2**70}),
        Divergence(
            (HOSTILE, f"{HOSTILE}/{HOSTILE}"),
            ("content",),
            {HOSTILE: HOSTILE, "xattrs": {HOSTILE: HOSTILE}},
            {HOSTILE: "2", "xattrs": {}},
            (Range("both", 1, 5, HOSTILE),),
            HOSTILE,
            HOSTILE,
            f"{HOSTILE}\n@@ -1 +1 @@\n-{HOSTILE}\n+\tx{'y' * 500}",
        ),
        Divergence(("L" * 300 + "/" + "M" * 300,), ("presence",), {}, None),
    )
    return Comparison(
        Side(HOSTILE, None, "a" * 64),
        Side("b" + HOSTILE, 5, "b" * 64),
        INCONCLUSIVE,
        Summary(3, 3, 0, 0),
        found,
        (Unexamined((HOSTILE,), HOSTILE),),
        {HOSTILE: HOSTILE},
        (Account((HOSTILE,), HOSTILE, (Row(HOSTILE, 1, 2, 3, 4, False),), 5, (Shift(1, 2, 3),)),),
        Picture(4096, (HOSTILE,), (Cells(3, 0, 0), Cells(2, 0, 5)), (Cells(4, 0, 1),)),
        interrupted=True,
    )
