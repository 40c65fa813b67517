"""A Debian source package at a pin: its files, and a root tree with what it says that it needs to be built."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from debian.deb822 import PkgRelation, Sources

from repro.image.build import build as build_image
from repro.lock.index import source_stanzas
from repro.model import lock as locks
from repro.model.errors import InvalidInput
from repro.model.project import Project
from repro.model.recipe import Recipe
from repro.pipeline.building import image_order
from repro.pipeline.loading import Loaded, Workplace, fetch, make_lock, read_lock
from repro.sandbox import lent
from repro.sandbox.backend import Backend
from repro.sandbox.environment import Environment
from repro.snapshot.fetch import wanted_source
from repro.snapshot.index import fetch_index
from repro.snapshot.pins import PinProof, load_pin_set, verify_pin_set
from repro.store import StageCache, Store

_ARCHITECTURE = "amd64"
_ALWAYS = ("build-essential", "usr-is-merged", *lent.NEEDED)


@dataclass(frozen=True)
class Source:
    """A source package: its files (SHA-256 and size by name, the .dsc among them), and the packages that it is built
    with, the first of alternatives, without versions."""

    name: str
    version: str
    files: tuple[tuple[str, str, int], ...]
    needs: tuple[str, ...]


def load_source(
    project: Project, name: str, version: str, pins: str, folder: Path, place: Workplace
) -> tuple[Source, Loaded]:
    """The source package `name` in `version` (empty: the one that there is) at the pin set `pins`, its files fetched;
    and the recipe of a root tree that it can be built in, whose lock is kept in `folder`.

    Raises InvalidInput where no index of the pins has it, and what proving and fetching raise.
    """
    found = load_pin_set(project.snapshots, pins)
    proofs = {proof.pin.name: proof for proof in verify_pin_set(project.snapshots, found)}
    stanzas = [each for proof in proofs.values() for each in _stanzas(proof, name, place)]
    versions = [stanza["Version"] for _, stanza in stanzas]
    chosen = next(((proof, stanza) for proof, stanza in stanzas if version in ("", stanza["Version"])), None)
    if not chosen:
        there = f"there is {', '.join(versions)}" if versions else "`repro pin list` shows the pin sets"
        raise InvalidInput(f"no source package {name} {version} at the pins of {pins}", hint=there)
    proof, stanza = chosen
    wanted = wanted_source(stanza, proof.pin)
    place.fetcher.ensure(wanted, place.observer)
    files = tuple((each.label, each.sha256, each.size) for each in wanted)
    source = Source(name, stanza["Version"], files, tuple(_needs(stanza)))
    recipe = Recipe(
        name=f"build-{name.replace('+', '-').replace('.', '-')}",
        summary=f"what {name} is built with",
        pins=pins,
        architecture=_ARCHITECTURE,
        packages=tuple(sorted({*_ALWAYS, *source.needs})),
        outputs=("squashfs",),
    )
    return source, Loaded(recipe, folder, found, proofs)


def _stanzas(proof: PinProof, name: str, place: Workplace) -> Iterator[tuple[PinProof, Sources]]:
    """What the signed indexes of a pin say of the source package `name`."""
    for component in proof.pin.components:
        entry = fetch_index(proof.pin, proof.release, f"{component}/source/Sources", place.fetcher, place.observer)
        for stanza in source_stanzas(place.store.read(entry.sha256, entry.size), [name]):
            yield proof, stanza


def _needs(stanza: Sources) -> Iterator[str]:
    """The packages of Build-Depends and its like that are for this architecture and a plain build (policy 7.1)."""
    for key in ("Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"):
        for alternatives in PkgRelation.parse_relations(stanza[key]) if stanza.get(key) else ():
            fitting = [each for each in alternatives if each.get("name") and _fits(each)]
            if fitting:
                yield str(fitting[0]["name"])


def _fits(relation: PkgRelation.ParsedRelation) -> bool:
    """Whether a relation holds on this architecture and without a build profile."""
    arches = relation.get("arch") or []
    named = any(each.enabled for each in arches)
    fits = any(each.arch in (_ARCHITECTURE, "any", "linux-any", f"any-{_ARCHITECTURE}") for each in arches)
    wanted = not arches or (fits if named else not fits)
    profiles = relation.get("restrictions") or []
    return wanted and (not profiles or any(all(not term.enabled for term in group) for group in profiles))


def write_source(source: Source, store: Store, archive: Path) -> None:
    """Write the files of `source` to the tar `archive`. Raises IntegrityFailure where one is damaged in the store."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, sha256, size in source.files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = size, 0o644
            with store.open_verified(sha256, size) as stream:
                tar.addfile(entry, stream)


def build_tree(loaded: Loaded, place: Workplace, folder: Path, backend: Backend) -> Path:
    """The tar of the root tree of `loaded`, resolved where its lock is not there or stale, and built where the store
    does not have it. Raises as `make_lock`, `fetch` and `build` do."""
    try:
        lock = read_lock(loaded)
    except InvalidInput:
        lock = make_lock(loaded, place, "auto")
        loaded.lock_path.write_text(locks.encode(lock), encoding="utf-8")
    fetch(loaded, lock, place)
    order = replace(image_order(loaded, lock, place.store), until="root")
    with open(folder / "tree.log", "wb") as log:
        built = build_image(
            order,
            Environment(lock.source_date_epoch),
            backend,
            store=place.store,
            cache=StageCache(place.store, place.observer.note),
            folder=folder,
            log=log,
            observer=place.observer,
        )
    return built.files[0]
