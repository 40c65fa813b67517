"""Who vouches for a Release, judged as of the Date that it states.

An InRelease is one OpenPGP clear-signed message (RFC 9580 section 7); a Release may have its signatures in a file of
their own instead, Release.gpg (section 10.4). Sequoia verifies the signatures, refuses those over SHA-1 and MD5, and
judges each key at the moment the signature claims to be made; on top of that this module asks that

- an InRelease is one clear-signed message and nothing else: no text before, after or in the armor headers, no line
  that is written in one way and read in another (dash-escapes, carriage returns, control characters);
- the signer's primary key is one of the accepted fingerprints (its subkeys belong to it);
- that key, and the subkey that signed, existed at Date, and the key had not expired then: today's date is no matter,
  so that an old pin stays verifiable when Debian's keys have expired;
- the signature was not made before Date, which it covers (a day is granted for clocks that disagree);
- the certificate is not revoked, whenever and for whatever reason: a revoked key's signatures could be back-dated.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pysequoia import ArmorKind, Cert, Sig, armor, verify
from pysequoia.packet import Packet, PacketPile, Tag

from repro.model.errors import IntegrityFailure, InvalidInput
from repro.snapshot.release import Release, parse_release

_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_END = "-----END PGP SIGNATURE-----"
_CLOCKS = timedelta(days=1)  # by how much the clocks of those who date and of those who sign may disagree
_MOST_SIGNATURES = 64  # in a file; Debian's have two to four
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_BLOCK = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)


@dataclass(frozen=True)
class Signer:
    """A certificate that vouched: fingerprint of its primary key and of the key that signed (40 or 64 upper-case
    hex digits), its first user id, when the signature says that it was made, and when the certificate expires by its
    newest self-signature."""

    fingerprint: str
    signing_key: str
    user_id: str
    made: datetime
    expires: datetime | None


@dataclass(frozen=True)
class Vouched:
    """A Release that at least one accepted signer vouched for.

    `refused` says of every other signature why it does not count.
    """

    release: Release
    signers: tuple[Signer, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True)
class _Good:
    """A signature that is cryptographically right: fingerprints of certificate and key, and when it was made."""

    certificate: str
    key: str
    made: datetime


def verify_inrelease(data: bytes, certificates: Sequence[Cert], accepted: Collection[str]) -> Vouched:
    """What the InRelease `data` says, and who of `accepted` (upper-case fingerprints) vouches for it.

    Raises IntegrityFailure where it is not exactly one clear-signed message, or where no accepted signer vouches.
    """
    _demand_one_message(data)
    packets = _signatures(data[data.index(_SIGNATURE.encode()) :], "the InRelease")
    try:
        verified = verify(bytes=data, store=lambda ids: list(certificates))
    except Exception as error:  # pysequoia raises RuntimeError, and others for damaged packets
        raise _none_good("the InRelease", packets, error) from error
    made = {_issuer(packet): packet.signature_created for packet in packets if packet.signature_created}
    good = [
        _Good(valid.certificate.upper(), key, made[key])
        for valid in verified.valid_sigs
        if (key := valid.signing_key.upper()) in made
    ]
    return _vouched("the InRelease", verified.bytes or b"", good, packets, certificates, accepted)


def verify_detached(data: bytes, signatures: bytes, certificates: Sequence[Cert], accepted: Collection[str]) -> Vouched:
    """As `verify_inrelease`, of a Release `data` with its `signatures` (Release.gpg), armored or binary."""
    packets = _signatures(signatures, "Release.gpg")
    good, problem = [], Exception("there is none")
    for packet in packets:
        made = packet.signature_created
        try:
            verified = verify(bytes=data, store=lambda ids: list(certificates), signature=Sig.from_bytes(bytes(packet)))
        except Exception as error:  # as above
            problem = error
        else:
            good += [_Good(v.certificate.upper(), v.signing_key.upper(), made) for v in verified.valid_sigs if made]
    if not good:
        raise _none_good("the Release", packets, problem) from problem
    return _vouched("the Release", data, good, packets, certificates, accepted)


def _vouched(
    what: str,
    text: bytes,
    good: Sequence[_Good],
    packets: Sequence[Packet],
    certificates: Sequence[Cert],
    accepted: Collection[str],
) -> Vouched:
    release = parse_release(text)
    known = {_fingerprint(cert): cert for cert in certificates}
    signers: list[Signer] = []
    refused: list[str] = []
    for each in good:
        cert = known[each.certificate]
        problem = _objection(cert, each, release.date, accepted)
        if problem:
            refused.append(f"{each.certificate}: {problem}")
        else:
            signers.append(Signer(each.certificate, each.key, _user_id(cert), each.made, cert.expiration))
    counted = {each.key for each in good}
    issuers = dict.fromkeys(map(_issuer, packets))
    refused += [f"{issuer}: no valid signature by a known key" for issuer in issuers if issuer not in counted]
    if not signers:
        raise IntegrityFailure(f"no accepted signer vouches for {what}: {'; '.join(refused)}")
    return Vouched(release, tuple(sorted(signers, key=lambda s: s.fingerprint)), tuple(sorted(refused)))


def _none_good(what: str, packets: Sequence[Packet], error: Exception) -> IntegrityFailure:
    made = ", ".join(dict.fromkeys(map(_issuer, packets)))
    return IntegrityFailure(
        f"no signature on {what} is good (made by {made}): {str(error).splitlines()[0]}",
        hint="either it was altered, or the keys of its signers are not among the accepted ones",
    )


def _signatures(data: bytes, what: str) -> list[Packet]:
    """The signature packets in `data`, of which every packet has to be one."""
    try:
        packets = list(PacketPile.from_bytes(data))
        others = any(packet.tag != Tag.Signature for packet in packets)
    except Exception as error:  # as above
        raise IntegrityFailure(f"the signatures of {what} cannot be read: {str(error).splitlines()[0]}") from error
    if others or not packets:
        raise IntegrityFailure(f"{what} has something else than OpenPGP signatures where they should be")
    if len(packets) > _MOST_SIGNATURES:
        raise IntegrityFailure(f"{what} has {len(packets)} signatures, more than {_MOST_SIGNATURES}")
    return packets


def _issuer(packet: Packet) -> str:
    return (packet.issuer_fingerprint or packet.issuer_key_id or "an unnamed key").upper()


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


def _objection(cert: Cert, good: _Good, date: datetime, accepted: Collection[str]) -> str:
    """Why a cryptographically good signature does not count as of `date`, or nothing."""
    if _fingerprint(cert) not in accepted:
        return "not an accepted signer"
    if cert.is_revoked:
        return "the certificate is revoked"
    for key in {_fingerprint(cert), good.key}:
        if (created := _created(cert, key)) is None or created > date:
            return f"key {key} was made at {created}, after the Release's Date {date}"
    if cert.expiration and cert.expiration <= date:
        return f"the key expired at {cert.expiration}, before the Release's Date {date}"
    if good.made < date - _CLOCKS:
        return f"the signature says that it was made at {good.made}, before the Release's Date {date}"
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
    if match := _CONTROL.search(data):
        raise IntegrityFailure(f"the InRelease has a control character at offset {match.start()}")
    lines = data.decode("utf-8", "replace").split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if not lines or lines[0] != _BEGIN:
        raise IntegrityFailure("the InRelease does not begin with a clear-signed message")
    marks = [line.rstrip() for line in lines if line.startswith("-----")]
    if marks != [_BEGIN, _SIGNATURE, _END] or lines[-1] != _END:
        raise IntegrityFailure(
            "the InRelease is not exactly one clear-signed message: it is cut short, or text surrounds it"
        )
    if any(line.startswith("-") and not line.startswith("-----") for line in lines):
        raise IntegrityFailure("the InRelease has a dash-escaped line, which no Release needs")
    headers = lines[1 : lines.index("")] if "" in lines else lines
    if not all(re.fullmatch(r"Hash: [A-Za-z0-9, -]+", line) for line in headers):
        raise IntegrityFailure("the InRelease has text between its first line and the signed part")
