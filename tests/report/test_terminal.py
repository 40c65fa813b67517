"""The terminal report: what it must say, within which width, and that names cannot play tricks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from repro.model.comparison import Comparison, Divergence, Range, Side, Summary, Unexamined, decode
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


def test_it_says_what_differs_where_and_how() -> None:
    shown = text(comparison(CONTENT, MODE, SERIAL))
    assert shown.startswith("DIFFERENT\n")
    for expected in ("a.iso", "b" * 64, "1000 entries compared, 3 divergent", "54 B differ", "50 B of them"):
        assert expected in shown
    assert re.search(r"^live/root.squashfs$", shown, re.M)
    assert re.search(r"^etc/foo +mode +mode: 0644 → 0600$", shown, re.M)
    assert re.search(r"^etc/hostname +content, mtime +mtime: 1 → 2\n +5 B, same size$", shown, re.M)
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
