"""Public keys: every form that is read, what is refused, and that no key's signature passes as another's."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pysequoia import ArmorKind, armor
from securesystemslib.signer import SSlibKey

from repro.attest.keys import LARGEST, PublicKey, each_once, public_pem, raw_ed25519, read_public_keys
from repro.model.errors import IntegrityFailure, InvalidInput
from tests.attest.world import DATA, KINDS, GnuPG, Key, run

TEXT = b"what is signed\r\n"


def pem(public: object) -> bytes:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


def refused(data: bytes, why: str, hint: str = "") -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        read_public_keys(data, "KEYFILE")
    assert caught.value.message.startswith("KEYFILE")
    assert hint in caught.value.hint


@pytest.fixture(scope="module")
def openpgp_key(gpg: GnuPG) -> PublicKey:
    return gpg.key("ed@example.org")


def ago(days: int) -> tuple[str, str]:
    """What makes gpg believe that it is so many days earlier."""
    return "--faked-system-time", (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%dT%H%M%S")


def fails(key: PublicKey, signature: bytes, data: bytes, why: str = "signature|key") -> None:
    with pytest.raises(IntegrityFailure, match=why):
        key.verify(signature, data)


# --- PEM


def test_the_key_of_reproduce_debian_net_has_the_id_that_its_statements_name() -> None:
    (key,) = read_public_keys((DATA / "reproduce-debian-net-amd64.pub").read_bytes(), "there")
    assert key.kind == "ed25519"
    assert key.aliases == {"2980aa6249ad89ce0ef0f0f5e6d0896214301b2818aad33443444cf460df6ed6"}


def test_the_key_of_reproducible_archlinux_has_line_ends_of_another_system() -> None:
    data = (DATA / "reproducible-archlinux.pub").read_bytes()
    (key,) = read_public_keys(data, "there")
    assert key.aliases == {"1ae6d32cb5bb8a98312106de28e50af7e09a9b294d51df459537908ac1288b8f"}
    assert public_pem(key, in_toto_rs=True).encode() == data.replace(b"\r\n", b"\n")


def test_both_forms_of_an_ed25519_key_are_one_key(keys: dict[str, Key]) -> None:
    key = keys["ed25519"].key
    standard, other = public_pem(key), public_pem(key, in_toto_rs=True)
    assert standard.encode() == pem(keys["ed25519"].private.public_key())
    assert base64.b64decode(other.splitlines()[1])[:14].hex() == "302c300706032b65700500032100"
    assert read_public_keys((standard + other).encode(), "here") == (key,)
    assert run("openssl", "pkey", "-pubin", "-pubout", data=standard.encode()) == standard.encode()
    assert raw_ed25519(key) == keys["ed25519"].private.public_key().public_bytes_raw()


def test_ids_are_those_of_securesystemslib(keys: dict[str, Key]) -> None:
    for name, each in keys.items():
        assert each.key.keyid == SSlibKey.from_crypto(each.private.public_key()).keyid
        assert len(each.key.aliases) == (name in ("ed25519", "other"))
        assert each.key.comment == ""
    assert len({each.key for each in keys.values()}) == len(keys)


def test_several_blocks_and_lines_in_one_file(keys: dict[str, Key], ssh_keys: dict[str, Path]) -> None:
    line = ssh_keys["ed25519"].with_suffix(".pub").read_bytes()
    data = b"# all of us\n\n" + b"".join(pem(each.private.public_key()) for each in keys.values()) + b"\n" + line
    found = read_public_keys(data, "here")
    assert [key.keyid for key in found[:-1]] == [each.key.keyid for each in keys.values()]
    assert found[-1].comment == "ed25519 of a test"
    assert found[0].comment == ""  # an empty line is between


def test_a_comment_line_right_before_a_block_is_the_keys_comment(keys: dict[str, Key]) -> None:
    data = (
        b"# somebody\n" + public_pem(keys["other"].key).encode() + b"#else\n" + public_pem(keys["ed25519"].key).encode()
    )
    assert [key.comment for key in read_public_keys(data, "here")] == ["somebody", "else"]
    assert read_public_keys(data.replace(b"\n", b"\r\n"), "here") == read_public_keys(data, "here")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: pem(rsa.generate_private_key(65537, 1024).public_key()), "RSA key of 1024 bits"),
        (lambda: pem(dsa.generate_private_key(2048).public_key()), "DSA key, which is too weak"),
        (lambda: pem(ec.generate_private_key(ec.SECP256K1()).public_key()), "unsupported curve 'secp256k1'"),
        (lambda: pem(ec.generate_private_key(ec.SECP224R1()).public_key()), "unsupported curve 'secp224r1'"),
        (lambda: pem(ed448.Ed448PrivateKey.generate().public_key()), "unsupported key"),
        (lambda: pem(x25519.X25519PrivateKey.generate().public_key()), "unsupported key"),
    ],
)
def test_weak_and_unknown_kinds(wrong, why: str) -> None:  # type: ignore[no-untyped-def]
    refused(wrong(), why)


def test_what_is_not_a_public_key(keys: dict[str, Key]) -> None:
    good = public_pem(keys["ed25519"].key).encode()
    refused(b"", "no public key in it", "PEM")
    refused(b"\n# nothing\n", "no public key in it")
    refused(b"hello world\n", "not a public key of a known kind: hello")
    refused(b"\x00\x01\x02", "not a public key of a known kind")
    refused(good + b"hello world\n", "not a public key of a known kind: hello")
    refused(good.replace(b"-----END PUBLIC KEY-----\n", b""), "cut short")
    refused(good + good[:40], "cut short")
    refused(good.replace(b"MCow", b"M!ow"), "cut short or damaged")
    refused(good.replace(b"=\n", b"\n"), "base64 of a PEM block is broken")
    refused(good.replace(b"MCow", b"MCo"), "base64 of a PEM block is broken")
    refused(good.replace(b"MCow", b"MCoAAAAA"), "holds no public key that can be read")
    refused(good.replace(b"PUBLIC", b"RSA PUBLIC"), "PEM block RSA PUBLIC KEY", "openssl")
    refused(good.replace(b"PUBLIC KEY", b"CERTIFICATE"), "PEM block CERTIFICATE", "openssl")
    refused(b"#" * (LARGEST + 1), "larger than 1 MiB")
    refused("# schlüssel\n".encode("latin-1") + good, "not a public key")


def test_many_beginnings_cost_little() -> None:
    end = b"-----END PUBLIC KEY-----\n"
    begin = b"-----BEGIN PUBLIC KEY-----\n"
    refused(end * 20_000 + begin * 15_000, "cut short")


def test_private_keys_are_told_apart(keys: dict[str, Key], ssh_keys: dict[str, Path], gpg: GnuPG) -> None:
    for data in (keys["ed25519"].pem(), ssh_keys["rsa"].read_bytes(), b"-----BEGIN EC PRIVATE KEY-----\n"):
        refused(data, "this is a private key", ".pub")
    refused(gpg("--armor", "--export-secret-keys", "ed@example.org"), "this is a private key")
    refused(gpg("--export-secret-keys", "ed@example.org"), "this is a private key", "gpg --export")


@given(cut=st.integers(0, 120))
def test_a_truncated_pem_file_gives_no_other_key(cut: int) -> None:
    data = (DATA / "reproduce-debian-net-amd64.pub").read_bytes()
    whole = read_public_keys(data, "whole")
    try:
        assert read_public_keys(data[:cut], "cut") == whole
        assert cut >= len(data) - 1
    except InvalidInput:
        assert cut < len(data) - 1


@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_anything_is_read_or_refused(data: bytes) -> None:
    for head in (b"", b"ssh-ed25519 ", b"-----BEGIN PUBLIC KEY-----\n", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"):
        with pytest.raises(InvalidInput):
            read_public_keys(head + data, "here")


# --- OpenSSH


@pytest.mark.parametrize("kind", KINDS)
def test_openssh_lines(ssh_keys: dict[str, Path], kind: str) -> None:
    line = ssh_keys[kind].with_suffix(".pub").read_bytes()
    (key,) = read_public_keys(b"# ours\n\n" + line, "here")
    assert key.kind == KINDS[kind][0]
    assert key.comment == f"{kind} of a test"
    if kind != "ed25519":  # which ssh-keygen does not write in PEM
        converted = run("ssh-keygen", "-e", "-m", "PKCS8", "-f", ssh_keys[kind].with_suffix(".pub"))
        assert read_public_keys(converted, "there") == (key,)
    (bare,) = read_public_keys(b" ".join(line.split()[:2]), "here")
    assert (bare, bare.comment) == (key, "")


def test_openssh_lines_that_are_refused(ssh_keys: dict[str, Path], tmp_path: Path) -> None:
    line = ssh_keys["ed25519"].with_suffix(".pub").read_bytes()
    refused(b"sk-ssh-ed25519@openssh.com AAAA me\n", "security key", "counter")
    refused(b"sk-ecdsa-sha2-nistp256@openssh.com AAAA me\n", "security key")
    refused(b"ssh-dss AAAA me\n", "not a public key of a known kind: ssh-dss")
    refused(b'command="ls" ' + line, "not a public key of a known kind")
    refused(line.replace(b"ssh-ed25519 ", b"ssh-rsa ", 1), "not an OpenSSH public key")
    refused(line[:40], "not an OpenSSH public key")
    refused(b"\n" + line + b"ssh-ed25519\n", "key line 3: not an OpenSSH public key")
    weak = rsa.generate_private_key(65537, 1024).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    refused(weak, "RSA key of 1024 bits")
    authority = ssh_keys["ed25519"]
    mine = tmp_path / "certified.pub"
    mine.write_bytes(line)
    run("ssh-keygen", "-q", "-s", authority, "-I", "me", mine)
    refused((tmp_path / "certified-cert.pub").read_bytes(), "known kind: ssh-ed25519-cert-v01@openssh.com")


# --- OpenPGP


def test_openpgp_certificates(gpg: GnuPG) -> None:
    primary, signing, encrypting = gpg.fingerprints("rsa@example.org")
    key = gpg.key("rsa@example.org")
    assert (key.kind, key.keyid, key.comment) == ("openpgp", primary.lower(), "rsa <rsa@example.org>")
    assert key.aliases == {signing.lower(), encrypting.lower()}
    assert read_public_keys(gpg("--armor", "--export", "rsa@example.org"), "here") == (key,)
    both = read_public_keys(gpg("--export"), "here")
    assert {gpg.key("ed@example.org"), key} <= set(both)
    assert len(read_public_keys(gpg("--armor", "--export", "ed@example.org", "rsa@example.org") * 2, "here")) == 2
    key.verify(gpg.sign("rsa@example.org", TEXT), TEXT)
    fails(gpg.key("ed@example.org"), gpg.sign("rsa@example.org", TEXT), TEXT, "does not verify")


def test_openpgp_signatures_that_do_not_count(gpg: GnuPG) -> None:
    key = gpg.key("ed@example.org")
    good = gpg.sign("ed@example.org", TEXT)
    key.verify(good, TEXT)
    fails(key, good, TEXT + b"x", "does not verify")
    fails(key, good, TEXT.replace(b"\r\n", b"\n"), "does not verify")
    fails(key, good + good, TEXT, "not exactly one")
    fails(key, good + gpg.sign("rsa@example.org", TEXT), TEXT, "not exactly one")
    fails(key, b"", TEXT, "not exactly one")
    fails(key, armor(good, ArmorKind.Signature).encode(), TEXT, "not exactly one")
    fails(key, good + b"x", TEXT)
    fails(key, gpg("--export", "ed@example.org"), TEXT, "not exactly one")
    fails(key, gpg.sign("ed@example.org", TEXT, "--textmode"), TEXT, "not a signature of binary data")
    fails(key, gpg.sign("ed@example.org", TEXT, "--digest-algo", "SHA1"), TEXT, "does not verify")
    fails(key, gpg("--local-user", "ed@example.org", "--output", "-", "--sign", data=TEXT), TEXT)
    for cut in range(len(good)):
        fails(key, good[:cut], TEXT)


def test_a_key_that_had_expired_and_one_that_expired_since(gpg: GnuPG) -> None:
    fingerprint = gpg.make("old", "ed25519", "sign", "10d", *ago(20))
    key = gpg.key("old@example.org")
    assert key.comment == "old <old@example.org>"
    key.verify(gpg.sign("old@example.org", TEXT, *ago(15)), TEXT)
    # gpg does not sign with an expired key: so it is given a longer life, of which we do not hear
    gpg(*ago(14), "--quick-set-expire", fingerprint, "12d")
    late = gpg.sign("old@example.org", TEXT, *ago(3))
    gpg.key("old@example.org").verify(late, TEXT)
    fails(key, late, TEXT, "had expired at")


def test_a_key_made_after_the_signature(gpg: GnuPG) -> None:
    gpg.make("young", "ed25519")
    early = gpg.sign("young@example.org", TEXT, *ago(1), "--ignore-time-conflict")
    assert early
    fails(gpg.key("young@example.org"), early, TEXT)


def test_a_revoked_key_and_a_copy_without_the_revocation(gpg: GnuPG) -> None:
    fingerprint = gpg.make("lost", "ed25519")
    before = gpg.key("lost@example.org")
    signature = gpg.sign("lost@example.org", TEXT)
    before.verify(signature, TEXT)
    gpg.revoke(fingerprint)
    after = gpg.key(fingerprint)
    fails(after, signature, TEXT, "the key is revoked")
    assert before == after
    for order in ((before, after), (after, before)):
        (one,) = each_once(order)
        fails(one, signature, TEXT, "the key is revoked")


@pytest.mark.parametrize("reason", [0, 1, 2, 3])  # none, lost, superseded, no longer used
def test_a_subkey_that_was_revoked(gpg: GnuPG, reason: int) -> None:
    """For a reason that is no loss Sequoia lets stand what was signed before: here the dates prove nothing."""
    name = f"sub{reason}@example.org"
    fingerprint = gpg.make(f"sub{reason}", "ed25519", "cert", "0", *ago(3))
    gpg(*ago(3), "--quick-add-key", fingerprint, "ed25519", "sign", "0")
    before = gpg.key(name)
    signature = gpg.sign(name, TEXT, *ago(2))
    before.verify(signature, TEXT)
    commands = f"key 1\nrevkey\ny\n{reason}\n\ny\nsave\n".encode()
    gpg("--command-fd", "0", "--no-batch", "--edit-key", fingerprint, data=commands)
    fails(gpg.key(name), signature, TEXT, "revoked" if reason > 1 else "does not verify")


def test_a_subkey_may_expire_before_its_primary_key(gpg: GnuPG) -> None:
    fingerprint = gpg.make("brief", "ed25519", "cert", "0", *ago(20))
    gpg(*ago(20), "--quick-add-key", fingerprint, "ed25519", "sign", "10d")
    short = gpg.key("brief@example.org")
    subkey = gpg.fingerprints("brief@example.org")[1]
    gpg(*ago(15), "--quick-set-expire", fingerprint, "30d", subkey)
    late = gpg.sign("brief@example.org", TEXT, *ago(3))
    gpg.key("brief@example.org").verify(late, TEXT)
    fails(short, late, TEXT)


@pytest.mark.parametrize(
    ("kind", "why"), [("rsa1024", "RSA of 1024 bits"), ("dsa2048", "of the kind DSA"), ("secp256k1", "No binding")]
)
def test_weak_openpgp_keys(gpg: GnuPG, kind: str, why: str) -> None:
    gpg.make(f"weak-{kind}", kind)
    refused(gpg("--export", f"weak-{kind}@example.org"), f"is not acceptable: {why}")


def test_openpgp_files_that_are_refused(gpg: GnuPG, keys: dict[str, Key], ssh_keys: dict[str, Path]) -> None:
    armored = gpg("--armor", "--export", "ed@example.org")
    refused(armored + public_pem(keys["ed25519"].key).encode(), "other keys in one file", "two files")
    refused(ssh_keys["ed25519"].with_suffix(".pub").read_bytes() + armored, "other keys in one file")
    refused(armored.replace(b"-----END PGP PUBLIC KEY BLOCK-----\n", b""), "cut short")
    binary = gpg("--export", "ed@example.org")
    whole = read_public_keys(binary, "whole")
    for cut in range(len(binary)):
        with contextlib.suppress(InvalidInput):
            assert read_public_keys(binary[:cut], "cut") == whole
        with contextlib.suppress(InvalidInput):
            assert read_public_keys(armored[:cut], "cut") == whole


# --- no key's signature passes as another's


def test_every_kind_verifies_its_own_and_nobody_elses(keys: dict[str, Key], gpg: GnuPG) -> None:
    signatures = {name: each.sign(TEXT) for name, each in keys.items()}
    signatures["openpgp"] = gpg.sign("ed@example.org", TEXT)
    public = {name: each.key for name, each in keys.items()} | {"openpgp": gpg.key("ed@example.org")}
    for name, key in public.items():
        for other, signature in signatures.items():
            if other == name:
                key.verify(signature, TEXT)
                fails(key, signature, TEXT + b".")
            else:
                fails(key, signature, TEXT)


def test_no_weaker_scheme_of_the_same_key_counts(keys: dict[str, Key]) -> None:
    private = keys["rsa"].private
    assert isinstance(private, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    keys["rsa"].key.verify(private.sign(TEXT, pss, hashes.SHA256()), TEXT)
    fails(keys["rsa"].key, private.sign(TEXT, padding.PKCS1v15(), hashes.SHA256()), TEXT)
    fails(keys["rsa"].key, private.sign(TEXT, padding.PSS(padding.MGF1(hashes.SHA1()), 20), hashes.SHA1()), TEXT)
    curve = keys["p384"].private
    assert isinstance(curve, ec.EllipticCurvePrivateKey)
    fails(keys["p384"].key, curve.sign(TEXT, ec.ECDSA(hashes.SHA256())), TEXT)


def test_an_hmac_with_the_public_key_as_its_secret(keys: dict[str, Key]) -> None:
    for each in keys.values():
        public = each.private.public_key()
        for secret in (pem(public), public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)):
            for digest in ("sha256", "sha512"):
                fails(each.key, hmac.digest(secret, TEXT, digest), TEXT)
    raw = raw_ed25519(keys["ed25519"].key)
    fails(keys["ed25519"].key, hmac.digest(raw, TEXT, "sha512"), TEXT)


@given(signature=st.binary(max_size=300))
def test_no_other_bytes_are_a_signature(keys: dict[str, Key], openpgp_key: PublicKey, signature: bytes) -> None:
    for key in (*(each.key for each in keys.values()), openpgp_key):
        fails(key, signature, TEXT)
        fails(key, b"\x88" + signature, TEXT)  # begins as an OpenPGP signature does


def test_other_kinds_have_no_ed25519_form(keys: dict[str, Key], gpg: GnuPG) -> None:
    for key in (keys["rsa"].key, keys["p256"].key, gpg.key("ed@example.org")):
        with pytest.raises(InvalidInput, match=f"of the kind {key.kind}; this takes an ed25519 key"):
            public_pem(key)


def test_a_key_shows_nothing_but_its_names(keys: dict[str, Key]) -> None:
    key = keys["ed25519"].key
    assert re.fullmatch(
        r"PublicKey\(kind='ed25519', keyid='[0-9a-f]{64}', aliases=frozenset\(.*\), comment=''\)", repr(key)
    )
    assert hash(key) == hash(PublicKey(key.kind, key.keyid, frozenset(), "other", key.material))
    described = '{"keytype":"ed25519","keyval":{"public":"' + raw_ed25519(key).hex() + '"},"scheme":"ed25519"}'
    assert hashlib.sha256(described.encode()).hexdigest() == key.keyid
    assert Ed25519PublicKey.from_public_bytes(raw_ed25519(key))
