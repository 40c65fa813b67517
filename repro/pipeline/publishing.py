"""Publishing: statements from anywhere into a folder that any web server can carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from repro.attest.gather import gather
from repro.attest.publish import holding, listed
from repro.model import publication as publications
from repro.model.errors import InvalidInput
from repro.model.publication import Publication
from repro.report import site
from repro.system.http import Http
from repro.system.progress import Observer


@dataclass(frozen=True)
class Published:
    """What a folder holds now; `added` is how many statements are new, `gone` how many its last index listed and it
    holds no more."""

    publication: Publication
    added: int
    gone: int

    @property
    def artifacts(self) -> int:
        """How many artifact digests the statements are about."""
        return len({each.sha256 for entry in self.publication.entries for each in (*entry.artifacts, *entry.examined)})


def publish_statements(
    folder: Path,
    sources: Sequence[str],
    http: Http,
    observer: Observer,
    *,
    title: str | None = None,
    base_url: str | None = None,
) -> Published:
    """Add the statements at `sources` to `folder`, and write its pages anew from all that it holds.

    `title` and `base_url` are those of last time where they are None; an empty `base_url` forgets it.

    Nothing is written where anything is wrong. Raises InvalidInput where a statement is malformed or the folder is not
    ours to write, IntegrityFailure where one that it holds was changed, Unavailable where a server cannot be reached.
    """
    settled = _settings(title, base_url)
    new = listed(gather(sources, http, observer))
    with holding(folder, observer) as place:
        held = {entry.file for entry in place.before.entries}
        added = {file: both for file, both in new.items() if file not in held}
        entries = (*place.before.entries, *(entry for entry, _ in added.values()))
        after = settled(replace(place.before, entries=entries))
        with observer.task("writing pages"):
            place.write({file: data for file, (_, data) in added.items()}, site.pages(after))
        return Published(after, len(added), place.gone)


def _settings(title: str | None, base_url: str | None) -> Callable[[Publication], Publication]:
    """What puts `title` and `base_url` into a publication. Raises InvalidInput."""
    try:
        new_title = None if title is None else publications.title(title)
        address = publications.address(base_url.rstrip("/") + "/") if base_url else None
    except ValueError as error:
        raise InvalidInput(str(error)) from error

    def settled(before: Publication) -> Publication:
        found = before if new_title is None else replace(before, title=new_title)
        return found if base_url is None else replace(found, base_url=address)

    return settled
