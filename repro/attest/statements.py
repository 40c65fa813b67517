"""in-toto Statements, version 1: which artifacts, by hash, and what is said of them.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from repro.model import reading
from repro.model.artifact import Artifact
from repro.model.errors import InvalidInput
from repro.model.statement import wrap
from repro.model.text import is_utf8, printable

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")  # RFC 3986 as far as it matters: a scheme, and no white space


def statement(subjects: Sequence[Artifact], predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """The statement that `predicate`, of the type that the URI `predicate_type` names, holds for `subjects`.

    It is canonical JSON, whatever order the subjects come in: the same bytes for the same statement. Raises
    InvalidInput as `descriptors` and `uri` do, and where there is no subject.
    """
    if not subjects:
        raise InvalidInput("a statement needs a subject", hint="name the files that it is about")
    return wrap(descriptors(subjects), uri(predicate_type, "predicate type"), predicate)


def descriptors(artifacts: Sequence[Artifact]) -> list[dict[str, Any]]:
    """`artifacts` as in-toto ResourceDescriptors `{name, digest: {sha256}}`, sorted by name.

    Raises InvalidInput where a name is empty, is not text in UTF-8 or stands twice, or a digest is no SHA-256.
    """
    names = [artifact.name for artifact in artifacts]
    for name in names:
        if not name or not is_utf8(name) or names.count(name) > 1:
            wrong = "stands twice" if name and is_utf8(name) else "is not a name in UTF-8"
            raise InvalidInput(
                f"a file name {wrong}: '{printable(name)}'", hint="rename the file: statements tell files by name"
            )
    ordered = sorted(artifacts, key=lambda artifact: artifact.name)
    return [{"name": artifact.name, "digest": {"sha256": _sha256(artifact)}} for artifact in ordered]


def uri(text: str, what: str) -> str:
    """`text`, a URI. Raises InvalidInput, where `what` says what was expected to be one."""
    if not _URI.fullmatch(text):
        raise InvalidInput(
            f"the {what} must be a URI, not {text!r}",
            hint="such as https://rebuilder.example.org or mailto:ann@example.org",
        )
    return text


def _sha256(artifact: Artifact) -> str:
    try:
        return reading.sha256(artifact.sha256)
    except reading.WRONG as error:
        raise InvalidInput(f"{printable(artifact.name)}: {error}") from error
