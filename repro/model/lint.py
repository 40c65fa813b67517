"""`repro/lint/v1`: what the normalizers would change in the root trees of an image."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from repro.model.text import readable_json

SCHEMA = "repro/lint/v1"


@dataclass(frozen=True)
class Fixed:
    """A normalizer that this tree does without: `package` is installed as `version`, upstream does without `since`."""

    normalizer: str
    package: str
    version: str
    since: str


@dataclass(frozen=True)
class Finding:
    """A normalizer that would fire, `reason` being what it is for, and the `paths` that it would change. `needed` is
    false where the package that once wrote them so does not any more."""

    normalizer: str
    reason: str
    paths: tuple[str, ...]
    needed: bool


@dataclass(frozen=True)
class Linted:
    """One root tree: where it lies in the image (empty: it is all there is), how many `entries` it has, the time that
    it is judged by in seconds since 1970, what would change, and what is not needed any more."""

    location: tuple[str, ...]
    entries: int
    epoch: int
    findings: tuple[Finding, ...]
    stale: tuple[Fixed, ...]

    @property
    def clean(self) -> bool:
        return not any(finding.needed for finding in self.findings)


@dataclass(frozen=True)
class Lint:
    """What was found in the image (or folder) called `name`."""

    name: str
    trees: tuple[Linted, ...]

    @property
    def clean(self) -> bool:
        return all(tree.clean for tree in self.trees)


def encode(lint: Lint) -> bytes:
    """The document, with an end of line."""
    return readable_json({"schema": SCHEMA, "clean": lint.clean, **asdict(lint)})
