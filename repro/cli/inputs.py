"""The sources of inputs, made from the options that every command shares."""

from __future__ import annotations

from repro.cli.context import Context
from repro.snapshot.fetcher import Fetcher
from repro.snapshot.hosts import mirrors, snapshot_base
from repro.snapshot.sources import sources
from repro.store import Store
from repro.system.http import Http


def fetcher_for(context: Context, store: Store) -> Fetcher:
    """A fetcher into `store`, from the sources of this host; it never opens a socket when offline."""
    http = Http(offline=context.offline)
    return Fetcher(store, http, sources(mirrors(), snapshot_base(), http))
