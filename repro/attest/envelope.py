"""DSSE envelopes, version 1.0: some bytes, what kind of bytes they are, and signatures over both.

https://github.com/secure-systems-lab/dsse/blob/v1.0.0/envelope.md
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope as Dsse

from repro.attest.keys import PublicKey, each_once
from repro.attest.signers import Signer
from repro.model import reading
from repro.model.errors import IntegrityFailure, InvalidInput
from repro.model.text import readable_json

IN_TOTO = "application/vnd.in-toto+json"
LARGEST = 16 << 20  # bytes of an envelope
MOST_SIGNATURES = 64

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}|[A-Za-z0-9_-]*={0,2}")


@dataclass(frozen=True)
class EnvelopeSignature:
    """`keyid` says which key to try, proves nothing, and may be empty."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """What an envelope holds. Nothing of it is to be believed before `signed_by` has named somebody."""

    payload: bytes
    payload_type: str
    signatures: tuple[EnvelopeSignature, ...]

    def pae(self) -> bytes:
        """The bytes that are signed: payload and its type, each with its length."""
        return _pae(self.payload, self.payload_type)


def seal(payload: bytes, payload_type: str, signers: Sequence[Signer]) -> bytes:
    """An envelope around `payload`, signed by each of `signers`: JSON that `read_envelope` reads.

    Raises InvalidInput where nobody signs, somebody signs twice, or it would be too large; and what the signers raise.
    """
    keys = [signer.key for signer in signers]
    if not keys or len(keys) > MOST_SIGNATURES or len(set(keys)) != len(keys):
        raise InvalidInput(f"an envelope takes 1 to {MOST_SIGNATURES} signers, each once")
    if not payload_type:
        raise InvalidInput("an envelope says what kind of bytes it holds")
    pae = _pae(payload, payload_type)
    sealed = readable_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [
                {"keyid": signer.key.keyid, "sig": base64.b64encode(signer.sign(pae)).decode()} for signer in signers
            ],
        }
    )
    if len(sealed) > LARGEST:
        raise InvalidInput(f"what is to be signed is larger than an envelope may be ({LARGEST >> 20} MiB)")
    return sealed


def read_envelope(data: bytes, where: str) -> Envelope:
    """The envelope in `data`; `where` names it in messages. No signature is verified here.

    Keys of the JSON that the specification does not know are passed over, as it asks. Raises InvalidInput.
    """
    if len(data) > LARGEST:
        raise InvalidInput(f"{where}: larger than an envelope may be ({LARGEST >> 20} MiB)")
    try:
        raw = reading.strict_json(data)
        return Envelope(
            _decoded(raw["payload"]), _type(raw["payloadType"]), read_signatures(raw["signatures"], _decoded)
        )
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not a DSSE envelope: {type(error).__name__}: {error}") from error


def signed_by(envelope: Envelope, keys: Iterable[PublicKey]) -> tuple[list[PublicKey], list[str]]:
    """Those of `keys` that verified a signature of `envelope`, each once; and why each other signature that claims to
    be by one of them does not count.

    A signature without a key id is tried with every key, one with the id of no key here is passed over.
    """
    return check_signatures(envelope.pae(), envelope.signatures, keys)


def check_signatures(
    data: bytes, signatures: Sequence[EnvelopeSignature], keys: Iterable[PublicKey]
) -> tuple[list[PublicKey], list[str]]:
    """As `signed_by`, of `signatures` over `data`."""
    known = each_once(keys)
    verified: set[PublicKey] = set()
    refused: list[str] = []
    for number, signature in enumerate(signatures, 1):
        claimed = signature.keyid.lower()
        said = []
        for key in known:
            if claimed and claimed != key.keyid and claimed not in key.aliases:
                continue
            try:
                key.verify(signature.sig, data)
            except IntegrityFailure as error:
                said.append(f"signature {number}, said to be by {key.keyid}, does not count: {error.message}")
            else:
                verified.add(key)
                break
        else:
            refused += said if claimed else []
    return [key for key in known if key in verified], refused


def read_signatures(raw: Any, decode: Any) -> tuple[EnvelopeSignature, ...]:
    """The signatures in the list `raw`, each decoded by `decode`. Raises one of `reading.WRONG`."""
    if isinstance(raw, list) and not 1 <= len(raw) <= MOST_SIGNATURES:
        raise ValueError(f"{len(raw)} signatures, where 1 to {MOST_SIGNATURES} may be")
    return reading.rows(
        raw, lambda row: EnvelopeSignature(_encodable(row.get("keyid", "")), decode(reading.word(row["sig"])))
    )


def _pae(payload: bytes, payload_type: str) -> bytes:
    return Dsse(payload, payload_type, {}).pae()


def _decoded(value: Any) -> bytes:
    """The bytes of base64, of either alphabet but not both, padded, with no bit that says nothing. Raises WRONG."""
    encoded = reading.text(value)
    if not _BASE64.fullmatch(encoded):
        raise ValueError(f"not base64: {encoded[:40]!r}")
    plain = encoded.replace("-", "+").replace("_", "/")
    decoded = base64.b64decode(plain, validate=True)
    if base64.b64encode(decoded).decode() != plain:
        raise ValueError(f"not the base64 of any bytes: it ends with {encoded[-4:]!r}")
    return decoded


def _type(value: Any) -> str:
    return reading.word(_encodable(value))


def _encodable(value: Any) -> str:
    """`value`, text that has a form in UTF-8, as half a surrogate pair has not. Raises TypeError or ValueError."""
    reading.text(value).encode()
    return reading.text(value)
