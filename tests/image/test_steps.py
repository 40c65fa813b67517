"""Every normalizer has a name, a reason and a place in the docs, and can be switched off by that name."""

from __future__ import annotations

import pytest

from repro.image.normalizers import NORMALIZERS
from repro.image.steps import NAMES, STEPS, chosen
from repro.model.errors import InvalidInput
from tests.users import ROOT


def test_names_are_unique_and_reasons_are_given() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(NORMALIZERS) + len(STEPS)
    assert all(each.reason for each in (*NORMALIZERS, *STEPS))


def test_the_docs_list_them() -> None:
    text = (ROOT / "docs/building.md").read_text(encoding="utf-8")
    for each in NORMALIZERS:
        assert f"| {each.name} | {each.reason} | {' '.join(filter(None, each.fixed))} |" in text
    for step in STEPS:
        assert f"| {step.name} | {step.reason}: {step.what} |  |" in text


def test_which_are_meant() -> None:
    assert chosen([]) == frozenset()
    assert chosen(["logs", "fat-serial"]) == {"logs", "fat-serial"}
    assert chosen(["all"]) == chosen(["logs", "all"]) == set(NAMES)
    with pytest.raises(InvalidInput, match="'snow'") as refused:
        chosen(["logs", "snow"])
    assert all(name in refused.value.hint for name in NAMES)
