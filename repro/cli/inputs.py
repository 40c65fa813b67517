"""The store, the sources and the proven pins, made from the options that every command shares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from repro.cli.context import Context
from repro.model.pin import PinSet
from repro.snapshot.fetcher import Fetcher
from repro.snapshot.hosts import mirrors, snapshot_base
from repro.snapshot.pins import PinProof, load_pin_set, verify_pin_set
from repro.snapshot.sources import sources
from repro.store import Store
from repro.system.http import Http


def fetcher_for(context: Context) -> Fetcher:
    """A fetcher into the context's store, from the sources of this host; it never opens a socket when offline."""
    http = Http(offline=context.offline)
    return Fetcher(Store(context.store_path), http, sources(mirrors(), snapshot_base(), http))


def proven_pins(snapshots: Path, name: str) -> tuple[PinSet, Mapping[str, PinProof]]:
    """The pin set `name` in `snapshots` and the proof of each pin, by the pin's name.

    Raises InvalidInput where it is not there or not valid, IntegrityFailure where the evidence does not hold.
    """
    pins = load_pin_set(snapshots, name)
    return pins, {proof.pin.name: proof for proof in verify_pin_set(snapshots, pins)}
