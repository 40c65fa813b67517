"""The quorum as text: everybody is there, within 80 columns, and nothing of a document reaches the terminal raw."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from hypothesis import given
from rich.cells import cell_len

from repro.model.quorum import AGREEING, DISSENTING, INVALID, UNKNOWN, Quorum, Voice
from repro.report.quorum import answer, render
from tests.model.strategies import QUORUMS

ALICE = Voice("a.json", AGREEING, "rebuilt it", "alice", "a" * 64, "statement", "f" * 64, counted=True)
QUORUM = Quorum(
    "minimal.iso",
    "f" * 64,
    1,
    3,
    False,
    (
        ALICE,
        replace(ALICE, where="b.json", reason="rebuilt it; counted by a.json", counted=False),
        Voice("c.json", DISSENTING, "got another", "bob", counted=True),
        Voice("d.json", DISSENTING, "got another; superseded by e.json", "carol"),
        Voice("e.json", UNKNOWN, "signed by no key of the policy", keyid="0" * 64),
        Voice("f\x1b[31m.json", INVALID, "it claims a key of dave's\u202e", forged=True),
    ),
)


def test_all_that_matters_is_there() -> None:
    text = render(QUORUM)
    for line in (
        "agreeing: 1",
        "  alice",
        "  and 1 more by those who are counted already; --json has them",
        "dissenting: 1",
        "  (carol, not counted)",
        "unknown: 1",
        f"  key {'0' * 16}…",
        "invalid: 1",
        "    f\\x1b[31m.json",
        "    it claims a key of dave's\\u202e",
    ):
        assert line in text.splitlines(), line
    said = "quorum met: 1 of 3 rebuilders agree, 1 is needed; 1 dissents; 1 signature is wrong"
    assert text.rpartition("\n\n")[2].split() == said.split()
    assert "b.json" not in text
    lost = render(replace(QUORUM, unreached=("https://gone.example.org: no answer",)))
    assert "not reached: 1\n  https://gone.example.org: no answer\n" in lost
    assert "; 1 source not reached; " in " ".join(lost.split())


def test_answers() -> None:
    assert answer(replace(QUORUM, veto=True)).startswith("quorum NOT met: 1 of 3 rebuilders agree, 1 is needed; 1 diss")
    assert "with a veto" in answer(replace(QUORUM, veto=True))
    assert answer(replace(QUORUM, voices=(), threshold=2)) == ("quorum NOT met: 0 of 3 rebuilders agree, 2 are needed")


def test_a_thousand_are_counted_and_twenty_listed() -> None:
    many = tuple(Voice(f"{n}.json", INVALID, "not a JSON object") for n in range(1000))
    text = render(replace(QUORUM, voices=many))
    assert "invalid: 1000" in text and "… and 980 more; --json has all of them" in text
    assert len(text.splitlines()) < 80


@given(QUORUMS)
def test_any_quorum_fits_and_is_printable(quorum: Quorum) -> None:
    text = render(quorum)
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in text.replace("\n", ""))
    for standing in (AGREEING, DISSENTING, UNKNOWN, INVALID):
        assert f"\n{standing}: " in text
    assert answer(quorum).startswith("quorum met: " if quorum.met else "quorum NOT met: ")
