"""The committed locks are closed: nothing that a locked package needs is missing, by brute force over relations."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from debian.deb822 import Packages
from debian.debian_support import version_compare

from repro.lock.index import stanzas
from repro.model import lock as locks
from repro.model.lock import Lock

ROOT = Path(__file__).resolve().parents[2]
COMPARE = {
    "<<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    ">>": lambda order: order > 0,
    None: lambda order: True,
}

Relation = Mapping[str, Any]
Offers = dict[str, list[tuple[str, str | None]]]


def offers(paragraphs: Iterable[Packages]) -> Offers:
    """For each name, who offers it (by its package) and in which version (None: a virtual one without)."""
    found: Offers = {}
    for paragraph in paragraphs:
        found.setdefault(paragraph["Package"], []).append((paragraph["Package"], paragraph["Version"]))
        for (provided,) in paragraph.relations["provides"]:
            version = provided["version"][1] if provided["version"] else None
            found.setdefault(provided["name"], []).append((paragraph["Package"], version))
    return found


def meeting(relation: Relation, available: Offers) -> list[str]:
    """The packages that meet `relation`."""
    operator, wanted = relation["version"] or (None, "")
    return [
        package
        for package, version in available.get(relation["name"], [])
        if operator is None or (version is not None and COMPARE[operator](version_compare(version, wanted)))
    ]


def unmet(paragraphs: list[Packages]) -> list[str]:
    available = offers(paragraphs)
    return [
        f"{paragraph['Package']} {kind} {' | '.join(one['name'] for one in alternatives)}"
        for paragraph in paragraphs
        for kind in ("depends", "pre-depends")
        for alternatives in paragraph.relations[kind]
        if not any(meeting(one, available) for one in alternatives)
    ]


def quarrels(paragraphs: list[Packages]) -> list[str]:
    available = offers(paragraphs)
    return [
        f"{paragraph['Package']} {kind} {other}"
        for paragraph in paragraphs
        for kind in ("conflicts", "breaks")
        for (relation,) in paragraph.relations[kind]
        for other in meeting(relation, available)
        if other != paragraph["Package"]
    ]


@pytest.fixture(scope="module", params=sorted(path.parent.name for path in ROOT.glob("recipes/*/recipe.lock")))
def committed(request: pytest.FixtureRequest) -> Lock:
    path = ROOT / "recipes" / request.param / "recipe.lock"
    return locks.decode(path.read_text(), str(path))


@pytest.mark.parametrize("part", ["image", "toolchain"])
def test_a_committed_lock_is_closed_and_at_peace(committed: Lock, index: bytes, part: str) -> None:
    packages = getattr(committed, part)
    found = stanzas(index, [package.sha256 for package in packages])
    assert set(found) == {package.sha256 for package in packages}
    paragraphs = [Packages(text) for text in found.values()]
    assert unmet(paragraphs) == []
    assert quarrels(paragraphs) == []
    names = [(package.name, package.arch) for package in packages]
    assert names == sorted(set(names))
    essential = {text.split(b"\n", 1)[0] for text in index.split(b"\n\n") if b"\nEssential: yes\n" in text}
    assert {name.decode().removeprefix("Package: ") for name in essential} <= {package.name for package in packages}
    assert {package.arch for package in packages} <= {"amd64", "all"}


def test_the_judge_sees_what_is_missing(committed: Lock, index: bytes) -> None:
    """Leave out each package in turn: whoever is needed by another is missed."""
    found = stanzas(index, [package.sha256 for package in committed.image])
    paragraphs = [Packages(text) for text in found.values()]
    relations = [one for p in paragraphs for kind in ("depends", "pre-depends") for one in p.relations[kind]]
    named = {one["name"] for one in itertools.chain(*relations)}
    missed = sum(
        bool(unmet([other for other in paragraphs if other["Package"] != left_out]))
        for left_out in ("libc6", "libgcc-s1", "perl-base", "tar", "libzstd1")
        if left_out in named
    )
    assert missed >= 4
