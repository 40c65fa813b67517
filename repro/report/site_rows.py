"""The statements of a folder by what they are about: which digest of which artifact, who got it and who did not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby

from repro.model.publication import Entry, Publication
from repro.model.quorum import AGREEING, DISSENTING, UNKNOWN

_RANKED = 20  # other digests of an artifact that its page names
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """What an artifact is to be: everybody who builds it should get the same. A link names neither recipe nor lock."""

    recipe: str | None
    lock_sha256: str | None
    name: str


@dataclass(frozen=True)
class Said:
    """What the statement `entry` says about a digest; `got` are name and digest of what it got in its place."""

    entry: Entry
    standing: str
    got: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Others:
    """Of one place, the other digests that rebuilders got, each with how many statements say so, and `more` digests."""

    place: Place
    ranked: tuple[tuple[str, int], ...]
    more: int


@dataclass(frozen=True)
class Row:
    """A digest, and all that is said about it, the latest first. `elsewhere` is how many statements are about the same
    artifact and got another digest, without having examined this one."""

    sha256: str
    places: tuple[Place, ...]
    said: tuple[Said, ...]
    elsewhere: int
    others: tuple[Others, ...]

    def of(self, standing: str) -> tuple[Entry, ...]:
        """The statements of this standing."""
        return tuple(each.entry for each in self.said if each.standing == standing)

    def keys(self, standing: str) -> tuple[str, ...]:
        """The key ids that these claim, each once."""
        return tuple(sorted({keyid for entry in self.of(standing) for keyid in entry.keyids}))

    @property
    def differing(self) -> int:
        """How many statements say that this is not what one gets."""
        return len(self.of(DISSENTING)) + self.elsewhere

    @property
    def latest(self) -> datetime | None:
        """When the last statement about it was signed, as far as they say."""
        return max((each.entry.signed for each in self.said if each.entry.signed), default=None)


@dataclass(frozen=True)
class Section:
    """The digests of one artifact of one recipe, the latest first."""

    recipe: str | None
    name: str
    rows: tuple[Row, ...]


class Catalogue:
    """All rows of a publication."""

    def __init__(self, publication: Publication) -> None:
        self._entries = {entry.file: entry for entry in publication.entries}
        self._said: dict[str, dict[str, Said]] = defaultdict(dict)  # by digest and file
        self._places: dict[str, dict[Place, None]] = defaultdict(dict)  # by digest
        self._in: dict[Place, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # files, by digest got there
        for file in sorted(self._entries):
            self._take(self._entries[file])
        self._files = {place: set().union(*digests.values()) for place, digests in self._in.items()}
        self._ranking = {
            place: sorted(((digest, len(files)) for digest, files in digests.items()), key=lambda d: (-d[1], d[0]))
            for place, digests in self._in.items()
        }

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Every row by its digest, in order of digests."""
        return {digest: self._row(digest) for digest in sorted(self._said)}

    @property
    def recipes(self) -> list[tuple[str | None, list[Section]]]:
        """All artifacts by recipe and name; those of links, which name no recipe, come last."""
        return [(recipe, list(found)) for recipe, found in groupby(self._sections(), key=lambda each: each.recipe)]

    def _sections(self) -> tuple[Section, ...]:
        found: dict[tuple[str | None, str], dict[str, Row]] = defaultdict(dict)
        for digest, row in self.rows.items():
            for place in row.places:
                found[place.recipe, place.name][digest] = row
        order = sorted(found, key=lambda key: (key[0] is None, key[0] or "", key[1]))
        return tuple(Section(*key, tuple(sorted(found[key].values(), key=_by_age))) for key in order)

    def _take(self, entry: Entry) -> None:
        got = tuple((each.name, each.sha256) for each in entry.artifacts)
        for each in entry.artifacts:
            place = Place(entry.recipe, entry.lock_sha256, each.name)
            self._places[each.sha256][place] = None
            self._in[place][each.sha256].add(entry.file)
            self._say(each.sha256, Said(entry, each.standing))
        for other in entry.examined:
            place = Place(entry.recipe, entry.lock_sha256, other.name)
            self._places[other.sha256][place] = None
            instead = tuple(each for each in got if each[0] == other.name)
            self._say(other.sha256, Said(entry, DISSENTING, instead))

    def _say(self, digest: str, said: Said) -> None:
        """Of several things that one statement says about a digest, the worst holds."""
        before = self._said[digest].get(said.entry.file)
        order = (DISSENTING, UNKNOWN, AGREEING)
        if before is None or order.index(said.standing) < order.index(before.standing):
            self._said[digest][said.entry.file] = said

    def _row(self, digest: str) -> Row:
        said = self._said[digest]
        places = tuple(sorted(self._places[digest], key=lambda p: (p.recipe or "", p.name, p.lock_sha256 or "")))
        others = tuple(found for place in places if (found := self._others(place, digest)).ranked)
        latest = sorted(said.values(), key=lambda each: _by_time(each.entry))
        return Row(digest, places, tuple(latest), self._elsewhere(places, said.keys()), others)

    def _elsewhere(self, places: Sequence[Place], said: Iterable[str]) -> int:
        """How many files speak of `places` that are not among `said`."""
        if len(places) == 1:  # as a rule, and then there is no need to go through all of them
            files = self._files.get(places[0], set())
            return len(files) - sum(file in files for file in said)
        return len(set().union(*(self._files.get(place, set()) for place in places)).difference(said))

    def _others(self, place: Place, digest: str) -> Others:
        ranked = [each for each in self._ranking.get(place, [])[: _RANKED + 1] if each[0] != digest][:_RANKED]
        total = len(self._in[place]) - (digest in self._in[place])
        return Others(place, tuple(ranked), total - len(ranked))


def _by_age(row: Row) -> tuple[float, str]:
    return -(row.latest or _NEVER).timestamp(), row.sha256


def _by_time(entry: Entry) -> tuple[float, str]:
    """The latest first; a link, which does not say when, comes last."""
    return -(entry.signed or _NEVER).timestamp(), entry.file
