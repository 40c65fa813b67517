"""Legacy in-toto links, as rebuilderd makes them and repro-threshold counts them: this file came out of that one.

The signature is over canonical JSON (OLPC's), in which a line end stands for itself. in-toto-rs writes a line end as
backslash and n first and then replaces these two characters wherever they stand, so the two forms agree only where
no name holds a control character, a quote or a backslash; such names are refused.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical

from repro.attest.envelope import LARGEST, EnvelopeSignature, check_signatures, read_signatures
from repro.attest.keys import PublicKey, in_toto_rs_id
from repro.attest.signers import Signer
from repro.model import reading
from repro.model.errors import InvalidInput

Hashes = Mapping[str, Mapping[str, str]]  # of each name, by algorithm, in lower-case hex

_ZSTD = b"\x28\xb5\x2f\xfd"
_DIGITS = {"sha512": 128, "sha256": 64}  # in the order in which they are written
_HEX = re.compile(r"([0-9a-f]{2})+")
_KEYS = {"_type", "name", "materials", "products", "environment", "byproducts", "command"}


@dataclass(frozen=True)
class Link:
    """Of the step `name`: what went in and what came out. `signed` are the bytes that the signatures are over."""

    name: str
    materials: Hashes
    products: Hashes
    signatures: tuple[EnvelopeSignature, ...]
    signed: bytes


def make_link(file: str, materials: Hashes, products: Hashes, signer: Signer) -> bytes:
    """The link that says that `file`, one of `products`, was rebuilt from `materials`: JSON as rebuilderd writes it.

    Raises InvalidInput where the signer's key is not ed25519, where a name cannot stand in a link, or where something
    has other hashes than SHA-512 and SHA-256.
    """
    keyid = in_toto_rs_id(signer.key)
    try:
        if file not in products:
            raise ValueError(f"{file!r} is not among the products")
        signed: dict[str, Any] = {
            "_type": "link",
            "name": _name(f"rebuild {file}"),
            "materials": _both_hashes(materials),
            "products": _both_hashes(products),
            "environment": None,
            "byproducts": {},
            "command": [],
        }
        data = _canonical(signed)
    except reading.WRONG as error:
        raise InvalidInput(f"no link can be made of that: {error}") from error
    link = {"signatures": [{"keyid": keyid, "sig": signer.sign(data).hex()}], "signed": signed}
    return json.dumps(link, separators=(",", ":"), ensure_ascii=False).encode()


def read_link(data: bytes, where: str) -> Link:
    """The link in `data`, JSON or that compressed by zstd; `where` names it. No signature is verified here.

    Raises InvalidInput.
    """
    if len(data) > LARGEST:
        raise InvalidInput(f"{where}: larger than a link may be ({LARGEST >> 20} MiB)")
    if data.startswith(_ZSTD):
        data = _decompressed(data, where)
    try:
        raw = reading.strict_json(data)
        signed = raw["signed"]
        if signed["_type"] != "link" or set(signed) != _KEYS:
            raise ValueError("what is signed is not a link of the legacy kind")
        return Link(
            _name(signed["name"]),
            _hashes(signed["materials"]),
            _hashes(signed["products"]),
            read_signatures(raw["signatures"], _hex_bytes),
            _canonical(signed),
        )
    except reading.WRONG as error:
        raise InvalidInput(f"{where}: not an in-toto link: {type(error).__name__}: {error}") from error


def link_signed_by(link: Link, keys: Iterable[PublicKey]) -> tuple[list[PublicKey], list[str]]:
    """As `envelope.signed_by`."""
    return check_signatures(link.signed, link.signatures, keys)


def _canonical(signed: Any) -> bytes:
    """Raises ValueError where it cannot be signed: a number with a fraction, half a surrogate pair."""
    try:
        return (encode_canonical(signed) or "").encode()
    except FormatError as error:
        raise ValueError(str(error)[:200]) from error


def _decompressed(data: bytes, where: str) -> bytes:
    # dear to import, and most links are not compressed
    from repro.formats.base import Malformed  # noqa: PLC0415
    from repro.formats.codec import stream  # noqa: PLC0415

    ends: list[int] = []
    plain = bytearray()
    try:
        for chunk in stream("zstd", memoryview(data), ends):
            plain += chunk
            if len(plain) > LARGEST:
                raise InvalidInput(f"{where}: larger than a link may be ({LARGEST >> 20} MiB)")
    except Malformed as error:
        raise InvalidInput(f"{where}: {error}") from error
    if ends != [len(data)]:
        raise InvalidInput(f"{where}: something follows after the zstd data")
    return bytes(plain)


def _hashes(raw: Any) -> Hashes:
    """What `raw` says of each name. Raises one of `reading.WRONG`."""
    return {_name(name): {reading.word(a): _hex(a, digest) for a, digest in of.items()} for name, of in raw.items()}


def _both_hashes(given: Hashes) -> Hashes:
    """Of each name in order the two hashes that rebuilderd gives. Raises ValueError."""
    for name, of in given.items():
        if set(of) != set(_DIGITS):
            raise ValueError(f"{name!r} must have a sha512 and a sha256, and nothing else")
    return {_name(name): {a: _hex(a, given[name][a]) for a in _DIGITS} for name in sorted(given)}


def _hex(algorithm: str, value: Any) -> str:
    digest = reading.text(value)
    if not _HEX.fullmatch(digest) or len(digest) != _DIGITS.get(algorithm, len(digest)):
        raise ValueError(f"{digest[:140]!r} is not a {algorithm}")
    return digest


def _hex_bytes(value: str) -> bytes:
    if not _HEX.fullmatch(value):
        raise ValueError(f"a signature in other than lower-case hex: {value[:40]!r}")
    return bytes.fromhex(value)


def _name(value: Any) -> str:
    name = reading.text(value)
    if any(c in '"\\' or unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise ValueError(f"a control character, a quote or a backslash in the name {name[:100]!r}")
    return name
