"""DSSE envelopes: judged by securesystemslib's own reader and by gpg, and by whatever can be done to their bytes."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as Dsse
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from repro.attest.envelope import (
    IN_TOTO,
    LARGEST,
    Envelope,
    EnvelopeSignature,
    read_envelope,
    seal,
    signed_by,
)
from repro.attest.keys import PublicKey
from repro.attest.signers import open_signer
from repro.model.errors import InvalidInput
from repro.model.text import readable_json
from tests.attest.world import GnuPG, Key, never, run

PAYLOAD = b'{"_type": "https://in-toto.io/Statement/v1"}'


def signers(keys: dict[str, Key]) -> list[Key]:
    return list(keys.values())


def public(keys: dict[str, Key]) -> list[PublicKey]:
    return [key.key for key in keys.values()]


def sslib(keys: dict[str, Key]) -> list[SSlibKey]:
    return [key.material for key in public(keys) if isinstance(key.material, SSlibKey)]


@pytest.fixture(scope="module")
def sealed(keys: dict[str, Key]) -> bytes:
    return seal(PAYLOAD, IN_TOTO, signers(keys))


def raw(data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data)
    return value


def signed(envelope: Envelope, keys: dict[str, Key]) -> list[PublicKey]:
    return signed_by(envelope, public(keys))[0]


# --- judged by others


def test_the_example_of_the_specification() -> None:
    """https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md, test vectors."""
    envelope = Envelope(b"hello world", "http://example.com/HelloWorld", ())
    assert envelope.pae() == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@given(payload=st.binary(max_size=200), payload_type=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_securesystemslib_accepts_what_we_seal(keys: dict[str, Key], payload: bytes, payload_type: str) -> None:
    data = seal(payload, payload_type, [keys["ed25519"], keys["p256"]])
    theirs = Dsse.from_dict(raw(data))
    assert (theirs.payload, theirs.payload_type) == (payload, payload_type)
    assert set(theirs.verify(sslib(keys), 2)) == {keys["ed25519"].key.keyid, keys["p256"].key.keyid}
    ours = read_envelope(data, "here")
    assert (ours.payload, ours.payload_type, ours.pae()) == (payload, payload_type, theirs.pae())
    assert signed_by(ours, public(keys)) == ([keys["ed25519"].key, keys["p256"].key], [])


def test_we_accept_what_securesystemslib_seals(keys: dict[str, Key]) -> None:
    theirs = Dsse(PAYLOAD, IN_TOTO, {})
    for each in signers(keys):
        theirs.sign(each.signer)
    envelope = read_envelope(json.dumps(theirs.to_dict()).encode(), "there")
    assert signed_by(envelope, public(keys)) == (public(keys), [])
    assert Dsse.from_dict(raw(seal(PAYLOAD, IN_TOTO, signers(keys)))).verify(sslib(keys), len(keys))


def test_gpg_agrees_on_what_it_signed(
    gpg: GnuPG, keys: dict[str, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(gpg.home))
    signer = open_signer(f"gpg:{gpg.fingerprints('rsa@example.org')[0]}", never)
    envelope = read_envelope(seal(PAYLOAD, IN_TOTO, [keys["ed25519"], signer]), "here")
    (tmp_path / "signature").write_bytes(envelope.signatures[1].sig)
    run("gpg", "--batch", "--verify", tmp_path / "signature", "-", data=envelope.pae(), env=gpg.env)
    assert signed_by(envelope, [signer.key, gpg.key("ed@example.org")]) == ([signer.key], [])
    _, subkey, _ = gpg.fingerprints("rsa@example.org")
    for keyid, count in ((subkey, 1), (signer.key.keyid.upper(), 1), (subkey[-16:], 0), (subkey[-8:], 0)):
        renamed = Envelope(PAYLOAD, IN_TOTO, (EnvelopeSignature(keyid, envelope.signatures[1].sig),))
        assert len(signed_by(renamed, [signer.key])[0]) == count


def test_the_layout_is_the_same_every_time(keys: dict[str, Key]) -> None:
    data = seal(PAYLOAD, IN_TOTO, [keys["ed25519"]])
    assert data == seal(PAYLOAD, IN_TOTO, [keys["ed25519"]])
    assert data.endswith(b"}\n")
    assert list(raw(data)) == ["payload", "payloadType", "signatures"]
    assert data == readable_json(raw(data))


def test_what_cannot_be_sealed(keys: dict[str, Key]) -> None:
    one = keys["ed25519"]
    for wrong in ([], [one, one], [one] * 65):
        with pytest.raises(InvalidInput, match="takes 1 to 64 signers, each once"):
            seal(PAYLOAD, IN_TOTO, wrong)
    with pytest.raises(InvalidInput, match="what kind of bytes"):
        seal(PAYLOAD, "", [one])
    with pytest.raises(InvalidInput, match="larger than an envelope may be"):
        seal(bytes(LARGEST), IN_TOTO, [one])


# --- who signed


def test_nobody_is_believed_for_a_key_id(keys: dict[str, Key], sealed: bytes) -> None:
    """Each signature under the id of each other key: none counts, and it is said why."""
    original = read_envelope(sealed, "here")
    for signature in original.signatures:
        for key in public(keys):
            envelope = Envelope(PAYLOAD, IN_TOTO, (EnvelopeSignature(key.keyid, signature.sig),))
            right = signature.keyid == key.keyid
            verified, why = signed_by(envelope, public(keys))
            assert verified == ([key] if right else [])
            assert bool(why) != right
            assert right or why[0].startswith(f"signature 1, said to be by {key.keyid}, does not count: ")


def test_key_ids_that_are_empty_or_unknown(keys: dict[str, Key], sealed: bytes) -> None:
    value = raw(sealed)
    for signature in value["signatures"]:
        signature["keyid"] = ""
    del value["signatures"][0]["keyid"]
    nameless = read_envelope(json.dumps(value).encode(), "here")
    assert signed_by(nameless, public(keys)) == (public(keys), [])
    assert signed_by(nameless, [keys["rsa"].key]) == ([keys["rsa"].key], [])
    for signature in value["signatures"]:
        signature["keyid"] = "0" * 64
    assert signed_by(read_envelope(json.dumps(value).encode(), "here"), public(keys)) == ([], [])


def test_a_key_counts_once_however_often_it_signed(keys: dict[str, Key]) -> None:
    one = keys["p256"]
    pae = Envelope(PAYLOAD, IN_TOTO, ()).pae()
    many = tuple(EnvelopeSignature(one.key.keyid, one.sign(pae)) for _ in range(3))
    assert len({each.sig for each in many}) == 3
    bad = EnvelopeSignature(one.key.keyid, b"nothing")
    envelope = Envelope(PAYLOAD, IN_TOTO, (bad, *many, bad))
    verified, why = signed_by(envelope, [one.key, keys["rsa"].key, one.key])
    assert verified == [one.key]
    assert [line.split(",")[0] for line in why] == ["signature 1", "signature 5"]


def test_the_id_of_in_toto_rs_names_the_key_too(keys: dict[str, Key]) -> None:
    one = keys["ed25519"]
    (alias,) = one.key.aliases
    pae = Envelope(PAYLOAD, IN_TOTO, ()).pae()
    envelope = Envelope(PAYLOAD, IN_TOTO, (EnvelopeSignature(alias, one.sign(pae)),))
    assert signed(envelope, keys) == [one.key]


def test_a_signature_over_anything_else(keys: dict[str, Key]) -> None:
    one = keys["ed25519"]
    pae = Envelope(PAYLOAD, IN_TOTO, ()).pae()
    for other in (PAYLOAD, base64.b64encode(PAYLOAD), pae[:-1], pae + b"\n", b"", pae.replace(b"v1", b"v2")):
        envelope = Envelope(PAYLOAD, IN_TOTO, (EnvelopeSignature(one.key.keyid, one.sign(other)),))
        assert signed(envelope, keys) == []


def test_payload_and_type_cannot_trade_bytes(keys: dict[str, Key]) -> None:
    one = keys["ed25519"]
    envelope = read_envelope(seal(b"a b", "t", [one]), "here")
    for payload, payload_type in ((b"b", "t 3 a"), (b"3 a b", "t"), (b"a b", "t "), (b"a b", "T")):
        assert signed(Envelope(payload, payload_type, envelope.signatures), keys) == []


def test_what_the_envelope_says_of_its_scheme_is_not_listened_to(keys: dict[str, Key]) -> None:
    """Algorithm confusion: a scheme, a key or a type of key beside the signature changes nothing."""
    for key in keys.values():
        value = raw(seal(PAYLOAD, IN_TOTO, [key]))
        pem = keys["other"].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        more = {"scheme": "none", "alg": "HS256", "keytype": "ed25519", "public": pem.decode(), "cert": pem.decode()}
        value["signatures"][0].update(more)
        value.update(more)
        assert signed(read_envelope(json.dumps(value).encode(), "here"), keys) == [key.key]
        forged = keys["other"].sign(Envelope(PAYLOAD, IN_TOTO, ()).pae())
        value["signatures"][0]["sig"] = base64.b64encode(forged).decode()
        verified = signed(read_envelope(json.dumps(value).encode(), "here"), keys)
        assert verified == ([key.key] if key is keys["other"] else [])


# --- bytes that were changed


@given(data=st.data())
def test_no_flipped_bit_verifies(keys: dict[str, Key], sealed: bytes, data: st.DataObject) -> None:
    """Of payload, type, or the signature of any kind of key."""
    envelope = read_envelope(sealed, "here")
    number = data.draw(st.integers(0, len(envelope.signatures) - 1))
    signature = envelope.signatures[number]
    key = public(keys)[number]
    part = data.draw(st.sampled_from(["payload", "type", "signature"]))
    old = {"payload": PAYLOAD, "type": IN_TOTO.encode(), "signature": signature.sig}[part]
    at = data.draw(st.integers(0, len(old) * 8 - 1))
    new = bytearray(old)
    new[at // 8] ^= 1 << at % 8
    if part == "type" and new[at // 8] > 127:
        return  # no text any more
    changed = Envelope(
        bytes(new) if part == "payload" else PAYLOAD,
        new.decode() if part == "type" else IN_TOTO,
        (EnvelopeSignature(signature.keyid, bytes(new) if part == "signature" else signature.sig),),
    )
    assert signed_by(changed, [key])[0] == []
    assert signed_by(Envelope(PAYLOAD, IN_TOTO, (signature,)), [key])[0] == [key]


@given(st.data())
def test_a_changed_byte_of_the_file_changes_no_meaning(keys: dict[str, Key], data: st.DataObject) -> None:
    """Whatever becomes of a file with one byte changed: it is refused, it says the same, or it has lost a signer."""
    sealed = seal(PAYLOAD, IN_TOTO, [keys["ed25519"]])
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + bytes([data.draw(st.integers(0, 255))]) + sealed[at + 1 :]
    try:
        envelope = read_envelope(changed, "here")
    except InvalidInput as error:
        assert error.message.startswith("here: ")
        return
    if signed(envelope, keys):
        assert (envelope.payload, envelope.payload_type) == (PAYLOAD, IN_TOTO)
        with pytest.raises((VerificationError, ValueError)):
            Dsse.from_dict({**raw(sealed), "payload": "AAAA"}).verify(sslib(keys), 1)


def test_truncated_at_every_byte(sealed: bytes) -> None:
    assert read_envelope(sealed[:-1], "here")  # without the line's end
    for cut in range(len(sealed) - 1):
        with pytest.raises(InvalidInput, match=r"^here: not a DSSE envelope"):
            read_envelope(sealed[:cut], "here")


# --- what is no envelope


def refused(data: bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        read_envelope(data, "FILE")
    assert caught.value.message.startswith("FILE: ")
    assert len(caught.value.message) < 400


def with_changed(data: bytes, **more: Any) -> bytes:
    return json.dumps({**raw(data), **more}).encode()


def test_keys_that_stand_twice(sealed: bytes) -> None:
    text = sealed.decode()
    for key in ("payload", "payloadType", "signatures", "keyid", "sig"):
        twice = text.replace(f'"{key}": ', f'"{key}": "", "{key}": ', 1)
        assert twice != text
        refused(twice.encode(), f"the key '{key}' stands twice")
    refused(text.replace('"payload"', '"x": [{"y": {"z": 1, "z": 1}}], "payload"').encode(), "the key 'z' stands twice")
    refused(text.replace('"payload"', '"pay\\u006coad": "", "payload"').encode(), "the key 'payload' stands twice")


@pytest.mark.parametrize("value", [None, [], 1, "text", {}, [[]], {"payload": "", "payloadType": "t"}])
def test_other_shapes(value: Any) -> None:
    refused(json.dumps(value).encode(), "not a DSSE envelope")


@pytest.mark.parametrize("key", ["payload", "payloadType", "signatures"])
@pytest.mark.parametrize(
    "value", [None, 1, True, [], {}, [1], [None], [{}], [{"keyid": ""}], [{"sig": 1}], [{"sig": ""}]]
)
def test_other_values(sealed: bytes, key: str, value: Any) -> None:
    refused(with_changed(sealed, **{key: value}), "not a DSSE envelope")
    short = raw(sealed)
    del short[key]
    refused(json.dumps(short).encode(), f"not a DSSE envelope: KeyError: '{key}'")


def test_other_values_of_a_signature(sealed: bytes) -> None:
    good = raw(sealed)["signatures"][0]
    for wrong in ({"keyid": None}, {"keyid": 1}, {"keyid": "\ud800"}, {"sig": None}, {"sig": ["A"]}, {"sig": "é"}):
        refused(with_changed(sealed, signatures=[{**good, **wrong}]), "not a DSSE envelope")
    refused(with_changed(sealed, payloadType="\udfff"), "not a DSSE envelope")
    refused(with_changed(sealed, payloadType=""), "not a DSSE envelope")


def test_limits(sealed: bytes) -> None:
    good = raw(sealed)["signatures"][0]
    assert len(read_envelope(with_changed(sealed, signatures=[good] * 64), "here").signatures) == 64
    refused(with_changed(sealed, signatures=[good] * 65), "65 signatures, where 1 to 64 may be")
    refused(with_changed(sealed, signatures=[]), "0 signatures")
    refused(b" " * (LARGEST + 1), "larger than an envelope may be")
    assert read_envelope(sealed + b" " * (LARGEST - len(sealed)), "here")
    refused(b"[" * 200_000, "nested too deeply")
    refused(
        sealed.replace(b'"payload"', b'"x": ' + b"[" * 99 + b"]" * 99 + b', "y": NaN, "payload"'), "NaN is not JSON"
    )


def test_keys_that_the_specification_does_not_know(keys: dict[str, Key], sealed: bytes) -> None:
    value = raw(sealed)
    value["later"] = {"x": [1, 2.5, None]}
    value["signatures"][0]["timestamp"] = "x"
    assert signed(read_envelope(json.dumps(value).encode(), "here"), keys) == public(keys)


def payload_of(encoded: str) -> bytes:
    value = {"payload": encoded, "payloadType": "t", "signatures": [{"sig": "AA=="}]}
    return read_envelope(json.dumps(value).encode(), "here").payload


@given(st.binary(max_size=60))
def test_both_alphabets_of_base64(data: bytes) -> None:
    assert payload_of(base64.b64encode(data).decode()) == data
    assert payload_of(base64.urlsafe_b64encode(data).decode()) == data


@pytest.mark.parametrize(
    "wrong",
    ["A", "AA", "AAA", "AA=", "A===", "AAAA=", "AA==AA==", "AAAA====", "AB==", "AAB=", "+/-_", "A A=", " AAAA",
     "AAAA\n", "AA\n==", "AAA\u0660", "=", "A*==", "\uff21AAA", "=AAA"],
)  # fmt: skip
def test_what_is_no_base64(wrong: str) -> None:
    with pytest.raises(InvalidInput, match="not a DSSE envelope"):
        payload_of(wrong)


@given(st.text(st.sampled_from("AB+/-_="), max_size=9))
def test_base64_has_one_form_of_each_alphabet(text: str) -> None:
    """As judged by Python's lenient decoder and its two encoders."""
    try:
        data = payload_of(text)
    except InvalidInput:
        for plain, encode in ((text, base64.b64encode), (text.translate({45: "+", 95: "/"}), base64.urlsafe_b64encode)):
            with contextlib.suppress(binascii.Error):
                assert encode(binascii.a2b_base64(plain)).decode() != text
    else:
        assert text in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode())


@given(st.binary(max_size=100), st.integers(0, 2**32))
def test_anything_is_read_or_refused(data: bytes, seed: int) -> None:
    with pytest.raises(InvalidInput):
        read_envelope(data, "here")
    words = ['{"payload":', '"payloadType":', '"signatures":', '"AAAA"', "[", "]", "{", "}", ",", '{"sig":', "null"]
    choice = random.Random(seed)
    try:
        read_envelope("".join(choice.choices(words, k=12)).encode(), "here")
    except InvalidInput as error:
        assert error.message.startswith("here: ")
