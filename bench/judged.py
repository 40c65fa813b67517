"""What repro and diffoscope found of a pair, against what was planted and against each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.planted import Location

_SHOWN = 10


@dataclass(frozen=True)
class Found:
    """The aspects of each divergence of a comparison, its detail, and what it did not examine."""

    aspects: dict[Location, tuple[str, ...]]
    details: dict[Location, str]
    unexamined: dict[Location, str]

    @property
    def leaves(self) -> set[Location]:
        """The locations whose content differs."""
        return {location for location, aspects in self.aspects.items() if "content" in aspects}


def ours(path: Path) -> Found:
    """repro's comparison of `path`."""
    document = json.loads(path.read_bytes())
    rows = [(tuple(row["location"]), row) for row in document["divergences"]]
    return Found(
        {location: tuple(row["aspects"]) for location, row in rows},
        {location: row["detail"] or "" for location, row in rows},
        {tuple(row["location"]): row["reason"] for row in document["unexamined"]},
    )


def theirs(path: Path, container: str) -> dict[Location, str]:
    """diffoscope's text for each file inside `container` that its JSON names, by location."""
    root = json.loads(path.read_bytes())
    found: dict[Location, str] = {}
    for outer in _below(root):
        if outer.get("source1") == container:
            for leaf in _below(outer):
                if leaf["source1"].startswith("/"):  # a member; anything else is what a program said of the container
                    found[container, leaf["source1"][1:]] = "\n".join(_text(leaf))
    return found


def planted_equal(found: Found, truth: dict[Location, str]) -> list[str]:
    """What is wrong with `found`, a line each: nothing where divergences and aspects are those planted."""
    wrong = [f"planted and not found: {_shown(place)}" for place in sorted(truth.keys() - found.aspects.keys())]
    wrong += [f"found and not planted: {_shown(place)}" for place in sorted(found.aspects.keys() - truth.keys())]
    wrong += [
        f"{_shown(place)}: planted {truth[place]}, found {', '.join(found.aspects[place])}"
        for place in sorted(truth.keys() & found.aspects.keys())
        if found.aspects[place] != (truth[place],)
    ]
    return wrong


def same_leaves(found: Found, texts: dict[Location, str]) -> list[str]:
    """Where the leaves that repro found and those that diffoscope found are not the same, a line each."""
    wrong = [f"leaf of diffoscope's alone: {_shown(place)}" for place in sorted(texts.keys() - found.leaves)]
    return wrong + [f"leaf of repro's alone: {_shown(place)}" for place in sorted(found.leaves - texts.keys())]


def unlike_diffs(found: Found, texts: dict[Location, str]) -> list[str]:
    """The leaves of both whose text of repro's is not diffoscope's, a line each; repro's own words before it aside."""
    unlike = []
    for place in sorted(texts.keys() & found.leaves):
        detail, text = (_without_folder(each, place) for each in (found.details[place], texts[place]))
        cut = detail.removesuffix("…") if detail.endswith("…") else None
        if not (detail.endswith(text) or (cut is not None and _begins(text, cut))):
            said = found.unexamined.get(place) or f"repro says {detail.partition(chr(10))[0]!r}"
            unlike.append(f"{_shown(place)}: {said}")
    return unlike


def listed(lines: list[str]) -> str:
    """The first of `lines`, indented."""
    more = [f"… {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "".join(f"  {line}\n" for line in (*lines[:_SHOWN], *more))


def _begins(text: str, cut: str) -> bool:
    """Whether `text` begins with `cut`, or with what follows the first line of it."""
    return text.startswith(cut) or text.startswith(cut.partition("\n")[2] or "\0")


def _without_folder(text: str, place: Location) -> str:
    """`text` without the temporary folder of the file, which some programs name in what they complain about."""
    name = re.escape(place[-1].rpartition("/")[2])
    return re.sub(rf"/\S+/(?:\d{{4}}-)?(?={name})", "", text)


def _below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from node.get("details") or ()


def _text(node: dict[str, Any]) -> Iterator[str]:
    """A node's comments and diff, then those below it, each under its name."""
    yield from node.get("comments") or ()
    if node.get("unified_diff"):
        yield node["unified_diff"].rstrip("\n")
    for inner in _below(node):
        yield f"--- {inner.get('source1', '')}"
        yield from _text(inner)


def _shown(place: Location) -> str:
    return " → ".join(place).encode(errors="backslashreplace").decode()
