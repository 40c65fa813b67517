"""The Markdown report, read by an independent implementation of GitHub's dialect: structure, folds, no injection."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from repro.model.comparison import Comparison, Divergence, Side, Summary, Unexamined
from repro.model.text import printable
from repro.report.markdown import LIMIT, code, render
from tests.model.strategies import COMPARISONS
from tests.report.sample import COMPARISON, HOSTILE, content, many

OWN_HTML = {"<details>", "</details>", "<summary>", "</summary>"}
EVIL = (
    "`", "``", "`a`", "a|b", "\\|", "a\\`b", "<img src=x onerror=alert(1)>", "</details>", "[x](https://example.org)",
    "https://example.org", "@everyone", "#1 !2", "\n\n# title", "| - |", "\u202ebidi", " both ", "    ", "*b* _i_ ~s~",
    "&lt;b&gt;", "$`x`$", ":tada:", "```", "---", "<!--", "\x00\x7f", "\udcff", "  \\", "[[_TOC_]]", "/close",
)  # fmt: skip


def tokens(text: str) -> list[Token]:
    """All tokens, inline ones too, of GitHub's dialect with HTML and bare links."""
    flat: list[Token] = []
    for token in MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable("table").parse(text):
        flat += [token, *(token.children or [])]
    return flat


def outside_code(text: str) -> str:
    """What is neither in a code span nor in a fence, where mentions, links and HTML would count."""
    return "\n".join(t.content for t in tokens(text) if t.type in ("text", "html_inline", "html_block"))


class Tags(HTMLParser):
    """Every tag of a page, opened or closed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag if not attrs else f"{tag} {attrs}")

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")


def tags(text: str) -> list[str]:
    parser = Tags()
    parser.feed(MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable("table").render(text))
    return parser.found


def test_it_leads_with_the_verdict_digests_and_totals() -> None:
    shown = render(COMPARISON)
    assert shown.startswith("**DIFFERENT**: 11 divergences\n\n**PARTIAL: interrupted**")
    assert f"`{'a' * 64}`" in shown and "427.0 MB" in shown
    assert "**unexplained: 4,096 bytes**" in shown and "**NOT EXAMINED: 2**" in shown
    assert shown.index("| container |") < shown.index("<details>")


def test_tables_and_folds_are_seen_as_such() -> None:
    found = tags(render(COMPARISON))
    assert found.count("table") == 5 and found.count("/table") == 5
    assert found.count("details") == found.count("/details") == found.count("summary") == 3
    ours = {"table", "thead", "tbody", "tr", "th", "td", "details", "summary", "p", "strong", "code", "pre", "ul", "li"}
    assert {tag.removeprefix("/") for tag in found} <= {*ours, "code [('class', 'language-diff')]"}
    folded = found[found.index("details") :]
    assert folded.index("table") < folded.index("/details")


@pytest.mark.parametrize("name", EVIL)
def test_a_name_cannot_leave_its_cell(name: str) -> None:
    evil = Divergence(
        (name, name), ("content",), {name: name}, {name: "x"}, package=name, detail=f"{name}\n@@\n-{name}"
    )
    plain = Divergence(("n", "n"), ("content",), {"n": "n"}, {"n": "x"}, package="n", detail="n\n@@\n-n")
    shown, expected = (
        render(
            Comparison(
                Side(d.location[0], 1, "a" * 64), Side("b", 1, "b" * 64), "different", Summary(1, 1, 0, 0), (d,),
                (Unexamined(d.location, d.location[0]),),
            )
        )
        for d in (evil, plain)
    )  # fmt: skip
    assert tags(shown) == tags(expected)
    assert outside_code(shown) == outside_code(expected)


@given(st.text(st.characters() | st.sampled_from("`| \\<>@\n"), min_size=1, max_size=20))
def test_any_text_stays_within_its_code_span(text: str) -> None:
    shown = printable(text)
    (row,) = (t for t in tokens(f"| a |\n|---|\n| {code(shown)} |\n") if t.type == "inline" and t.content != "a")
    (span,) = row.children or []
    assert (span.type, span.content) == ("code_inline", shown.replace("|", "\\x7c"))


def test_it_fits_a_comment_whatever_is_compared() -> None:
    long = [
        content(f"{'d' * 200}{n}/{'x' * 300}`|{n}", 1, 2, detail="@@\n" + f"-{'`x`' * 99}\n" * 99) for n in range(500)
    ]
    found = replace(many(0), divergences=tuple(long), unexamined=(Unexamined(("y" * 999,), "z" * 9999),) * 500)
    shown = render(found)
    assert len(shown) <= LIMIT and "… the rest is in the JSON report" in shown
    assert tags(shown).count("details") == tags(shown).count("/details") > 0
    assert "and 490 more" in shown and "and 480 more groups with 480 divergences" in shown


def test_identical_is_two_lines_and_a_table() -> None:
    side = Side("a.iso", 1, "a" * 64)
    shown = render(Comparison(side, side, "identical", Summary(0, 0, 0, 0)))
    assert shown.startswith("**IDENTICAL**\n") and "<details>" not in shown and len(shown.splitlines()) == 6


@given(COMPARISONS)
def test_only_our_own_html(found: Comparison) -> None:
    html = "\n".join(t.content for t in tokens(render(found)) if t.type in ("html_inline", "html_block"))
    for own in OWN_HTML:
        html = html.replace(own, "")
    assert set(html.split("\n")) <= {"", "Bytes by structure", "Divergences", "Text diffs"}


def test_the_sample_name_is_hostile_enough() -> None:
    assert all(mark in HOSTILE for mark in ("`", "|", "@", "<script>", "[l](", "\n", "\u202e"))
