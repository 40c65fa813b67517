"""What the normalizers would change, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from repro.model.lint import Lint, Linted
from repro.model.text import printable
from repro.report.layout import wrap

_PATHS = 10  # of a normalizer that are shown; all of them are in the JSON
_WIDTH = 80


def render(lint: Lint) -> str:
    """`lint` in lines of at most 80 columns, with an end of line each."""
    return "".join(f"{line}\n" for tree in lint.trees for line in _tree(lint.name, tree))


def _tree(name: str, tree: Linted) -> Iterator[str]:
    place = " → ".join(printable(part) for part in (name, *tree.location))
    when = datetime.fromtimestamp(tree.epoch, UTC)
    yield f"{place}: {tree.entries} entries, as of {when:%Y-%m-%d %H:%M:%S}Z"
    for finding in tree.findings:
        count = len(finding.paths)
        unneeded = "" if finding.needed else " (not needed any more, see below)"
        yield f"  {finding.normalizer} would change {count} path{'s' * (count != 1)}{unneeded}"
        yield from wrap(finding.reason, _WIDTH, "    ")
        for path in finding.paths[:_PATHS]:
            yield f"      {printable(path)}"
        if count > _PATHS:
            yield f"      … and {count - _PATHS} more"
    needed = sum(finding.needed for finding in tree.findings)
    yield f"  {needed} normalizer{'s' * (needed != 1)} would fire" if needed else "  clean: no normalizer would fire"
    for each in tree.stale:
        yield f"  not needed since {each.package} {each.since} (here {printable(each.version)}): {each.normalizer}"
