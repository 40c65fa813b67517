"""The terminal report: what it must say, within which width, and that names cannot play tricks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from repro.model.comparison import (
    Account,
    Comparison,
    Divergence,
    Range,
    Row,
    Shift,
    Side,
    Summary,
    Unexamined,
    decode,
)
from repro.model.errors import InvalidInput
from repro.report import render
from repro.report.terminal import render as text

LEFT, RIGHT = Side("a.iso", 427_000_000, "a" * 64), Side("b.iso", 427_000_001, "b" * 64)


def comparison(
    *divergences: Divergence, unexamined: tuple[Unexamined, ...] = (), verdict: str = "different"
) -> Comparison:
    return Comparison(LEFT, RIGHT, verdict, Summary(1000, len(divergences), 54, 50), divergences, unexamined)


MODE = Divergence(("live/root.squashfs", "etc/foo"), ("mode",), {"mode": "0644"}, {"mode": "0600"})
CONTENT = Divergence(
    ("live/root.squashfs", "etc/hostname"),
    ("content", "mtime"),
    {"size": 5, "sha256": "a" * 64, "mtime": 1},
    {"size": 5, "sha256": "b" * 64, "mtime": 2},
)
SERIAL = Divergence(
    ("efi.img",),
    ("structure",),
    {"boot sector serial number": "12345678"},
    {"boot sector serial number": "87654321"},
    ranges=(Range("both", 39, 43, "boot sector serial number"),),
)
HOSTILE = "bad\x1b[31m\n\u202ename\udcff"
NEW = Divergence((HOSTILE,), ("presence",), None, {"type": "file"})


def test_a_long_name_with_nothing_to_say_beside_it_leaves_room_for_the_heading() -> None:
    shown = text(comparison(Divergence(("\x00" * 13,), ("content",), None, None)))
    assert max(map(cell_len, shown.splitlines())) <= 80


def test_it_says_what_differs_where_and_how() -> None:
    shown = text(comparison(CONTENT, MODE, SERIAL))
    assert shown.startswith("DIFFERENT\n")
    for expected in ("a.iso", "b" * 64, "1000 entries compared, 3 divergent", "54 B differ", "50 B of them"):
        assert expected in shown
    assert re.search(r"^live/root.squashfs$", shown, re.M)
    assert re.search(r"^etc/foo +mode +mode: 0644 → 0600$", shown, re.M)
    assert re.search(r"^etc/hostname +content, +5 B +mtime: 1 → 2\n +mtime +same size$", shown, re.M)
    assert "12345678" in shown


def test_identical_is_short() -> None:
    same = Comparison(LEFT, LEFT, "identical", Summary(0, 0, 0, 0))
    assert text(same).splitlines()[0] == "IDENTICAL" and len(text(same).splitlines()) == 5


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits(width: int) -> None:
    long = Divergence(
        ("x" * 300, "y/" * 200 + "end"), ("content", "mode", "mtime", "owner"), {"mode": "0" * 99}, {"size": 1}
    )
    wide = Divergence(("z" * 90, "w" * 90), ("xattr",), {"xattrs": {"k" * 90: "v" * 900}}, {"xattrs": {}})
    note = Unexamined(("p" * 200, "q" * 200), "reason " * 50)
    shown = text(comparison(long, wide, MODE, CONTENT, SERIAL, NEW, unexamined=(note,)), width=width)
    assert max(len(line) for line in shown.splitlines()) <= width
    assert "…" in shown and "y/end" in shown


def test_names_cannot_play_tricks() -> None:
    shown = text(comparison(NEW, unexamined=(Unexamined((HOSTILE,), "why\x07"),)))
    assert "\x1b" not in shown and "\u202e" not in shown and "\x07" not in shown
    assert r"bad\x1b[31m\n\u202ename\xff" in shown
    shown.encode()


def test_it_says_which_side_has_a_member() -> None:
    assert "only on the right" in text(comparison(NEW))


def test_rows_are_limited_and_it_says_so() -> None:
    many = [Divergence((f"f{n:04d}",), ("mode",), {"mode": "0644"}, {"mode": "0600"}) for n in range(100)]
    shown = text(comparison(*many), rows=10)
    assert shown.count("0644") == 10
    assert "… and 90 more divergences; the JSON report has all of them" in shown


def test_what_was_not_examined_is_listed() -> None:
    notes = tuple(Unexamined((f"m{n:02d}",), "too large") for n in range(30))
    shown = text(comparison(MODE, unexamined=notes))
    assert "NOT EXAMINED: 30" in shown and "m00" in shown and "… and 20 more" in shown


def test_text_diffs_are_shown_in_part() -> None:
    detail = "gzip header MTIME differs\n@@ -1 +1 @@\n" + "".join(f"-line {n}\x1b\n" for n in range(50))
    shown = text(comparison(replace(CONTENT, detail=detail)))
    assert "gzip header MTIME" in shown and "  @@ -1 +1 @@" in shown
    assert r"-line 8\x1b" in shown and "line 9" not in shown and "… 41 more lines" in shown


def test_packages_have_their_own_lines_within_a_container() -> None:
    mine = replace(MODE, package="coreutils", location=("live/root.squashfs", "a/tool"))
    shown = text(comparison(mine, CONTENT, MODE))
    assert shown.index("etc/foo") < shown.index("[package coreutils]") < shown.index("a/tool")
    assert shown.count("left → right") == 1


@pytest.mark.parametrize("name", ["漢字" * 60, "e\u0301" * 120, "a漢\u0301" * 60])
def test_names_are_measured_as_a_terminal_shows_them(name: str) -> None:
    shown = text(
        comparison(replace(MODE, location=(name, name), package=name), unexamined=(Unexamined((name,), name),))
    )
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert not re.search("…\u0301", shown)


def test_bytes_by_structure_add_up_and_say_what_is_left() -> None:
    rows = (Row("GPT", 90, 10, 0, 0, True), Row("files", 50, 0, 3, 7, True), Row("boot", 800, 0, 0, 0, True))
    shifts = (Shift(1000, 5096, 1_200_000),)
    account = Account((), "iso9660", rows, 1_200_000, shifts)
    inside = Account(("root.squashfs",), "squashfs", (Row("inodes", 5, 0, 0, 0, True),))
    found = replace(comparison(MODE), accounts=(account, inside))
    shown = text(found)
    assert re.search(r"^files +50 B +- +3 B +7 B$", shown, re.M)
    assert re.search(r"^1 equal structure +800 B +- +- +-$", shown, re.M)
    assert re.search(r"^sum +940 B +10 B +3 B +7 B$", shown, re.M)
    assert "every differing byte is explained" in shown and "inodes" not in shown
    assert shown.count("1.2 MB lie elsewhere, unchanged: first 4,096 bytes further from offset 1,000 on") == 1
    left = replace(account, rows=(*rows, Row("unmapped", 0, 1234, 0, 0, False)))
    shown = text(replace(found, accounts=(left,)), color=True)
    assert "\x1b[1;31munexplained: 1,234 bytes\x1b[0m" in shown and "every differing" not in shown
    earlier = replace(account, shifts=(Shift(5096, 1000, 9),))
    assert "first 4,096 bytes earlier from offset 5,096 on" in text(replace(found, accounts=(earlier,)))


def test_containers_with_least_that_differs_are_counted_only() -> None:
    outer = Account((), "iso", (Row("x", 1, 1, 0, 0, True),))
    inner = [Account((f"c{n}",), "cpio", (Row("header", 0, n + 1, 0, 0, n > 0),)) for n in range(9)]
    shown = text(replace(comparison(MODE), accounts=(outer, *inner)))
    for title in ("bytes of the artifact (iso)", "bytes of c0 (cpio)", "unexplained: 1 byte", "bytes of c8 (cpio)"):
        assert title in shown, "the outermost, what is unexplained, then the largest"
    assert "bytes of c1 (cpio)" not in shown and "6 more containers differ; see the JSON report" in shown
    blamed = [replace(account, rows=(replace(account.rows[0], explained=False),)) for account in inner]
    shown = text(replace(comparison(MODE), accounts=(outer, *blamed)))
    assert "6 more containers differ (21 bytes in them are unexplained)" in shown


def test_an_interruption_is_said_first() -> None:
    assert text(replace(comparison(MODE), interrupted=True)).splitlines()[1].startswith("PARTIAL: interrupted")


def test_what_was_not_examined_is_also_said_at_the_top() -> None:
    assert text(comparison(MODE, unexamined=(Unexamined(("x",), "y"),))).splitlines()[1].startswith("NOT EXAMINED: 1")


def test_small_groups_are_not_lost_among_large_ones() -> None:
    crowd = [Divergence(("r", f"usr/{n:05d}"), ("mode",), {"mode": "0644"}, {"mode": "0600"}) for n in range(5000)]
    lone = Divergence(("r", "etc/passwd"), ("mode",), {"mode": "0644"}, {"mode": "0600"})
    shown = text(comparison(*crowd, lone))
    assert "etc/passwd" in shown and re.search(r"^r +usr/ +5000 +mode 5000$", shown, re.M)
    assert "… and 4961 more divergences" in shown


def test_colour_only_where_asked() -> None:
    assert "\x1b[1;31mDIFFERENT\x1b[0m" in text(comparison(MODE), color=True)
    assert "\x1b" not in text(comparison(MODE))


def test_json_is_the_document_itself() -> None:
    found = comparison(CONTENT, MODE, SERIAL)
    assert decode(render(found, "json")) == found


def test_other_formats_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput) as caught:
        render(comparison(MODE), "papyrus")
    assert "json" in caught.value.hint and "terminal" in caught.value.hint
