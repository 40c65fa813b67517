"""The corpus is what it says it is, and the score counts what it says it counts."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from corpus import cases, images, score
from corpus.cases import Case
from corpus.judging import Unlabelled, answers
from corpus.plant import SUFFIXES, plant
from corpus.score import Answer
from repro.diagnose import RULES
from repro.image.steps import chosen
from repro.model.cause import HIGH, LOW, MEDIUM, UNKNOWN
from repro.sandbox.variations import VARIATIONS

ROOT = Path(__file__).resolve().parents[2]


def test_every_case_has_a_name_of_its_own_and_labels_that_are_rules() -> None:
    for name, group in cases.groups().items():
        assert name in {*VARIATIONS, cases.CHANCE, cases.INPUTS}
        assert [n for n, count in Counter(case.name for case in group).items() if count > 1] == []
        assert {label for case in group for label in case.labels} <= RULES.keys() - {UNKNOWN}


def test_there_are_enough_and_a_good_part_is_held_back() -> None:
    every = [case for group in cases.groups().values() for case in group]
    held = [case for case in every if case.held_back]
    assert len(every) >= 150 and 0.3 < len(held) / len(every) < 0.5


def test_the_split_is_what_it_was() -> None:
    """Cases are held back for ever: this would fail where the seed or the rule of the split were changed."""
    assert [cases.held_back(f"time/{name}") for name in ("date", "zip", "tar", "cpio", "fat")] == [
        *(True, False, False, False, True)
    ]


def test_a_file_that_is_no_list_of_cases_is_refused(tmp_path: Path) -> None:
    (tmp_path / "time.sh").write_text("# what it is\n\n## Name without a label\necho\n")
    with pytest.raises(ValueError, match="Name without a label"):
        cases.groups(tmp_path)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    plant("umask", cases.groups()["umask"], folder / "umask")
    return folder


def test_each_case_diverges_in_each_container_and_in_what_it_is_labelled(planted: Path) -> None:
    group = cases.groups()["umask"]
    found = list(answers("umask", group, planted / "umask"))
    assert {(each.case.partition("/")[2], each.place.split()[0]) for each in found} == {
        (case.name, suffix) for case in group for suffix in SUFFIXES
    }
    assert all(each.correct for each in found)


def test_what_diverges_and_is_no_case_is_an_error_of_the_corpus(planted: Path) -> None:
    group = cases.groups()["umask"]
    with pytest.raises(Unlabelled, match="diverges and is no case"):
        list(answers("umask", group[1:], planted / "umask"))
    more = Case("umask", "nothing", frozenset({"timezone"}), "")
    with pytest.raises(Unlabelled, match="nothing diverges in nothing"):
        list(answers("umask", (*group, more), planted / "umask"))


def test_the_command_ends_with_the_figures(planted: Path) -> None:
    command = [sys.executable, "-m", "corpus", "score", str(planted), "umask"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    labelled = len(list(answers("umask", cases.groups()["umask"], planted / "umask")))
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"labelled={labelled} precision=1.000 recall=1.000 heldback_accuracy=1.000 "), done.stderr
    assert last.endswith(" confident_wrong=0.000")
    assert done.returncode == 1  # the targets ask for 150
    assert all(len(line) <= 80 for line in done.stdout.splitlines()[:-1])


def test_the_score_by_hand() -> None:
    def one(right: str, said: str, confidence: str, held: bool) -> Answer:
        return Answer("g/c", "", frozenset(right.split()), said, confidence, held)

    given = [
        one("a", "a", HIGH, False),
        one("a b", "b", MEDIUM, False),
        one("a", "b", HIGH, True),
        one("b", UNKNOWN, LOW, True),
        one("b", "b", LOW, True),
        one("c", "a", MEDIUM, True),
    ]
    total = score.total(given)
    assert (total.labelled, total.said, total.right, total.confident_wrong) == (6, 5, 3, 1)
    rows = {row.label: row for row in score.rows(given)}
    assert (rows["a"].labelled, rows["a"].said, rows["a"].right, rows["a"].confident_wrong) == (2, 2, 1, 0)
    assert (rows["b"].labelled, rows["b"].said, rows["b"].right, rows["b"].confident_wrong) == (3, 3, 2, 1)
    assert (rows["c"].labelled, rows["c"].said, rows["c"].right) == (1, 0, 0)
    assert score.cases(given) == "1 cases; of 1 with answers held back all are right in 0"
    expected = "labelled=6 precision=0.600 recall=0.500 heldback_accuracy=0.250 confident_wrong=0.250"
    assert score.summary(given) == expected and not score.good(given)


def test_pairs_of_the_image_have_factors_and_labels_that_there_are() -> None:
    assert images.FACTORS.keys() <= VARIATIONS.keys()
    assert all(pair.labels and pair.labels <= RULES.keys() for pair in images.FACTORS.values())
    assert all(chosen(pair.without) for pair in images.FACTORS.values())
