"""OpenPGP certificates as keys for statements: what they are called, and whether a detached signature counts.

A signature (RFC 9580 section 5.2) counts where it is exactly one binary packet over exactly these bytes, good by
Sequoia's judgement at the moment that it claims to be made, by a key that existed then, had not expired, and that
nobody has revoked since: whoever holds a lost key can back-date.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pysequoia import Cert, Sig, verify
from pysequoia.packet import Packet, PacketPile, PublicKeyAlgorithm, SignatureType, Tag

from repro.model.errors import IntegrityFailure, InvalidInput
from repro.snapshot.trust import read_certificates

_RSA = (PublicKeyAlgorithm.RSAEncryptSign, PublicKeyAlgorithm.RSASign)
_STRONG = (
    PublicKeyAlgorithm.EdDSA,
    PublicKeyAlgorithm.Ed25519,
    PublicKeyAlgorithm.Ed448,
    PublicKeyAlgorithm.ECDSA,
)
SMALLEST_RSA = 2048  # bits


def read(data: bytes, where: str) -> tuple[Cert, ...]:
    """The certificates in `data`, armored or binary.

    Raises InvalidInput where there is none, one cannot be read or is weak, or the data holds private keys.
    """
    if data[:1] > b"\x7f" and any(packet.tag in (Tag.SecretKey, Tag.SecretSubkey) for packet in _packets(data, where)):
        raise InvalidInput(f"{where}: this is a private key", hint="export the public part: gpg --export")
    found = read_certificates(data, where)
    if not found:
        raise InvalidInput(f"{where}: no OpenPGP certificate in it")
    for cert in found:
        problem = ""
        try:
            problem = _weakness(_key(cert, cert.fingerprint))
            _ = cert.user_ids, cert.expiration
        except Exception as error:  # pysequoia raises RuntimeError where no self-signature is acceptable
            problem = problem or str(error).splitlines()[0]
        if problem:
            raise InvalidInput(f"{where}: the OpenPGP key {cert.fingerprint} is not acceptable: {problem}")
    return found


def subkeys(cert: Cert) -> frozenset[str]:
    """The full fingerprints of the subkeys, lower-case."""
    return frozenset(
        packet.fingerprint.lower()
        for packet in PacketPile.from_bytes(bytes(cert))
        if packet.tag == Tag.PublicSubkey and packet.fingerprint
    )


def user_id(cert: Cert) -> str:
    """The first user id, or nothing."""
    return str(cert.user_ids[0]) if cert.user_ids else ""


def check(cert: Cert, signature: bytes, data: bytes) -> None:
    """Raises IntegrityFailure, with the reason in a few words, where `signature` over `data` does not count."""
    made = _made(signature)
    if cert.is_revoked:
        raise IntegrityFailure("the key is revoked")
    try:
        signers = verify(bytes=data, store=lambda ids: [cert], signature=Sig.from_bytes(signature)).valid_sigs
    except Exception as error:  # pysequoia raises RuntimeError, and others for damaged packets
        if cert.expiration and cert.expiration <= made:
            raise IntegrityFailure(f"the key had expired at {cert.expiration:%Y-%m-%d %H:%M:%S} UTC") from error
        raise IntegrityFailure("the signature does not verify") from error
    if len(signers) != 1 or signers[0].certificate.lower() != cert.fingerprint.lower():
        raise IntegrityFailure("the signature does not verify")
    for fingerprint in (cert.fingerprint, signers[0].signing_key):
        if problem := _objection(cert, fingerprint, made):
            raise IntegrityFailure(problem)
    if cert.expiration and cert.expiration <= made:
        raise IntegrityFailure(f"the key had expired at {cert.expiration:%Y-%m-%d %H:%M:%S} UTC")


def _made(signature: bytes) -> datetime:
    """When the one signature packet in `signature` says that it was made. Raises IntegrityFailure."""
    try:
        # The first bit of every binary packet is set, that of armor is not.
        packets = list(PacketPile.from_bytes(signature)) if signature[:1] > b"\x7f" else []
    except Exception as error:  # as above
        raise IntegrityFailure("not an OpenPGP signature") from error
    if len(packets) != 1 or packets[0].tag != Tag.Signature:
        raise IntegrityFailure("not exactly one binary OpenPGP signature")
    if packets[0].signature_type != SignatureType.Binary:  # one of a text has no opinion on line ends
        raise IntegrityFailure("not a signature of binary data")
    made: datetime | None = packets[0].signature_created
    if made is None:
        raise IntegrityFailure("the signature does not say when it was made")
    return made.astimezone(UTC)


def _objection(cert: Cert, fingerprint: str, made: datetime) -> str:
    """Why the key `fingerprint` of `cert` could not sign at `made`, or nothing."""
    packet = _key(cert, fingerprint)
    if packet is None or packet.key_created is None or packet.key_created > made:
        return "the key was made after the signature"
    if _revoked(cert, fingerprint):
        return "the subkey that signed is revoked"
    return _weakness(packet)


def _revoked(cert: Cert, fingerprint: str) -> bool:
    """Whether a revocation stands at the subkey. Its own signature is not asked for: doubt counts against the key."""
    current = ""
    for packet in PacketPile.from_bytes(bytes(cert)):
        current = (packet.fingerprint or current).lower()
        if current == fingerprint.lower() and packet.signature_type == SignatureType.SubkeyRevocation:
            return True
    return False


def _key(cert: Cert, fingerprint: str) -> Packet | None:
    for packet in PacketPile.from_bytes(bytes(cert)):
        if packet.fingerprint and packet.fingerprint.lower() == fingerprint.lower():
            found: Packet = packet
            return found
    return None


def _weakness(packet: Packet | None) -> str:
    """Why what this key signs is worth nothing, or nothing. Curves are Sequoia's to judge."""
    if packet is None or packet.key_algorithm is None:
        return "it has no primary key"
    if packet.key_algorithm in _RSA:
        # version, time of making, algorithm, in version 6 a length; then the modulus, after its length in bits
        at = 6 if packet.body[0] < 6 else 10
        bits = int.from_bytes(packet.body[at : at + 2])
        return f"RSA of {bits} bits" if bits < SMALLEST_RSA else ""
    return "" if packet.key_algorithm in _STRONG else f"of the kind {str(packet.key_algorithm).rpartition('.')[2]}"


def _packets(data: bytes, where: str) -> Iterator[Packet]:
    try:
        yield from PacketPile.from_bytes(data)
    except Exception as error:  # as above
        raise InvalidInput(f"{where}: not OpenPGP certificates: {str(error).splitlines()[0]}") from error
