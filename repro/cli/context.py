"""What every command gets from the options before it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from repro.system.progress import Observer


@dataclass(frozen=True)
class Context:
    """The shared options, ready to use: `ctx.obj` of every command."""

    store_path: Path
    offline: bool
    observer: Observer
    verbose: bool


pass_context = click.make_pass_decorator(Context)


def default_store(given: str | None) -> Path:
    """`--store`, else $REPRO_STORE, else `repro` in the XDG cache folder."""
    if chosen := given or os.environ.get("REPRO_STORE"):
        return Path(chosen).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache, "repro").absolute()
