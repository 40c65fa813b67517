"""The HTML report in a real Chromium, from a file and without network: filters, keys, widths, hostile names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from repro.model.comparison import Comparison
from repro.report import render
from tests.browser import opened, started
from tests.formats import samples
from tests.report.comparisons import SQUASHFS, hostile, large

MANY = 20_000
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
ROWS = "#rows [role=row]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    contents: dict[str, Comparison] = {"few": large(30), "many": large(MANY), "hostile": hostile()}
    for name, comparison in contents.items():
        (folder / f"{name}.html").write_bytes(render(comparison, "html"))
    return {name: folder / f"{name}.html" for name in contents}


def counted(page: Page, said: str) -> None:
    expect(page.locator("#count")).to_have_text(said)


def names(page: Page) -> list[str]:
    return page.locator(f"{ROWS} .file").all_text_contents()


def test_a_real_comparison(browser: Browser, tmp_path: Path) -> None:
    for name, host in (("a", b"live\n"), ("b", b"dead\n")):
        folder = tmp_path / f"of-{name}"
        folder.mkdir()
        files = {**samples.FILES, "etc/hostname": host}
        squashfs = samples.squashfs(folder, files)
        (tmp_path / f"{name}.iso").write_bytes(samples.iso(folder / "iso", {SQUASHFS: squashfs}))
    command = [sys.executable, "-m", "repro.cli.main", "-q", "compare", "a.iso", "b.iso", "--report", "html=d.html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    with opened(browser, tmp_path / "d.html") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Different")
        expect(page.get_by_text("The SHA-256 digests are not the same.")).to_be_visible()
        for code in page.locator(".digest code").all():
            assert re.fullmatch("[0-9a-f]{64}", code.inner_text())
        counted(page, "1 divergence")
        expect(page.get_by_role("slider", name="Map of the left artifact")).to_be_visible()
        expect(page.get_by_role("table", name="What differs")).to_contain_text("nested containers")
        page.locator(ROWS).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".removed")).to_have_text("-live\n")
        expect(dialog.locator(".added")).to_have_text("+dead\n")
        expect(dialog).to_contain_text("Cause: captures_hostname (confidence: high)")
        expect(dialog.get_by_role("listitem")).to_have_text("live → dead")
        expect(dialog).to_contain_text("Remedy: fix the host name for the build")


def test_filters_find_the_right_rows(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"]) as page:
        counted(page, "32 divergences")
        page.get_by_role("button", name=re.compile("^structure")).click()
        counted(page, "1 of 32 divergences")
        assert names(page) == ["boot/efi.img"]
        page.get_by_role("button", name=re.compile("^mode")).click()
        counted(page, "16 of 32 divergences")
        page.get_by_role("button", name="Clear filters").click()
        page.get_by_label("Package", exact=True).select_option(label="libc6 (10)")
        counted(page, "10 of 32 divergences")
        page.get_by_label("Cause", exact=True).select_option(label="embedded time (3)")
        counted(page, "3 of 32 divergences")
        assert names(page) == ["etc/f00000", "usr/f00012", "usr/f00024"]
        page.get_by_role("button", name="Clear filters").click()
        search = page.get_by_role("searchbox")
        search.fill("ETC/ f0001")
        counted(page, "2 of 32 divergences")
        assert names(page) == ["etc/f00010", "etc/f00015"]
        search.fill("libc6")
        counted(page, "10 of 32 divergences")
        search.fill("nothing has this name")
        counted(page, "0 of 32 divergences")


def test_sorting_by_size(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"]) as page:
        page.get_by_role("button", name="Size").click()
        expect(page.locator(ROWS).first).to_contain_text("init")
        expect(page.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "descending")
        page.get_by_role("button", name="Path").click()
        expect(page.locator(ROWS).first).to_contain_text("efi.img")


def test_the_tree_by_keyboard(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"]) as page:
        page.get_by_role("treeitem", name="The whole artifact, 32").focus()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("treeitem", name=f"{SQUASHFS}, 30")).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        counted(page, "1 of 32 divergences")
        expect(page.get_by_role("treeitem", selected=True)).to_have_accessible_name("live/initrd.img, 1")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("treeitem")).to_have_count(1)
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("treeitem")).to_have_count(3)


def test_directories_drill_down(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"]) as page:
        page.locator("#bars").get_by_role("button", name=f"{SQUASHFS}/usr/").click()
        counted(page, "24 of 32 divergences")
        page.get_by_role("navigation", name="Directory").get_by_role("button", name="filesystem.squashfs").click()
        counted(page, "30 of 32 divergences")
        page.get_by_role("navigation", name="Directory").get_by_role("button", name="all").click()
        counted(page, "32 divergences")


def test_keyboard_alone(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"]) as page:
        grid = page.get_by_role("grid")
        for _ in range(60):
            page.keyboard.press("Tab")
            if grid.evaluate("node => node === document.activeElement"):
                break
        expect(grid).to_be_focused()
        page.keyboard.press("ArrowDown")
        active = grid.get_attribute("aria-activedescendant")
        assert active and page.locator(f"#{active}").get_attribute("aria-selected") == "true"
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        expect(page.locator("#details-title")).to_be_focused()
        expect(dialog).to_contain_text("built on Tuesday")
        assert page.url.endswith("#d=2")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(grid).to_be_focused()
        page.keyboard.press("End")
        expect(page.locator(ROWS).last).to_have_attribute("aria-rowindex", "33")


def test_details(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"], "#d=2") as page:
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("table", name="Left → right")).to_contain_text("10 bytes")
        expect(dialog.locator(".removed")).to_have_text("-built on Monday\n")
        expect(dialog.get_by_role("table", name="Bytes that differ")).to_contain_text("content")
        expect(dialog).to_contain_text("libc6")
        dialog.get_by_role("button", name="Next").click()
        expect(page.locator("#details-title")).to_have_text("etc/f00005")
        expect(dialog).to_contain_text("1000000001 (2001-09-09 01:46:41 UTC)")
        page.goto(files["few"].as_uri() + "#d=8")
        expect(page.locator("#details-title")).to_have_text("usr/f00001")
        expect(dialog).to_contain_text("Not examined: no text diff: time limit")


def test_the_map_is_read_by_keyboard(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"]) as page:
        left = page.get_by_role("slider", name="Map of the left artifact")
        left.focus()
        page.keyboard.press("n")
        said = f"left, bytes 163,840 to 167,936: {SQUASHFS} → data blocks, 9 bytes differ"
        expect(left).to_have_attribute("aria-valuetext", said)
        expect(page.locator("#map-readout")).to_have_text(said)
        expect(left).to_have_attribute("aria-valuenow", "40")
        page.get_by_text("The map as a table").click()
        expect(page.get_by_role("table", name="The map by structure")).to_contain_text("18 → 35")


def test_twenty_thousand(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["many"]) as page:
        counted(page, "20,002 divergences")
        assert page.locator(ROWS).count() < 200
        page.get_by_role("searchbox").fill("f0123")
        counted(page, "10 of 20,002 divergences")
        page.get_by_role("searchbox").fill("")
        counted(page, "20,002 divergences")
        page.get_by_role("button", name=re.compile("^content")).click()
        counted(page, "10,001 of 20,002 divergences")
        page.get_by_role("grid").focus()
        for key in ("PageDown", "End"):
            page.keyboard.press(key)
            assert page.locator(ROWS).count() < 200
        expect(page.locator(ROWS).last).to_have_attribute("aria-rowindex", "10002")
        assert page.evaluate("document.querySelectorAll('*').length") < 5000


@pytest.mark.parametrize("name", ["few", "hostile"])
def test_a_phone_does_not_scroll_sideways(browser: Browser, files: dict[str, Path], name: str) -> None:
    with opened(browser, files[name], **PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.locator(ROWS).nth(1).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("document.getElementById('details').scrollWidth") <= 360
        page.get_by_role("button", name="Close").click()
        for each in page.locator("summary").all():
            each.evaluate("node => node.click()")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_script(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"], java_script_enabled=False) as page:
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("region", name="Table of divergences").locator("tbody tr")).to_have_count(32)
        expect(page.get_by_role("grid")).to_be_hidden()


def test_hostile_names_do_not_run(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["hostile"], "#d=2") as page:
        expect(page.get_by_role("dialog")).to_contain_text(r"\u202egnp.exe\x1b[31m\n\xff\u200b</script>")
        for each in page.locator("summary").all():
            each.evaluate("node => node.click()")
        page.keyboard.press("Escape")
        page.get_by_role("searchbox").fill("<img")
        counted(page, "1 of 3 divergences")
        assert page.evaluate("window.__pwned") is None
        assert page.locator("img").count() == 0
        expect(page.get_by_role("heading", name="This comparison was interrupted")).to_be_visible()


LUMINANCE = """text => {
  const parts = text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255);
  const [r, g, b] = parts.map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""
CONTRAST = (
    """() => {
  const luminance = """
    + LUMINANCE
    + """;
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
    if (!text || !node.checkVisibility() || node.disabled || node.closest(".skip, svg, script, style")) continue;
    let behind = node;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    const [a, b] = [getComputedStyle(node).color, getComputedStyle(behind).backgroundColor].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.outerHTML.slice(0, 80)}: ${ratio}`);
  }
  return poor;
}"""
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_and_light_have_contrast(browser: Browser, files: dict[str, Path], scheme: Any) -> None:
    with opened(browser, files["few"], "#d=2", color_scheme=scheme) as page:
        expect(page.get_by_role("dialog")).to_be_visible()
        page.get_by_role("button", name=re.compile("^content")).evaluate("node => node.click()")
        light = page.evaluate(f"({LUMINANCE})(getComputedStyle(document.body).backgroundColor)") > 0.5
        assert light == (scheme == "light")
        assert page.evaluate(CONTRAST) == []


def test_the_theme_can_be_switched(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"], color_scheme="light") as page:
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for said in ("light", "dark"):
            page.get_by_role("button", name="Theme").click()
            expect(page.get_by_role("button", name="Theme")).to_have_text(f"Theme: {said}")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_it_is_accessible(browser: Browser, files: dict[str, Path]) -> None:
    """What axe would find first: names of controls, order of headings, references, ids, landmarks."""
    with opened(browser, files["few"], "#d=2") as page:
        expect(page.get_by_role("dialog")).to_be_visible()
        session = page.context.new_cdp_session(page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        named = {"button", "link", "searchbox", "combobox", "slider", "grid", "tree", "treeitem", "dialog", "region"}
        nameless = [
            node["role"]["value"]
            for node in nodes
            if not node.get("ignored") and node.get("role", {}).get("value") in named and not node["name"]["value"]
        ]
        assert nameless == []
        roles = {node["role"]["value"] for node in nodes if not node.get("ignored")}
        assert {"main", "banner", "contentinfo", "search", "navigation", "heading", "rowgroup", "gridcell"} <= roles
        levels = [
            int(tag[1])
            for tag in page.locator("main :is(h1, h2, h3):visible").evaluate_all(
                "nodes => nodes.map(node => node.tagName)"
            )
        ]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
        assert len(ids) == len(set(ids))
        for name in ("aria-labelledby", "aria-describedby", "aria-activedescendant", "for"):
            used = page.locator(f"[{name}]").evaluate_all(f"nodes => nodes.map(node => node.getAttribute('{name}'))")
            assert set(used) <= set(ids)
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0


def test_it_prints(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["few"]) as page:
        page.emulate_media(media="print")
        expect(page.get_by_role("region", name="First divergences", exact=True)).to_be_visible()
        expect(page.get_by_role("grid")).to_be_hidden()
