"""What holds of every format: golden files, any comparison, and rendering again without comparing again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from rich.cells import cell_len

from repro.model.comparison import Comparison, decode, encode
from repro.report import RENDERERS, render
from tests.formats import samples
from tests.model.strategies import COMPARISONS
from tests.report.golden import NAMES, place
from tests.report.sample import COMPARISON, HOSTILE, many
from tests.schemas import check
from tests.users import ROOT

FORMATS = sorted(RENDERERS)


@pytest.mark.parametrize("form", NAMES)
def test_golden(form: str) -> None:
    assert render(COMPARISON, form) == place(form).read_bytes(), "python -m tests.report.golden writes them anew"


@pytest.mark.parametrize("form", FORMATS)
@given(found=COMPARISONS)
def test_any_comparison_has_a_report_and_always_the_same(form: str, found: Comparison) -> None:
    shown = render(found, form)
    assert shown == render(decode(encode(found)), form)
    text = shown.decode()
    if form in ("json", "sarif"):
        json.loads(text)
    elif form == "junit":
        ET.fromstring(shown)
    elif form == "terminal":
        assert max(map(cell_len, text.splitlines())) <= 80


def test_the_json_keeps_to_its_schema() -> None:
    check(render(COMPARISON, "json"))


@pytest.mark.parametrize(
    "form", sorted(set(FORMATS) - {"json"})
)  # the JSON is for machines and keeps names as they are
def test_hostile_names_are_escaped(form: str) -> None:
    shown = render(COMPARISON, form).decode()
    for bad in ("\x1b", "\u202e", HOSTILE):
        assert bad not in shown
    if form == "sarif":
        shown = json.dumps(json.loads(shown)).replace("\\\\", "\\")
    assert r"\x1b[31" in shown


@pytest.mark.parametrize(("form", "length"), [("terminal", 10_000), ("markdown", 60_000), ("junit", 200_000)])
def test_many_divergences_do_not_drown_the_reader(form: str, length: int) -> None:
    shown = render(many(20_000), form).decode()
    assert len(shown) <= length
    assert "20000" in shown and "2000" in shown and "d3" in shown and "package base-files" in shown


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every report of one real comparison, written as it was made."""
    folder = tmp_path_factory.mktemp("reports")
    for name, files in (("a", samples.FILES), ("b", {**samples.FILES, "etc/hostname": b"dead\n", "etc/`x|y": b""})):
        (folder / f"{name}.iso").write_bytes(samples.iso(folder / name, files))
    wanted = [f"--report={form}={form}" for form in FORMATS]
    assert repro(folder, "compare", "--shallow", *wanted, "a.iso", "b.iso").returncode == 1
    return folder


def repro(folder: Path, *argv: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    command = [sys.executable, "-m", "repro.cli.main", *argv]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_from_the_json_is_the_same_byte_for_byte(compared: Path, form: str) -> None:
    again = repro(compared, "report", "json", "-f", form)
    assert again.returncode == 0, again.stderr
    assert again.stdout == (compared / form).read_bytes()


def test_help_names_the_formats(tmp_path: Path) -> None:
    for command in ("compare", "report"):
        said = repro(tmp_path, command, "--help").stdout.decode()
        assert all(form in said for form in FORMATS)
