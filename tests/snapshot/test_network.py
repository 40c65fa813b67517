"""The real archive, from the mirror that this host's own apt sources name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from repro.snapshot.fetcher import Fetcher
from repro.snapshot.hosts import mirrors
from repro.snapshot.index import fetch_index, packages_path
from repro.snapshot.pinning import LEFT, move_to_mirror
from repro.snapshot.pins import load_keys, load_pin_set, verify_pin
from repro.snapshot.sources import Mirror, Wanted
from repro.store import Store
from repro.system.http import Http
from repro.system.progress import Null
from tests.snapshot.world import ROOT

SNAPSHOTS = ROOT / "snapshots"


@pytest.mark.network
def test_the_real_inrelease_index_and_a_package(tmp_path: Path) -> None:
    bases = mirrors().get("debian", ())
    if not bases:
        pytest.skip("this host's apt sources name no Debian mirror")
    http, store = Http(), Store(tmp_path / "store")
    asked = [Mirror("debian", base) for base in bases]
    pin = load_pin_set(SNAPSHOTS, "bookworm").pin("debian/bookworm")
    proof = verify_pin(SNAPSHOTS, "bookworm", pin)
    moved = move_to_mirror(proof, load_keys(SNAPSHOTS, "bookworm"), http, asked)
    assert moved.outcome != LEFT
    pin, release = moved.candidate.pin, moved.candidate.proof.release
    fetcher = Fetcher(store, http, asked)
    entry = fetch_index(pin, release, packages_path("main", "amd64"), fetcher, Null())
    text = store.read(entry.sha256, entry.size).decode()
    stanza = next(part for part in text.split("\n\n") if part.startswith("Package: libstdc++6\n"))
    field = dict(line.split(": ", 1) for line in stanza.splitlines() if not line.startswith(" ") and ": " in line)
    item = Wanted(field["SHA256"], int(field["Size"]), "debian", field["Filename"], pin.timestamp, "libstdc++6")
    assert fetcher.ensure([item], Null()).fetched == 1
    assert hashlib.sha256(store.path(item.sha256).read_bytes()).hexdigest() == field["SHA256"]
