"""The pages and the feed of a published folder: in a real Chromium, and held against RFC 4287."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect

from repro.model.publication import Entry, Got, Named, Publication, shown
from repro.model.quorum import AGREEING, DISSENTING, UNKNOWN
from repro.model.text import still_printable
from repro.pipeline.publishing import publish_statements
from repro.report import feed, site
from repro.report.site_rows import Catalogue
from repro.system.http import Http
from repro.system.progress import Null
from tests.attest.said import START, compared, link, rebuilt, sealed, several, sha256
from tests.browser import opened, started
from tests.model.strategies import PUBLICATIONS, SHA256, STANDING
from tests.report.comparisons import HOSTILE

ATOM = "{http://www.w3.org/2005/Atom}"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
NEW = sha256("new")


def publish(folder: Path, said: dict[str, bytes], **options: Any) -> Path:
    """`said`, by file name, published in `folder`."""
    (folder / "in").mkdir()
    for name, data in said.items():
        (folder / "in" / name).write_bytes(data)
    publish_statements(folder / "public", [str(folder / "in")], Http(), Null(), **options)
    return folder / "public"


def hostile() -> dict[str, bytes]:
    """Statements whose every name is hostile."""
    members = [HOSTILE, "</li></ol><script>window.__pwned=1</script>", "a" * 4000]
    differs = compared("rebuild-1", "against", "different", (sha256("mine"), NEW), members)
    name = "<img src=x onerror=window.__pwned=1>.iso"
    said = rebuilt({name: sha256("mine"), '"><b>': sha256("b")}, [differs], recipe=HOSTILE.replace("\udcff", ""))
    return {"a.intoto.json": sealed(said), "a.link": link({"<svg onload=window.__pwned=1>": NEW, "../../x": NEW})}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("site"), several(), title="Rebuilds of <minimal>")


def test_the_index_lists_by_recipe_and_artifact(browser: Browser, public: Path) -> None:
    with opened(browser, public / "index.html", java_script_enabled=False) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Rebuilds of <minimal>")
        expect(page.get_by_text("6 statements on 4 artifact digests.")).to_be_visible()
        assert page.get_by_role("heading", level=2).all_inner_texts()[1:] == [
            "Recipe minimal",
            "Legacy links, which name no recipe",
        ]
        rows = [re.sub(r"\s+", " ", row) for row in page.locator("tbody tr").all_inner_texts()]
        assert len(rows) == 4
        assert re.fullmatch(
            rf"{NEW} 2 by 3 keys: \S+…, \S+…, \S+… 1 by 1 key: \S+… 1 by 1 key: \S+… 2026-11-23 09:00 UTC", rows[0]
        )
        assert re.fullmatch(
            rf"{sha256('other')} 1 by 1 key: \S+… 3 3 got another digest 0 2026-11-23 09:00 UTC", rows[1]
        )
        assert re.fullmatch(rf"{sha256('old')} 1 by 1 key: \S+… 0 0 2026-11-02 09:00 UTC", rows[2])
        assert re.fullmatch(rf"{sha256('deb')} 1 by 1 key: \S+… 0 0 not said", rows[3])


def test_the_page_of_an_artifact(browser: Browser, public: Path) -> None:
    with opened(browser, public / "index.html") as page:
        page.get_by_role("link", name=NEW).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("minimal.iso")
        assert page.locator(".figure dd").all_inner_texts() == ["2", "1", "1"]
        command = f"repro attest quorum --policy policy.toml --artifact sha256:{NEW} statements"
        expect(page.locator("pre")).to_have_text(command)
        expect(page.get_by_text("Being listed here is no proof")).to_be_visible()
        assert page.locator(".badge").all_inner_texts() == ["differs", "agrees", "agrees", "undecided"]
        carol, bob, alice, _ = page.locator(".said").all()
        expect(carol).to_contain_text("live/filesystem.squashfs → etc/machine-id")
        expect(carol).to_contain_text("and 6 more")
        expect(bob).to_contain_text("2026-11-22 09:00 UTC, expires 2027-12-06 09:00 UTC")
        expect(alice.get_by_text("Conditions varied").locator("xpath=..")).to_contain_text("3")
        page.get_by_role("link", name=sha256("other")).first.click()
        expect(
            page.get_by_text(f"repro attest quorum --policy policy.toml --artifact sha256:{sha256('other')}")
        ).to_be_visible()
        assert page.locator(".figure dd").all_inner_texts() == ["1", "3", "0"]
        page.get_by_role("link", name="← Rebuilds of <minimal>").click()
        expect(page.locator("tbody tr")).to_have_count(4)


def test_every_link_leads_somewhere_in_the_folder(browser: Browser, public: Path) -> None:
    for path in sorted(public.rglob("*.html")):
        with opened(browser, path) as page:
            links = page.eval_on_selector_all(
                "a, link", "all => all.map(each => [each.getAttribute('href'), each.href])"
            )
            assert len(links) > 5
            for written, url in links:
                if written != "#main":
                    target = Path(urlsplit(url).path)
                    assert target.is_file(), f"{path}: {written}"
                    assert target.is_relative_to(public)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens_need_no_sideways_scrolling(browser: Browser, public: Path, tmp_path: Path, scheme: Any) -> None:
    for path in (*public.rglob("*.html"), *publish(tmp_path, hostile()).rglob("*.html")):
        with opened(browser, path, color_scheme=scheme, **PHONE) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (int(re.findall(r"\d+", background)[0]) > 128) == (scheme == "light")


def test_hostile_names_do_not_become_markup(browser: Browser, tmp_path: Path) -> None:
    public = publish(tmp_path, hostile(), title="<script>window.__pwned=1</script>")
    pages = sorted(public.rglob("*.html"))
    assert len(pages) == 4
    for path in pages:
        text = path.read_text("utf-8")
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u2028\x1b]", text)
        with opened(browser, path) as page:
            assert page.evaluate("window.__pwned") is None
            assert page.locator("script, img, svg, main b").count() == 0
    with opened(browser, public / "artifact" / f"{NEW}.html") as page:
        expect(page.get_by_text("<script>window.__pwned=1</script><img src=x").first).to_be_visible()
        expect(page.get_by_text("\\u202egnp.exe\\x1b[31m\\n").first).to_be_visible()
        expect(page.get_by_text("../../x").first).to_be_visible()


def test_the_policy_of_a_page_allows_its_own_style_alone(browser: Browser, public: Path) -> None:
    text = (public / "index.html").read_text("utf-8")
    broken = text.replace("<main", "<script>window.__pwned=1</script><style>body{color:red}</style><main")
    assert broken != text
    (public.parent / "broken.html").write_text(broken, "utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((public.parent / "broken.html").as_uri())
    assert page.evaluate("window.__pwned") is None
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
    assert page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") == "12px"
    context.close()


def test_with_an_address_commands_and_feed_name_it(tmp_path: Path) -> None:
    public = publish(tmp_path, several(), base_url="https://example.org/it's/")
    quoted = "&#39;https://example.org/it&#39;&#34;&#39;&#34;&#39;s/&#39;"
    assert f"--artifact sha256:{NEW} {quoted}" in (public / "artifact" / f"{NEW}.html").read_text("utf-8")
    links = [each.get("href", "") for each in ElementTree.parse(public / "feed.xml").iter(f"{ATOM}link")]
    assert links
    assert all(each.startswith("https://example.org/it's/") for each in links)


def held_against_the_rfc(data: bytes) -> list[ElementTree.Element]:
    """The entries of a feed, once RFC 4287's rules that concern it have proven to be kept."""
    root = ElementTree.fromstring(data)
    assert root.tag == f"{ATOM}feed"
    entries = root.findall(f"{ATOM}entry")
    assert len(root.findall(f"{ATOM}author")) == 1  # 4.1.1: so that no entry needs one
    assert root.findtext(f"{ATOM}author/{ATOM}name")
    for element in (root, *entries):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{name}")) == 1
        assert re.fullmatch("urn:sha256:[0-9a-f]{64}", element.findtext(f"{ATOM}id", ""))
        written = element.findtext(f"{ATOM}updated", "")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", written)
        datetime.fromisoformat(written)
        links = element.findall(f"{ATOM}link")
        assert all(each.get("href") for each in links)
        alternates = [each.get("type") for each in links if each.get("rel") == "alternate"]
        assert len(alternates) == len(set(alternates))  # 4.1.1 and 4.1.2: one of each type and language
        if element is not root:
            assert alternates or element.find(f"{ATOM}content") is not None
        assert len(element.findall(f"{ATOM}summary")) == (element is not root)
    ids = [each.findtext(f"{ATOM}id") for each in (root, *entries)]
    assert len(ids) == len(set(ids))
    return entries


def test_the_feed(public: Path) -> None:
    data = (public / "feed.xml").read_bytes()
    entries = held_against_the_rfc(data)
    times = [each.findtext(f"{ATOM}updated", "") for each in entries]
    assert times == sorted(times, reverse=True)
    assert (times[0], times[-1]) == ("2026-11-23T09:00:00Z", "1970-01-01T00:00:00Z")
    assert ElementTree.fromstring(data).findtext(f"{ATOM}updated") == times[0]
    for entry in entries:
        digest = entry.findtext(f"{ATOM}id", "").removeprefix("urn:sha256:")
        for each in entry.findall(f"{ATOM}link"):
            target = public / each.get("href", "")
            assert target.is_file()
            if each.get("rel") == "enclosure":
                assert sha256(target.read_bytes()) == digest
                assert target.stat().st_size == int(each.get("length", ""))


def listable(entry: Entry) -> bool:
    return bool(entry.artifacts or entry.examined)


@settings(max_examples=40)
@given(PUBLICATIONS)
def test_pages_and_feeds_of_anything(publication: Publication) -> None:
    kept = Publication(tuple(filter(listable, publication.entries)), publication.title, publication.base_url)
    pages = dict(site.pages(kept))
    held_against_the_rfc(pages["feed.xml"])
    digests = {each.sha256 for entry in kept.entries for each in (*entry.artifacts, *entry.examined)}
    assert set(pages) == {"index.html", "index.json", "feed.xml"} | {f"artifact/{digest}.html" for digest in digests}
    for data in pages.values():
        text = data.decode().replace("\n", "")
        assert still_printable(text) == text


def test_pages_escape_what_an_index_did_not() -> None:
    entry = Entry(NEW, 1, "statement", (Got("a\u202eb", NEW, AGREEING),), keyids=("\x1b[31m",), recipe="c\u2028d")
    for path, data in site.pages(Publication((entry,))):
        if path.endswith(".html"):
            assert not re.search("[\u202e\u2028\x1b]", data.decode())
            assert "a\\u202eb" in data.decode()


def test_a_feed_holds_the_latest_alone() -> None:
    entries = tuple(
        Entry(sha256(str(n)), 1, "statement", (Got("a", NEW, AGREEING),), signed=START.replace(year=2000 + n))
        for n in range(150)
    )
    found = held_against_the_rfc(feed.render(Publication(entries)))
    assert len(found) == feed.ENTRIES
    assert {each.findtext(f"{ATOM}updated", "")[:4] for each in found} == {str(year) for year in range(2050, 2150)}


def brute_force(publication: Publication, digest: str) -> tuple[int, int, int]:
    """How many agree, differ and cannot say, counted one statement at a time, without any index."""
    counts = {AGREEING: 0, DISSENTING: 0, UNKNOWN: 0}
    places = {
        (entry.recipe, entry.lock_sha256, each.name)
        for entry in publication.entries
        for each in (*entry.artifacts, *entry.examined)
        if each.sha256 == digest
    }
    for entry in publication.entries:
        said = {each.standing for each in entry.artifacts if each.sha256 == digest}
        said |= {DISSENTING for each in entry.examined if each.sha256 == digest}
        if not said and any((entry.recipe, entry.lock_sha256, each.name) in places for each in entry.artifacts):
            said = {DISSENTING}
        for standing in (DISSENTING, UNKNOWN, AGREEING):
            if standing in said:
                counts[standing] += 1
                break
    return counts[AGREEING], counts[DISSENTING], counts[UNKNOWN]


FEW = st.sampled_from([sha256(word) for word in ("one", "two", "three")])
FEW_NAMES = st.sampled_from(["a.iso", "b.iso"])
MEETING = st.builds(
    Entry,
    sha256=SHA256,
    size=st.just(1),
    kind=st.just("statement"),
    artifacts=st.lists(st.builds(Got, FEW_NAMES, FEW, STANDING), min_size=1, max_size=3).map(tuple),
    examined=st.lists(st.builds(Named, FEW_NAMES, FEW), max_size=2).map(tuple),
    recipe=st.sampled_from([None, "minimal"]),
    lock_sha256=st.sampled_from([None, sha256("lock")]),
)


@given(st.lists(MEETING, max_size=6, unique_by=lambda entry: entry.sha256).map(tuple))
def test_counts_are_those_of_brute_force(entries: tuple[Entry, ...]) -> None:
    publication = Publication(entries)
    for digest, row in Catalogue(publication).rows.items():
        counted = len(row.of(AGREEING)), row.differing, len(row.of(UNKNOWN))
        assert counted == brute_force(publication, digest)
        for other in row.others:
            assert digest not in dict(other.ranked)


def test_names_are_cut() -> None:
    assert len(shown("x" * 10_000)) == 255
