"""The HTML report as a file: what it holds without a browser, and that nothing can get out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings

from repro.model.comparison import IDENTICAL, Comparison, Side, Summary
from repro.report import render
from tests.model.strategies import COMPARISONS
from tests.report.comparisons import HOSTILE, hostile, large

SIDE = Side("a.iso", 5, "a" * 64)
SAME = Comparison(SIDE, SIDE, IDENTICAL, Summary(12, 0, 0, 0))


class Page(HTMLParser):
    """Elements with their attributes, and the text of each kind of element."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open, []).append(data)

    def text(self, tag: str = "") -> str:
        return " ".join(" ".join(texts) for name, texts in self.texts.items() if name == tag or not tag)

    def data(self) -> dict[str, Any]:
        return json.loads(self.texts["script"][0])  # type: ignore[no-any-return]


def html(comparison: Comparison) -> bytes:
    return render(comparison, "html")


def test_the_same_comparison_gives_the_same_bytes() -> None:
    assert html(large(50)) == html(large(50))


@pytest.mark.parametrize("comparison", [large(3), hostile(), SAME])
def test_the_policy_allows_what_is_there_and_nothing_else(comparison: Comparison) -> None:
    data = html(comparison)
    page = Page(data)
    policy = next(a["content"] or "" for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag, text in (("style", page.texts["style"][0]), ("script", page.texts["script"][-1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "img", "base", "form")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(rb"https?://|url\(|@import", data)


def test_it_reads_without_its_script() -> None:
    page = Page(html(large(300)))
    text = page.text()
    for said in ("Different", "The SHA-256 digests are not the same.", "a" * 64, "b" * 64, "a.iso", "500", "302"):
        assert said in text
    assert "1 place was not examined" in text and "no text diff: time limit" in text
    assert "nested containers" in text and "82.7 %" in text and "at another offset" in text
    assert text.count("f00") >= 199 and "and 102 more" in text
    assert "f00299" not in page.text("bdi")


def test_identical_says_so_and_has_no_lists() -> None:
    data = html(SAME)
    page = Page(data)
    assert "Identical" in page.text("h1") and "The SHA-256 digests are the same." in page.text()
    assert not [a for _, a in page.elements if a.get("id") in ("static", "unexamined", "accounts")]
    assert page.data()["divergences"] == [] and len(data) < 100_000


def test_what_was_interrupted_says_so() -> None:
    assert "interrupted" in Page(html(replace(SAME, interrupted=True))).text("h2")
    assert "interrupted" not in Page(html(SAME)).text("h2")


def test_the_share_that_is_explained_is_never_rounded_up() -> None:
    almost = replace(large(1), summary=Summary(1, 1, 1_000_000, 999_999))
    assert "99.9 %" in Page(html(almost)).text("dd")
    assert "100 %" in Page(html(replace(almost, summary=Summary(1, 1, 10, 10)))).text("dd")


def test_hostile_names_stay_text() -> None:
    data = html(hostile())
    page = Page(data)
    assert [tag for tag, _ in page.elements if tag == "script"] == ["script", "script"]
    assert "img" not in [tag for tag, _ in page.elements] and b"<img" not in data
    said = page.text("bdi")
    assert r"\u202egnp.exe\x1b[31m\n\xff\u200b</script><!--\u2028" in said and "$title" in said
    for char in "\x1b\u202e\u200b\u2028":
        assert char not in data.decode()
    assert HOSTILE not in data.decode("utf-8", "surrogateescape")
    names = page.data()["divergences"][1]["at"]
    assert names[0].startswith("<script>window.__pwned") and "\u202e" not in names[0]


def test_the_data_is_all_of_the_comparison() -> None:
    found = large(500)
    data = Page(html(found)).data()
    assert [tuple(d["at"]) for d in data["divergences"]] == [d.location for d in found.divergences]
    assert sum(d.get("package") == "libc6" for d in data["divergences"]) == 167
    assert data["divergences"][1]["ranges"] == [["both", 4, 9, "content"]]
    assert len(html(large(20_000))) < 10_000_000


@given(COMPARISONS)
@settings(max_examples=50, deadline=None)
def test_any_comparison_renders(comparison: Comparison) -> None:
    page = Page(html(comparison))
    assert len(page.data()["divergences"]) == len(comparison.divergences)
    assert [tag for tag, _ in page.elements if tag == "script"] == ["script", "script"]
