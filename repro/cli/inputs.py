"""The sources of inputs, made from the options that every command shares."""

from __future__ import annotations

from repro.cli.context import Context
from repro.snapshot.fetcher import Fetcher
from repro.snapshot.settings import load_settings
from repro.snapshot.sources import sources
from repro.store import Store
from repro.system.http import Http


def fetcher_for(context: Context, store: Store) -> Fetcher:
    """A fetcher into `store`, from the sources of this host; it never opens a socket when offline."""
    http = Http(offline=context.offline)
    settings = load_settings()
    return Fetcher(store, http, sources(settings, http), settings.patience)
