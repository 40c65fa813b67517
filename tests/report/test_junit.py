"""The JUnit report, read by junitparser and held against the rules of those who read it."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from hypothesis import given
from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from repro.model.comparison import Comparison, Divergence, Unexamined
from repro.report.junit import render
from tests.model.strategies import COMPARISONS
from tests.report.sample import COMPARISON, ROOT, content, many

# What Jenkins' junit-10.xsd allows, as far as it is written here.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "disabled"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
}
WITHIN = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "error"}}


def suite(comparison: Comparison) -> TestSuite:
    (found,) = JUnitXml.fromstring(render(comparison))
    assert isinstance(found, TestSuite)
    return found


def cases(comparison: Comparison) -> dict[str, TestCase]:
    return {case.name: case for case in suite(comparison)}


def kinds(case: TestCase) -> list[type]:
    return [type(result) for result in case.result]


def test_one_case_a_group_and_a_failure_that_can_be_read() -> None:
    found = cases(COMPARISON)
    assert {name for name, case in found.items() if kinds(case) == [Failure]} == {
        "same bytes",
        "artifact: (top)",
        "artifact: boot/",
        f"{ROOT}: etc/",
        f"{ROOT}: usr/",
        f"{ROOT}: package coreutils",
        f"{ROOT}: package |",
    }
    (failure,) = found[f"{ROOT}: package coreutils"].result
    assert failure.message == "2 divergences: content 2, mtime 2"
    assert f"{ROOT} → usr/bin/tool: content, mtime (18.0 MB +4.1 kB)\n" in failure.text
    assert found[f"{ROOT}: etc/"].classname == "repro.live/filesystem_squashfs"


def test_identical_is_one_case_that_passes() -> None:
    same = replace(many(0), verdict="identical")
    (case,) = suite(same)
    assert case.is_passed and case.name == "same bytes"


def test_nothing_reads_green_that_was_not_looked_at() -> None:
    note = Unexamined(("a", "b"), "too large")
    for found in (
        replace(many(0), verdict="identical", unexamined=(note,)),
        replace(many(0), verdict="identical", interrupted=True),
        replace(many(0), verdict="inconclusive"),
    ):
        assert suite(found).errors == 1 and suite(found).skipped == 0
    (error,) = cases(replace(many(0), unexamined=(note,)))["a: examined to the end"].result
    assert isinstance(error, Error) and error.message == "NOT EXAMINED: 1" and error.text == "a → b: too large"


def test_different_fails_even_where_nothing_could_be_named() -> None:
    assert suite(many(0)).failures == 1


def test_cases_keep_their_names_when_contents_change() -> None:
    one, other = (replace(many(0), divergences=(content("etc/x", size, 9), content("usr/y", 1, 2))) for size in (3, 7))
    assert list(cases(one)) == list(cases(other))


@given(COMPARISONS)
def test_any_report_is_what_gitlab_and_jenkins_read(found: Comparison) -> None:
    root = ET.fromstring(render(found))
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag], element.tag
        assert {child.tag for child in element} <= WITHIN.get(element.tag, set())
    for case in root.iter("testcase"):
        assert case.get("name") and len(case) <= 1
        assert "." not in str(case.get("classname")).removeprefix("repro.")
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(names) == len(set(names)), "GitLab and Jenkins tell cases apart by class and name"
    for level in (root, root[0]):
        assert level.get("tests") == str(len(names))
        for tag in ("failure", "error"):
            assert level.get(f"{tag}s") == str(len(list(root.iter(tag))))
    assert (found.verdict == "identical") == (root[0][0].find("*") is None)


def test_names_that_xml_cannot_hold() -> None:
    bad = "".join(map(chr, (0, 8, 11, 27, 0xFFFE, 0xFFFF, 0xD800, 0xDCFF, 0x2028)))
    found = replace(many(0), divergences=(Divergence((bad, bad), ("mode",), {"mode": bad}, {"mode": "1"}, detail=bad),))
    assert "\\x1b\\ufffe" in render(found).decode()
    assert suite(found).failures == 2
