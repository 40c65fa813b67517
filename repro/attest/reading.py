"""What was offered as a statement, parsed and its signatures checked, before anybody asks what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from repro.attest.envelope import IN_TOTO, read_envelope, signed_by
from repro.attest.keys import PublicKey
from repro.attest.link import Link, link_signed_by, read_link
from repro.model import reading, statement
from repro.model.errors import InvalidInput
from repro.model.statement import Statement

LIMIT = 4 << 20  # bytes of one statement; a hundred members named are some 30 kB
STATEMENT, LINK = "statement", "link"
_ZSTD = b"\x28\xb5\x2f\xfd"  # rebuilderd stores its links so


@dataclass(frozen=True)
class Offered:
    """Bytes that somebody says are a statement, from `where`; `refused` says why they were not even read."""

    where: str
    data: bytes = field(repr=False)
    refused: str = ""


@dataclass(frozen=True)
class Heard:
    """An offered document. `signers` are the known keys whose signature is good, `wrong` says of each signature that
    claims a known key and is not good why; `names` are the key ids that it claims. `kind` is empty where it is neither
    statement nor link. `problem` says what is wrong with it, `foreign` that it speaks of something else altogether."""

    where: str
    kind: str = ""
    signers: tuple[PublicKey, ...] = ()
    wrong: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    signed: bytes = b""
    said: Statement | None = None
    link: Link | None = None
    problem: str = ""
    foreign: str = ""

    @property
    def when(self) -> datetime | None:
        """When it says that it was signed; a link does not say."""
        return self.said.run.signed if self.said else None


def hear(offered: Offered, keys: Sequence[PublicKey]) -> Heard:
    """What `offered` is, and who of `keys` signed it. Never raises for what is in the document."""
    try:
        if offered.refused:
            raise InvalidInput(offered.refused)
        if len(offered.data) > LIMIT:
            raise InvalidInput(f"larger than {LIMIT} bytes")
        if offered.data.startswith(_ZSTD) or "signed" in _keys_of(offered.data):
            return _hear_link(offered, keys)
        return _hear_envelope(offered, keys)
    except InvalidInput as error:
        return Heard(offered.where, problem=error.message.removeprefix(f"{offered.where}: "))


def _keys_of(data: bytes) -> set[str]:
    try:
        return set(reading.table(reading.strict_json(data)))
    except reading.WRONG as error:
        raise InvalidInput(f"not a JSON object: {error}") from error


def _hear_link(offered: Offered, keys: Sequence[PublicKey]) -> Heard:
    link = read_link(offered.data, offered.where)
    signers, wrong = link_signed_by(link, keys)
    names = tuple(signature.keyid for signature in link.signatures)
    return Heard(offered.where, LINK, tuple(signers), tuple(wrong), names, link.signed, link=link)


def _hear_envelope(offered: Offered, keys: Sequence[PublicKey]) -> Heard:
    envelope = read_envelope(offered.data, offered.where)
    signers, wrong = signed_by(envelope, keys)
    names = tuple(signature.keyid for signature in envelope.signatures)
    heard = Heard(offered.where, STATEMENT, tuple(signers), tuple(wrong), names, envelope.payload)
    if envelope.payload_type != IN_TOTO:
        return _with(heard, problem=f"payload type {envelope.payload_type!r} is not {IN_TOTO}")
    try:
        return _with(heard, said=statement.decode(envelope.payload, offered.where))
    except InvalidInput as error:
        said = error.message.removeprefix(f"{offered.where}: ")
        return _with(heard, **{"foreign" if _of_another_kind(envelope.payload) else "problem": said})


def _of_another_kind(payload: bytes) -> bool:
    """Whether this is an in-toto statement that just makes another claim, such as a SLSA provenance."""
    try:
        raw = reading.table(reading.strict_json(payload))
        return raw["_type"] == statement.TYPE and reading.word(raw["predicateType"]) != statement.PREDICATE_TYPE
    except reading.WRONG:
        return False


def _with(heard: Heard, **changes: object) -> Heard:
    return Heard(**{**vars(heard), **changes})
