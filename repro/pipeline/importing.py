"""Imports into a snapshot archive of one's own: what the pins of a set vouch for, catalogued by archive and time."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from repro.lock.apt import Repository, host_room, solve
from repro.lock.index import every_stanza, locked, source_stanzas
from repro.model.errors import InvalidInput
from repro.model.pin import Pin
from repro.model.project import Project
from repro.pipeline.loading import Workplace, load, read_lock, read_recipe, recipe_names
from repro.snapshot.fetch import wanted_package, wanted_source
from repro.snapshot.index import fetch_index, packages_path, wanted_index
from repro.snapshot.pins import PinProof, load_evidence, load_pin_set, verify_pin_set
from repro.snapshot.server.catalogue import Binary, Catalogue, Import, SourceFile, Sum
from repro.snapshot.sources import Wanted
from repro.system.pool import parallel


@dataclass(frozen=True)
class Selection:
    """What to import besides the indexes and what the store has already: `packages` and all of certain `priorities`,
    with the essential ones and what they depend on, as apt chooses from all suites together and from each that is
    enough by itself (as debootstrap does); `sources` by name; `locks`: what the locks on the pin set name;
    `everything`."""

    packages: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    locks: bool = True
    everything: bool = False


@dataclass
class _Index:
    """A Packages index of a pin: its stanzas by the SHA-256 of their .debs."""

    pin: Pin
    component: str
    architecture: str
    repository: Repository
    stanzas: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Imported:
    """One archive at one time: how many files lie there now, packages and source files among them, and bytes."""

    archive: str
    timestamp: str
    files: int
    binaries: int
    sources: int
    bytes: int


def import_pins(project: Project, name: str, chosen: Selection, place: Workplace) -> list[Imported]:
    """Bring the pin set `name` of `project` into the catalogue of the store, one import for each archive and time.

    Catalogued are the signed Release, its Packages (and Sources) for the pin's components and architectures, the chosen
    packages, which are fetched, and every other package of those indexes that the store holds. Nothing is catalogued
    before all is there. Raises InvalidInput where a name is in no index, and what proving and fetching raise.
    """
    pins = load_pin_set(project.snapshots, name)
    proofs = verify_pin_set(project.snapshots, pins)
    imports: dict[tuple[str, str], Import] = {}
    indexes: list[_Index] = []
    wanted: list[Wanted] = []
    for proof in proofs:
        into = imports.setdefault((proof.pin.archive, proof.pin.timestamp), _empty(proof.pin))
        for path, data in load_evidence(project.snapshots, name, proof.pin).files.items():
            into.files[f"dists/{proof.pin.suite}/{path}"] = place.store.add_bytes(data).sha256
        for component in proof.pin.components:
            for architecture in proof.pin.architectures:
                indexes.append(_packages(proof, component, architecture, into, place))
            if chosen.sources:
                wanted += _sources(proof, component, chosen.sources, into, place)
    _demand(chosen.sources, {each.source for into in imports.values() for each in into.sources})
    hashes = _chosen(indexes, chosen) | (_locked(project, name) if chosen.locks else set())
    for index in indexes:
        found = (locked(index.stanzas[digest], index.pin.name) for digest in hashes & set(index.stanzas))
        wanted += [wanted_package(package, index.pin) for package in found]
    place.fetcher.ensure(wanted, place.observer)
    for index in indexes:
        into = imports[index.pin.archive, index.pin.timestamp]
        for binary, path in _held(index, place):
            into.files[path] = binary.sha256
            into.binaries.append(binary)
    return _add(imports, place)


def _empty(pin: Pin) -> Import:
    return Import(pin.archive, pin.timestamp, {}, [], [])


def _packages(proof: PinProof, component: str, architecture: str, into: Import, place: Workplace) -> _Index:
    data = _index(proof, packages_path(component, architecture), into, place)
    index = _Index(proof.pin, component, architecture, Repository(data, proof.release.facts))
    for digest, stanza in every_stanza(data):
        index.stanzas.setdefault(digest, stanza)
    return index


def _index(proof: PinProof, path: str, into: Import, place: Workplace) -> bytes:
    """Fetch the index at `path`, put it and its compressed form by name and by hash into the import; its bytes."""
    packed = wanted_index(proof.pin, proof.release, path)
    place.fetcher.ensure([packed], place.observer)
    entry = fetch_index(proof.pin, proof.release, path, place.fetcher, place.observer)
    plain = f"dists/{proof.pin.suite}/{path}"
    for name, sha256 in ((plain, entry.sha256), (packed.fallbacks[0], packed.sha256)):
        into.files[name] = sha256
        into.files[f"{name.rpartition('/')[0]}/by-hash/SHA256/{sha256}"] = sha256
    return place.store.read(entry.sha256, entry.size)


def _sources(proof: PinProof, component: str, names: Sequence[str], into: Import, place: Workplace) -> Iterator[Wanted]:
    """The files of the source packages `names`, which it puts into the import."""
    for stanza in source_stanzas(_index(proof, f"{component}/source/Sources", into, place), names):
        for file in wanted_source(stanza, proof.pin):
            into.files[file.path] = file.sha256
            into.sources.append(SourceFile(stanza["Package"], stanza["Version"], file.sha256))
            yield file


def _demand(names: Sequence[str], found: set[str]) -> None:
    if missing := sorted(set(names) - found):
        raise InvalidInput(f"no index of the pin set has the source package {', '.join(missing)}")


def _chosen(indexes: Sequence[_Index], chosen: Selection) -> set[str]:
    """SHA-256 of the .debs that were asked for."""
    if chosen.everything:
        return {digest for index in indexes for digest in index.stanzas}
    lines = {f"\nPriority: {each}\n".encode() for each in chosen.priorities}
    prior = {
        _name(stanza) for index in indexes for stanza in index.stanzas.values() if any(line in stanza for line in lines)
    }
    wanted = sorted(prior.union(chosen.packages))
    if not wanted:
        return set()
    found = _solved(indexes, wanted) | _solved(indexes, ())
    pins = dict.fromkeys(index.pin.name for index in indexes)
    for pin in pins if len(pins) > 1 else ():
        alone = [index for index in indexes if index.pin.name == pin]
        with contextlib.suppress(InvalidInput):  # updates are not enough by themselves
            found |= _solved(alone, ()) | _solved(alone, wanted)
    return found


def _solved(indexes: Sequence[_Index], wanted: Sequence[str]) -> set[str]:
    native = [each for each in dict.fromkeys(index.architecture for index in indexes) if each != "all"]
    with host_room() as room:
        return set(solve(room, [index.repository for index in indexes], native, wanted))


def _name(stanza: bytes) -> str:
    return stanza.partition(b"\n")[0].removeprefix(b"Package: ").decode()


def _locked(project: Project, name: str) -> set[str]:
    """SHA-256 of the .debs that the locks of recipes on the pin set `name` name."""
    found = set[str]()
    for recipe in recipe_names(project):
        if read_recipe(project, recipe).pins == name and (loaded := load(project, recipe)).lock_path.exists():
            found |= {package.sha256 for package in read_lock(loaded, current=False).packages}
    return found


def _held(index: _Index, place: Workplace) -> Iterator[tuple[Binary, str]]:
    """Every .deb of `index` that the store holds, with its path."""
    for digest, stanza in index.stanzas.items():
        if place.store.has(digest):
            package = locked(stanza, index.pin.name)
            source, version = package.source.split(" ")
            about = (package.name, package.version, package.arch, source, version)
            yield Binary(*about, index.pin.suite, index.component, digest), package.path


def _add(imports: dict[tuple[str, str], Import], place: Workplace) -> list[Imported]:
    catalogue = Catalogue(place.store.root)
    known = catalogue.sums()
    blobs = {sha256 for into in imports.values() for sha256 in into.files.values()}
    with place.observer.task("hashing by SHA-1", len(blobs - set(known))) as task:

        def summed(sha256: str) -> Sum:
            with place.store.open_verified(sha256) as stream:
                sha1 = hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
                size = stream.tell()
            task.advance()
            return Sum(sha256, sha1, size)

        new = parallel(summed, sorted(blobs - set(known)), os.cpu_count() or 1)
    sums = known | {each.sha256: each for each in new}
    catalogue.add(imports.values(), new)
    return [
        Imported(
            into.archive,
            into.timestamp,
            len(into.files),
            len(into.binaries),
            len(into.sources),
            sum(sums[sha256].size for sha256 in set(into.files.values())),
        )
        for into in imports.values()
    ]
