"""Who vouches for an InRelease, judged as of the Date that it states.

An InRelease is one OpenPGP clear-signed message (RFC 9580 section 7). Sequoia verifies the signatures and judges
each key at the moment the signature claims to be made; on top of that this module asks that

- the file is one clear-signed message and nothing else: no text before, after or in the armor headers;
- the signer's primary key is one of the accepted fingerprints (its subkeys belong to it);
- that key, and the subkey that signed, existed at Date, and the key had not expired then: today's date is no matter,
  so that an old pin stays verifiable when Debian's keys have expired;
- the certificate is not revoked, whenever and for whatever reason: a revoked key's signatures could be back-dated.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pysequoia import ArmorKind, Cert, armor, verify
from pysequoia.packet import PacketPile

from repro.model.errors import IntegrityFailure, InvalidInput
from repro.snapshot.release import Release, parse_release

_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_END = "-----END PGP SIGNATURE-----"
_BLOCK = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)


@dataclass(frozen=True)
class Signer:
    """A certificate that vouched: fingerprint of its primary key and of the key that signed (40 or 64 upper-case
    hex digits), its first user id, and when it expires by its newest self-signature."""

    fingerprint: str
    signing_key: str
    user_id: str
    expires: datetime | None


@dataclass(frozen=True)
class Vouched:
    """A Release that at least one accepted signer vouched for.

    `refused` says of every other signature why it does not count.
    """

    release: Release
    signers: tuple[Signer, ...]
    refused: tuple[str, ...]


def verify_inrelease(data: bytes, certificates: Sequence[Cert], accepted: Collection[str]) -> Vouched:
    """What the InRelease `data` says, and who of `accepted` (upper-case fingerprints) vouches for it.

    Raises IntegrityFailure where it is not exactly one clear-signed message, or where no accepted signer vouches.
    """
    _demand_one_message(data)
    known = {_fingerprint(cert): cert for cert in certificates}
    issuers: list[str] = []

    def lookup(ids: list[str]) -> list[Cert]:
        issuers.extend(key.upper() for key in ids)
        return list(known.values())

    try:
        verified = verify(bytes=data, store=lookup)
    except Exception as error:  # pysequoia raises RuntimeError, and others for damaged packets
        said = f"made by {', '.join(issuers)}" if issuers else "of unknown make"
        raise IntegrityFailure(
            f"no signature on the InRelease is good ({said}): {str(error).splitlines()[0]}",
            hint="either it was altered, or the keys of its signers are not among the accepted ones",
        ) from error
    release = parse_release(verified.bytes or b"")
    signers: list[Signer] = []
    refused: list[str] = []
    for signature in verified.valid_sigs:
        cert, key = known[signature.certificate.upper()], signature.signing_key.upper()
        problem = _objection(cert, key, release.date, accepted)
        if problem:
            refused.append(f"{_fingerprint(cert)}: {problem}")
        else:
            signers.append(Signer(_fingerprint(cert), key, _user_id(cert), cert.expiration))
    counted = {signature.signing_key.upper() for signature in verified.valid_sigs}
    refused += [f"{key}: no valid signature by a known key" for key in dict.fromkeys(issuers) if key not in counted]
    if not signers:
        raise IntegrityFailure(f"no accepted signer vouches for the InRelease: {'; '.join(refused)}")
    return Vouched(release, tuple(sorted(signers, key=lambda s: s.fingerprint)), tuple(sorted(refused)))


def read_certificates(data: bytes, where: str) -> tuple[Cert, ...]:
    """The OpenPGP certificates in `data`: binary, or one or several armored blocks; `where` names it in messages.

    Raises InvalidInput where there is none or one cannot be read.
    """
    try:
        blocks = _BLOCK.findall(data) or [data]
        return tuple(cert for block in blocks for cert in Cert.split_bytes(block))
    except Exception as error:  # as above
        raise InvalidInput(f"{where}: not OpenPGP certificates: {str(error).splitlines()[0]}") from error


def write_certificates(certificates: Sequence[Cert]) -> str:
    """`certificates` as armored blocks, each under its fingerprint and user id, sorted by fingerprint."""
    blocks = []
    for cert in sorted(certificates, key=_fingerprint):
        title = f"{_fingerprint(cert)} {_user_id(cert)}".rstrip()
        blocks.append(f"{title}\n\n{armor(bytes(cert), ArmorKind.PublicKey).strip()}\n")
    return "\n".join(blocks)


def _objection(cert: Cert, signing_key: str, date: datetime, accepted: Collection[str]) -> str:
    """Why a cryptographically good signature does not count as of `date`, or nothing."""
    if _fingerprint(cert) not in accepted:
        return "not an accepted signer"
    if cert.is_revoked:
        return "the certificate is revoked"
    for key in {_fingerprint(cert), signing_key}:
        if (created := _created(cert, key)) is None or created > date:
            return f"key {key} was made at {created:%Y-%m-%d %H:%M:%S} UTC, after the Release's Date {date}"
    if cert.expiration and cert.expiration <= date:
        return f"the key expired at {cert.expiration}, before the Release's Date {date}"
    return ""


def _created(cert: Cert, fingerprint: str) -> datetime | None:
    for packet in PacketPile.from_bytes(bytes(cert)):
        if packet.fingerprint and packet.fingerprint.upper() == fingerprint:
            created: datetime = packet.key_created
            return created.astimezone(UTC)
    return None


def _fingerprint(cert: Cert) -> str:
    return cert.fingerprint.upper()


def _user_id(cert: Cert) -> str:
    return str(cert.user_ids[0]) if cert.user_ids else ""


def _demand_one_message(data: bytes) -> None:
    """Raises IntegrityFailure unless `data` is exactly one clear-signed message.

    Verifiers skip what surrounds a message, and readers of the file would not: apt has had that hole.
    """
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if not lines or lines[0] != _BEGIN:
        raise IntegrityFailure("the InRelease does not begin with a clear-signed message")
    marks = [line.rstrip() for line in lines if line.startswith("-----")]
    if marks != [_BEGIN, _SIGNATURE, _END] or lines[-1] != _END:
        raise IntegrityFailure(
            "the InRelease is not exactly one clear-signed message: it is cut short, or text surrounds it"
        )
    headers = lines[1 : lines.index("")] if "" in lines else lines
    if not all(re.fullmatch(r"Hash: [A-Za-z0-9, -]+", line) for line in headers):
        raise IntegrityFailure("the InRelease has text between its first line and the signed part")
