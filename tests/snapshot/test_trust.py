"""Who vouches for an InRelease, with keys made here and, as an oracle, gpgv on the real one."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pysequoia import Cert, Tsk

from repro.model.errors import IntegrityFailure, InvalidInput
from repro.snapshot.release import parse_release
from repro.snapshot.trust import read_certificates, verify_inrelease, write_certificates
from tests.snapshot.world import ROOT, clear_sign, now, release_text, sign_by_all

FILES = {"main/binary-amd64/Packages": b"Package: x\n"}
REAL = ROOT / "snapshots" / "bookworm"


@pytest.fixture(scope="module")
def key() -> Tsk:
    return Tsk.generate("Archive <archive@example.org>")


@pytest.fixture(scope="module")
def other() -> Tsk:
    return Tsk.generate("Other <other@example.org>")


def public(key: Tsk) -> Cert:
    return key.extract_certificate()


def fingerprint(key: Tsk) -> str:
    return public(key).fingerprint.upper()


def refused(data: bytes, certs: list[Cert], accepted: list[str], why: str) -> None:
    with pytest.raises(IntegrityFailure, match=why):
        verify_inrelease(data, certs, accepted)


def test_a_listed_signer_vouches(key: Tsk) -> None:
    date = now()
    vouched = verify_inrelease(clear_sign(key, release_text(date, FILES)), [public(key)], [fingerprint(key)])
    assert [signer.fingerprint for signer in vouched.signers] == [fingerprint(key)]
    assert vouched.signers[0].signing_key != fingerprint(key)  # a subkey signed; it belongs to its primary key
    assert vouched.release.date == date
    assert vouched.release.names == ("tiny", "oldtiny")
    assert vouched.release.entries["main/binary-amd64/Packages"].size == 11


def test_a_key_that_is_not_in_the_keyring(key: Tsk, other: Tsk) -> None:
    message = clear_sign(other, release_text(now(), FILES))
    refused(message, [public(key)], [fingerprint(key)], "no signature on the InRelease is good")


def test_a_key_in_the_keyring_that_is_not_listed(key: Tsk, other: Tsk) -> None:
    message = clear_sign(other, release_text(now(), FILES))
    refused(message, [public(key), public(other)], [fingerprint(key)], "not an accepted signer")


def test_one_known_signer_of_two_is_enough_and_the_other_is_named(key: Tsk, other: Tsk) -> None:
    message = sign_by_all([other, key], release_text(now(), FILES))
    vouched = verify_inrelease(message, [public(key)], [fingerprint(key)])
    assert [signer.fingerprint for signer in vouched.signers] == [fingerprint(key)]
    assert len(vouched.refused) == 1
    assert "no valid signature by a known key" in vouched.refused[0]


def test_altered_text(key: Tsk) -> None:
    message = clear_sign(key, release_text(now(), FILES))
    refused(message.replace(b"Origin: Test", b"Origin: Tast"), [public(key)], [fingerprint(key)], "no signature")


@pytest.mark.parametrize("cut", [1, 40, 200, 400])
def test_truncated(key: Tsk, cut: int) -> None:
    message = clear_sign(key, release_text(now(), FILES)).rstrip()
    refused(message[:-cut], [public(key)], [fingerprint(key)], "cut short")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: b"SHA256:\n evil\n" + m,
        lambda m: m + b"SHA256:\n evil\n",
        lambda m: m + m,
        lambda m: b"\n" + m,
        lambda m: m.replace(b"Hash: SHA512\n", b"Hash: SHA512\nOrigin: Evil\n"),
        lambda m: m.replace(b"Hash: SHA512\n\n", b"Hash: SHA512\n \nOrigin: Evil\n\n"),
        lambda m: m.replace(b"-----BEGIN PGP SIGNATURE", b"-----BEGIN PGP SIGNED MESSAGE-----\n\n-----BEGIN PGP SIG"),
        lambda m: m[m.index(b"-----BEGIN PGP SIGNATURE") :],
        lambda m: b"",
    ],
)  # fmt: skip
def test_anything_but_one_clear_signed_message(key: Tsk, wrap) -> None:  # type: ignore[no-untyped-def]
    message = clear_sign(key, release_text(now(), FILES))
    assert wrap(message) != message
    refused(wrap(message), [public(key)], [fingerprint(key)], "the InRelease (is not exactly|does not begin|has text)")


def test_a_key_that_expired_since_is_good_for_what_it_signed_before() -> None:
    key = Tsk.generate("Brief", validity_seconds=62)  # pysequoia dates keys a minute back
    message = clear_sign(key, release_text(now(), FILES))
    time.sleep(2.5)
    assert public(key).expiration is not None
    assert public(key).expiration < now() + timedelta(seconds=1)  # type: ignore[operator]
    assert verify_inrelease(message, [public(key)], [fingerprint(key)]).signers


def test_a_key_that_had_expired_at_the_release_date() -> None:
    key = Tsk.generate("Hour", validity_seconds=3600)
    message = clear_sign(key, release_text(now() + timedelta(hours=2), FILES))
    refused(message, [public(key)], [fingerprint(key)], "expired at .* before the Release's Date")


def test_a_key_made_after_the_release_date(key: Tsk) -> None:
    message = clear_sign(key, release_text(now() - timedelta(days=400), FILES))
    refused(message, [public(key)], [fingerprint(key)], "after the Release's Date")


def test_a_revoked_key(key: Tsk) -> None:
    message = clear_sign(key, release_text(now(), FILES))
    revoked = Cert.from_bytes(bytes(public(key)) + bytes(public(key).revoke(key.certifier())))
    refused(message, [revoked], [fingerprint(key)], "no signature on the InRelease is good")


def test_a_revoked_signer_beside_a_good_one(key: Tsk, other: Tsk) -> None:
    revoked = Cert.from_bytes(bytes(public(other)) + bytes(public(other).revoke(other.certifier())))
    message = sign_by_all([other, key], release_text(now(), FILES))
    vouched = verify_inrelease(message, [revoked, public(key)], [fingerprint(key), fingerprint(other)])
    assert [signer.fingerprint for signer in vouched.signers] == [fingerprint(key)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"Codename: tiny\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nMD5Sum:\n 00 1 x\n", "no SHA256 section"),
        (b"Codename: tiny\nSHA256:\n", "no Date"),
        (b"Codename: tiny\nDate: yesterday\nSHA256:\n", "malformed date"),
        (b"Codename: tiny\nDate: Sat, 11 Jul 2026 10:16:37 +0200\nSHA256:\n", "not in UTC"),
        (b"Codename: tiny\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n xyz 1 a\n", "malformed SHA256 row"),
        (b"Codename: tiny\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n " + b"0" * 64 + b" 1 ../a\n", "malformed"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_releases_that_are_refused(text: bytes, why: str) -> None:
    with pytest.raises(IntegrityFailure, match=why):
        parse_release(text)


def test_certificates_survive_writing(key: Tsk, other: Tsk) -> None:
    text = write_certificates([public(key), public(other)])
    again = read_certificates(text.encode(), "keys.asc")
    assert {cert.fingerprint for cert in again} == {public(key).fingerprint, public(other).fingerprint}
    assert write_certificates(again) == text
    with pytest.raises(InvalidInput, match=r"keys\.asc"):
        read_certificates(b"not keys", "keys.asc")


@pytest.mark.skipif(not shutil.which("gpgv"), reason="gpgv is the oracle here")
def test_gpgv_agrees_on_the_real_inrelease(tmp_path: Path) -> None:
    inrelease = REAL / "debian_bookworm.InRelease"
    certs = read_certificates((REAL / "keys.asc").read_bytes(), "keys.asc")
    ring = tmp_path / "ring.gpg"
    ring.write_bytes(b"".join(bytes(cert) for cert in certs))
    altered = tmp_path / "altered"
    altered.write_bytes(inrelease.read_bytes().replace(b"Origin: Debian", b"Origin: Dabian", 1))
    for path, good in ((inrelease, True), (altered, False)):
        argv = ["gpgv", "--status-fd", "1", "--keyring", str(ring), str(path)]
        theirs = subprocess.run(argv, capture_output=True, text=True, check=False)
        lines = [line.split() for line in theirs.stdout.splitlines() if " VALIDSIG " in line]
        assert (theirs.returncode == 0) == good
        if good:
            ours = verify_inrelease(path.read_bytes(), certs, [cert.fingerprint.upper() for cert in certs])
            assert sorted(signer.fingerprint for signer in ours.signers) == sorted(line[-1] for line in lines)
        else:
            refused(path.read_bytes(), list(certs), [cert.fingerprint.upper() for cert in certs], "no signature")
