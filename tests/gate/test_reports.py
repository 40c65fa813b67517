"""What every report says of a gate; and that nothing of it gets out of its place."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect
from rich.cells import cell_len

from repro.compare import judge
from repro.model.baseline import Baseline
from repro.model.comparison import Account, Comparison, Row, decode, encode
from repro.model.gate import STATES, Gate, Listed, Standing, Unexplained
from repro.report import RENDERERS, render
from tests.gate.desk import Desk, known
from tests.gate.test_judge import TODAY, comparison, divergence, entry
from tests.model.strategies import COMPARISONS, COUNTS, LOCATIONS, SHA256
from tests.report import test_html_browser
from tests.report.sample import HOSTILE
from tests.report.test_html import Page
from tests.report.test_html_browser import counted, opened
from tests.report.test_junit import ATTRIBUTES, WITHIN
from tests.report.test_sarif import run
from tests.schemas import check

browser = test_html_browser.browser
TEXTS = st.text(min_size=1, max_size=20)
DAYS = st.dates().map(date.isoformat)
STANDINGS = st.builds(
    Standing,
    st.sampled_from(STATES),
    why=st.none() | TEXTS,
    entry=st.none() | st.integers(1, 9),
    reason=st.none() | TEXTS,
    owner=st.none() | TEXTS,
    expires=st.none() | DAYS,
)
LISTED = st.builds(
    Listed,
    number=st.integers(1, 9),
    place=LOCATIONS,
    glob=st.booleans(),
    aspects=st.just(("mode",)),
    matched=COUNTS,
    reason=TEXTS,
    owner=TEXTS,
    expires=DAYS,
)
UNEXPLAINED = st.builds(Unexplained, LOCATIONS, st.just(("unmapped",)), COUNTS, STANDINGS)
GATES = st.builds(
    Gate,
    baseline=SHA256,
    today=DAYS,
    holds=st.booleans(),
    **dict.fromkeys(STATES, COUNTS),
    entries=st.lists(LISTED, max_size=2).map(tuple),
    gone=st.lists(LISTED, max_size=2).map(tuple),
    unexplained=st.lists(UNEXPLAINED, max_size=2).map(tuple),
)


@st.composite
def judged(draw: st.DrawFn) -> Comparison:
    """A comparison with any gate that its schema allows, whether that can come of judging or not."""
    found = draw(COMPARISONS)
    stands = (replace(one, standing=draw(STANDINGS)) for one in found.divergences)
    return replace(found, divergences=tuple(stands), gate=draw(GATES))


@pytest.mark.parametrize("form", sorted(RENDERERS))
@given(found=judged())
def test_any_gate_has_its_report(form: str, found: Comparison) -> None:
    data = render(found, form)
    assert data == render(decode(encode(found)), form)
    if form == "json":
        check(data)
    elif form == "sarif":
        run(found)
    elif form == "terminal":
        assert max(map(cell_len, data.decode().splitlines())) <= 80
    elif form == "html":
        assert [tag for tag, _ in Page(data).elements if tag == "script"] == ["script", "script"]
    elif form == "junit":
        names = []
        for element in ET.fromstring(data).iter():
            assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set()), element.tag
            allowed = WITHIN.get(element.tag, set()) | ({"system-out"} if element.tag == "testcase" else set())
            assert {child.tag for child in element} <= allowed
            if element.tag == "testcase":
                names.append((element.get("classname"), element.get("name")))
        assert len(names) == len(set(names))


BASELINE = Baseline(
    (
        entry("usr/*", glob=True, members=9),
        entry("etc/old", expires=date(2020, 1, 1)),
        entry("etc/worse"),
        entry("etc/gone", HOSTILE),
    ),
    "0" * 64,
)
FOUND = comparison(
    divergence("etc/new"),
    divergence("etc/old"),
    divergence("etc/worse", aspects=("content", "mode")),
    divergence("usr/a"),
    divergence("usr/b"),
    accounts=(Account((), "tar", (Row("unmapped", 0, 7, 0, 0, False),)),),
)
JUDGED = judge(FOUND, BASELINE, TODAY)
LINE = "baseline: 2 known, 2 new, 1 worse, 1 expired, 1 gone: FAILS"


def test_terminal() -> None:
    text = render(JUDGED, "terminal").decode()
    assert text.splitlines()[:2] == ["DIFFERENT", LINE]
    order = ["new      etc/new: content", "7 unexplained bytes in unmapped", "worse    etc/worse", "mode differs too"]
    order += [
        "expired  etc/old",
        "its last day was 2020-01-01",
        "known    2 by entry 1, glob usr/*",
        "gone     entry 4",
    ]
    places = [text.index(said) for said in order]
    assert places == sorted(places)
    assert "usr/a: " not in text[: text.index("left ")], "known ones are folded"


def test_markdown() -> None:
    text = render(JUDGED, "markdown").decode()
    assert text.splitlines()[2] == f"**{LINE}**"
    table, fold = text.index("| new | `etc/new`"), text.index("<summary>Known divergences</summary>")
    assert table < fold < text.index("| `entry 1, glob usr/*` | 2 | `r` | `o` | 2026-06-01 |")
    assert "- gone, remove from the baseline: ``entry 4, etc/gone" in text


def test_junit() -> None:
    cases = {str(case.get("name")): case for case in ET.fromstring(render(JUDGED, "junit")).iter("testcase")}
    assert next(iter(cases)) == "baseline holds" and "same bytes" not in cases
    assert {name for name, case in cases.items() if case.find("failure") is not None} == {
        "baseline holds",
        "artifact: etc/",
        "the artifact itself: bytes that nothing explains",
    }
    failure = cases["artifact: etc/"].find("failure")
    assert failure is not None and str(failure.get("message")).endswith("1 new, 1 worse, 1 expired")
    assert cases["known: glob usr/*: content"].findtext("system-out") == "2 known: r (o, until 2026-06-01)"
    (gone,) = [case for name, case in cases.items() if name.startswith("gone: etc/gone")]
    assert "remove from the baseline" in str(gone.findtext("system-out"))
    held = judge(comparison(divergence("usr/a")), BASELINE, TODAY)
    suite = ET.fromstring(render(held, "junit"))
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    assert "DIFFERENT" in str(next(suite.iter("testcase")).findtext("system-out"))


def test_sarif() -> None:
    results = run(JUDGED)["results"]
    assert [result["baselineState"] for result in results] == [
        "new",
        "new",
        "updated",
        "unchanged",
        "unchanged",
        "unchanged",
        "absent",
    ]
    assert [bool(result.get("suppressions")) for result in results] == [False] * 4 + [True] * 2 + [False]
    assert results[4]["suppressions"][0] == {
        "kind": "external",
        "status": "accepted",
        "justification": "r (o, until 2026-06-01)",
    }
    assert (results[-1]["kind"], results[-1]["level"]) == ("pass", "none")
    assert all("baselineState" not in result for result in run(FOUND)["results"])


def test_hostile_names_are_escaped() -> None:
    for form in sorted(set(RENDERERS) - {"json"}):
        shown = render(JUDGED, form).decode()
        assert "\x1b" not in shown and "\u202e" not in shown and HOSTILE not in shown
    assert [tag for tag, _ in Page(render(JUDGED, "html")).elements if tag == "script"] == ["script", "script"]


def test_html_without_its_script() -> None:
    page = Page(render(JUDGED, "html"))
    assert LINE in page.text("p") and "The baseline does not hold." in page.text("h2")
    assert page.data()["divergences"][0]["standing"] == {"state": "new"}
    assert "gate" not in [attributes.get("id") for _, attributes in Page(render(FOUND, "html")).elements]
    assert all("standing" not in one for one in Page(render(FOUND, "html")).data()["divergences"])


@pytest.mark.parametrize("width", [1280, 360])
def test_html_in_a_browser(browser: Browser, tmp_path: Path, width: int) -> None:
    for name, found in (("with", JUDGED), ("without", FOUND)):
        (tmp_path / f"{name}.html").write_bytes(render(found, "html"))
    with opened(browser, tmp_path / "with.html", viewport={"width": width, "height": 800}) as page:
        counted(page, "5 divergences")
        chips = page.get_by_role("group", name="Baseline").get_by_role("button")
        assert chips.all_inner_texts() == ["new 1", "worse 1", "expired 1", "known 2"]
        chips.first.click()
        counted(page, "1 of 5 divergences")
        chips.nth(1).click()
        counted(page, "2 of 5 divergences")
        expect(page.locator("#rows .tag.worse")).to_be_visible()
        page.locator("#rows [role=row]").nth(1).click()
        expect(page.get_by_role("dialog")).to_contain_text("mode differs too")
        assert page.evaluate("document.documentElement.scrollWidth") == width
    with opened(browser, tmp_path / "without.html") as page:
        expect(page.get_by_role("group", name="Baseline")).to_be_hidden()


def test_a_gate_is_rendered_again_from_the_json(desk: Desk) -> None:
    desk.files({"x": b"1", "y": b"1"}, {"x": b"2", "y": b"2"})
    desk.baseline(known("x"))
    assert desk.compare(*(f"--report={form}={form}" for form in RENDERERS)).returncode == 1
    for form in RENDERERS:
        again = desk.run("report", "json", "-f", form, "-o", "again")
        assert again.returncode == 0 and (desk.folder / "again").read_bytes() == (desk.folder / form).read_bytes()
    assert json.loads((desk.folder / "json").read_bytes())["gate"]["new"] == 1
