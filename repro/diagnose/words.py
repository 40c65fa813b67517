"""Two texts, and the words in which they differ: line beside line, and in a line times first, then word beside word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from repro.diagnose.stamps import Stamp, stamps

_LINES = 500  # of a differing region that are laid side by side
_LINE = 2000  # characters of a line that are looked at
_CHANGES = 100
_WORD = re.compile(r"-j(?=\d)|[A-Za-z0-9_./+~-]+|\s+|.", re.DOTALL)
_WORDS = 200  # of a line
_AROUND = 60  # characters before a word


@dataclass(frozen=True)
class Change:
    """One place where two lines differ: what stands there on each side, what before it, and what behind on the left.

    `stamps` is there where both are times. `whole`: the lines themselves; one of them is empty where one side has none.
    """

    left: str
    right: str
    before: str
    whole: tuple[str, str]
    stamps: tuple[Stamp, Stamp] | None = None
    after: str = ""


def changes(left: Sequence[str], right: Sequence[str]) -> Iterator[Change]:
    """The changes from the lines `left` to the lines `right`, at most so many."""
    for number, change in enumerate(_all(left, right)):
        if number >= _CHANGES:
            return
        yield change


def _all(left: Sequence[str], right: Sequence[str]) -> Iterator[Change]:
    for ours, theirs in _regions(left, right):
        for number in range(max(len(ours), len(theirs))):
            a = ours[number][:_LINE] if number < len(ours) else ""
            b = theirs[number][:_LINE] if number < len(theirs) else ""
            if a and b:
                yield from _in_line(a, b)
            else:
                yield Change(a, b, "", (a, b))


def _regions(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """The runs of lines that differ: what is the same at both ends is not looked at, a large middle is not aligned."""
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    ours, theirs = left[start : len(left) - end], right[start : len(right) - end]
    if len(ours) == len(theirs) or max(len(ours), len(theirs)) > _LINES:
        yield from (((a,), (b,)) for a, b in zip(ours, theirs, strict=False) if a != b)
        return
    for what, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if what != "equal":
            yield ours[a:b], theirs[c:d]


def _in_line(left: str, right: str) -> Iterator[Change]:
    """Times one beside the other, then the words of what is left."""
    whole = left, right
    ours, theirs = stamps(left), stamps(right)
    if len(ours) == len(theirs):
        for one, other in zip(ours, theirs, strict=True):
            if one.text != other.text:
                yield Change(one.text, other.text, left[max(0, one.start - _AROUND) : one.start], whole, (one, other))
        left, right = _masked(left, ours), _masked(right, theirs)
    first, second = _WORD.findall(left)[:_WORDS], _WORD.findall(right)[:_WORDS]
    for what, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        changed = "".join(first[a:b]).strip(), "".join(second[c:d]).strip()
        if what != "equal" and any(changed):
            yield Change(*changed, "".join(first[:a])[-_AROUND:], whole, after="".join(first[b:])[:_AROUND])


def _masked(text: str, found: Sequence[Stamp]) -> str:
    for stamp in reversed(found):
        text = f"{text[: stamp.start]}\0{text[stamp.end :]}"
    return text
