"""Signers of every make: what they sign is verified by other programs, and their secrets stay with them."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from repro.attest.keys import public_pem, raw_ed25519, read_public_keys
from repro.attest.signers import KeyFiles, Signer, generate, open_signer
from repro.model.errors import InvalidInput
from tests.attest.world import KINDS, GnuPG, Key, never, run, ssh_agent, ssh_key

TEXT = b"DSSEv1 1 t 7 payload"
SECRET = "correct horse"


def refused(spec: str | Path, why: str, hint: str = "", ask=never) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput, match=why) as caught:
        open_signer(str(spec), ask)
    assert hint in caught.value.hint
    assert SECRET not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__!r}"


def openssl_verifies(signer: Signer, folder: Path, *options: str) -> None:
    """Raises AssertionError unless OpenSSL agrees that `signer` signed TEXT."""
    (folder / "text").write_bytes(TEXT)
    (folder / "signature").write_bytes(signer.sign(TEXT))
    pem = public_pem(signer.key) if signer.key.kind == "ed25519" else signer.key.material.keyval["public"]  # type: ignore[union-attr]
    (folder / "key.pem").write_text(pem)
    key = ("-pubin", "-inkey", folder / "key.pem", "-sigfile", folder / "signature", *options)
    assert b"Verified Successfully" in run("openssl", "pkeyutl", "-verify", "-rawin", "-in", folder / "text", *key)


OPENSSL = {
    "ed25519": (),
    "ecdsa-256": ("-digest", "sha256"),
    "ecdsa-384": ("-digest", "sha384"),
    "ecdsa-521": ("-digest", "sha512"),
    "rsa": ("-digest", "sha256", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_ssh_keygen(ssh_keys: dict[str, Path], tmp_path: Path, kind: str) -> None:
    signer = open_signer(str(ssh_keys[kind]), never)
    assert (signer.key,) == read_public_keys(ssh_keys[kind].with_suffix(".pub").read_bytes(), "there")
    openssl_verifies(signer, tmp_path, *OPENSSL[kind])
    assert SECRET not in repr(signer)
    assert "private" not in repr(signer).lower()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-384", "rsa"])
@pytest.mark.parametrize("form", ["RFC4716", "PKCS8"])
def test_files_with_a_passphrase(tmp_path: Path, kind: str, form: str) -> None:
    path = ssh_key(tmp_path, kind, SECRET, "-m", form)
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return SECRET

    signer = open_signer(str(path), ask)
    assert asked == [f"Passphrase of {path}: "]
    assert (signer.key,) == read_public_keys(path.with_suffix(".pub").read_bytes(), "there")
    openssl_verifies(signer, tmp_path, *OPENSSL[kind])
    refused(path, "wrong passphrase, or the private key is damaged", ask=lambda prompt: SECRET + ".")
    refused(path, "takes a passphrase, and none was given", ask=lambda prompt: "")


@pytest.mark.parametrize("passphrase", ["", SECRET])
def test_pkcs8(keys: dict[str, Key], tmp_path: Path, passphrase: str) -> None:
    for name, key in keys.items():
        encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        path = tmp_path / name
        path.write_bytes(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        path.chmod(0o600)
        signer = open_signer(str(path), (lambda prompt: passphrase) if passphrase else never)
        assert signer.key == key.key
        key.key.verify(signer.sign(TEXT), TEXT)


def rebuilderd(private: Ed25519PrivateKey, public: bytes) -> bytes:
    """PKCS#8 with the public key behind, as ring writes it for rebuilderd."""
    der = bytes.fromhex("3051020101300506032b657004220420") + private.private_bytes_raw()
    body = base64.encodebytes(der + bytes.fromhex("812100") + public).decode().replace("\n", "\r\n")
    return f"-----BEGIN PRIVATE KEY-----\r\n{body}-----END PRIVATE KEY-----\r\n".encode()


def test_the_private_key_of_rebuilderd(keys: dict[str, Key], tmp_path: Path) -> None:
    private = keys["ed25519"].private
    assert isinstance(private, Ed25519PrivateKey)
    path = tmp_path / "rebuilderd.key"
    path.write_bytes(rebuilderd(private, private.public_key().public_bytes_raw()))
    path.chmod(0o600)
    signer = open_signer(str(path), never)
    assert signer.key == keys["ed25519"].key
    openssl_verifies(signer, tmp_path)
    path.write_bytes(rebuilderd(private, raw_ed25519(keys["other"].key)))
    refused(path, "do not belong together")


def test_files_that_are_refused(ssh_keys: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(ssh_keys["ed25519"].read_bytes())
    for mode in (0o640, 0o604, 0o601, 0o660, 0o777):
        path.chmod(mode)
        refused(path, f"others may read this private key \\(mode {mode:04o}\\)", f"chmod 600 {path}")
    path.chmod(0o400)
    assert open_signer(str(path), never)
    path.chmod(0o600)
    refused("", "no key to sign with", "gpg:FINGERPRINT")
    refused("gpg:", "no key to sign with")
    refused("agent:", "no key to sign with")
    refused(tmp_path / "none", "cannot be read: No such file")
    refused(tmp_path, "cannot be read: Is a directory")
    refused("nul\0nul", "null byte|embedded")
    os.mkfifo(tmp_path / "pipe", 0o600)
    refused(tmp_path / "pipe", "not a file")
    for data, why in (
        (b"", "not a private key"),
        (ssh_keys["ed25519"].with_suffix(".pub").read_bytes(), "not a private key"),
        (ssh_keys["ed25519"].read_bytes()[:200], "damaged"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
        (b"-----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY-----\n", "base64 of the private key is broken"),
        (b"x" * (1 << 20) + b"x", "larger than 1 MiB"),
    ):
        path.write_bytes(data)
        refused(path, why)
    old = ssh_key(tmp_path, "rsa", "", "-m", "PEM")
    refused(old, "in an old format", "ssh-keygen -p")
    weak = run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    path.write_bytes(weak)
    refused(path, "RSA key of 1024 bits")


def test_what_does_not_verify_is_not_given_out(keys: dict[str, Key]) -> None:
    from repro.attest.signers import _Checked  # noqa: PLC0415
    from repro.model.errors import IntegrityFailure  # noqa: PLC0415

    with pytest.raises(IntegrityFailure, match=r"what was signed by [0-9a-f]{64} is no good"):
        _Checked(keys["ed25519"].key, keys["other"].sign).sign(TEXT)


# --- new keys


@pytest.fixture
def made(tmp_path: Path) -> KeyFiles:
    return generate(tmp_path / "mine", SECRET, "me at home")


def test_a_new_key(made: KeyFiles, tmp_path: Path) -> None:
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert names == {"mine.key": 0o600, "mine.pub": 0o644, "mine.in-toto.pub": 0o644}
    (public,) = read_public_keys(made.public.read_bytes(), "public")
    (other,) = read_public_keys(made.in_toto.read_bytes(), "in-toto")
    assert public == other == made.key
    assert public.comment == made.key.comment == "me at home"
    assert load_pem_public_key(made.public.read_bytes())
    assert run("openssl", "pkey", "-pubin", "-pubout", "-in", made.public).decode() == public_pem(made.key)
    assert made.in_toto.read_text() == public_pem(made.key, in_toto_rs=True)
    assert made.private.read_bytes().startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    line = run("ssh-keygen", "-y", "-P", SECRET, "-f", made.private)
    assert read_public_keys(line, "ssh-keygen") == (made.key,)
    refused(made.private, "wrong passphrase", ask=lambda prompt: "wrong")
    openssl_verifies(open_signer(str(made.private), lambda prompt: SECRET), tmp_path)


def test_a_new_key_without_a_passphrase_is_a_decision(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="without a passphrase"):
        generate(tmp_path / "bare", "", "")
    assert list(tmp_path.iterdir()) == []
    made = generate(tmp_path, "", "", unprotected=True)
    assert made.private == tmp_path / "repro.key"
    assert made.public.read_text() == public_pem(made.key)
    assert open_signer(str(made.private), never).key == made.key


@pytest.mark.parametrize("taken", ["mine.key", "mine.pub", "mine.in-toto.pub"])
@pytest.mark.parametrize("how", ["file", "link", "folder"])
def test_a_new_key_overwrites_nothing(tmp_path: Path, taken: str, how: str) -> None:
    path = tmp_path / taken
    if how == "file":
        path.write_bytes(b"precious")
    elif how == "link":
        path.symlink_to("nowhere")
    else:
        path.mkdir()
    with pytest.raises(InvalidInput, match="is there already, and a key is never overwritten"):
        generate(tmp_path / "mine", SECRET, "")
    assert [each.name for each in tmp_path.iterdir()] == [taken]
    assert how != "file" or path.read_bytes() == b"precious"


def test_a_new_key_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process takes the name of the private key at the last moment."""
    link = os.link

    def late(source: str, target: Path) -> None:
        if target.suffix == ".key":
            target.write_bytes(b"of another")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(InvalidInput, match=r"cannot be written: .*: File exists"):
        generate(tmp_path / "mine", SECRET, "")
    assert [each.name for each in tmp_path.iterdir()] == ["mine.key"]
    assert (tmp_path / "mine.key").read_bytes() == b"of another"


def test_new_keys_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot be written: .*No such file"):
        generate(tmp_path / "none" / "mine", SECRET, "")
    for comment in ("two\nlines", "\x1b[1m", "-----BEGIN PUBLIC KEY-----", "x" * 201):
        with pytest.raises(InvalidInput, match="the comment must be one line"):
            generate(tmp_path / "mine", SECRET, comment)
    assert list(tmp_path.iterdir()) == []


# --- ssh-agent


@pytest.fixture
def agent(made: KeyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyFiles]:
    """An ssh-agent that holds a new key of ours, which ssh-add took, an RSA key, and no file of either."""
    with ssh_agent(tmp_path) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        asking = tmp_path / "ask"
        asking.write_text(f"#!/bin/sh\necho '{SECRET}'\n")
        asking.chmod(0o700)
        add = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": socket}
        run("ssh-add", ssh_key(tmp_path, "rsa"), env=add)
        run("ssh-add", made.private, env={**add, "SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force"})
        made.private.unlink()
        yield made


def fingerprint(public: Path) -> str:
    return run("ssh-keygen", "-l", "-f", public).decode().split()[1]


def test_ssh_agent(agent: KeyFiles, tmp_path: Path) -> None:
    by_file = open_signer(f"agent:{agent.public}", never)
    assert by_file.key == agent.key
    openssl_verifies(by_file, tmp_path)
    line = tmp_path / "line.pub"
    line.write_bytes(next(each for each in run("ssh-add", "-L").splitlines(True) if b"ed25519" in each))
    by_print = open_signer(f"agent:{fingerprint(line)}", never)
    assert by_print.key == agent.key
    assert by_print.sign(TEXT) == by_file.sign(TEXT)
    assert open_signer(f"agent:{line}", never).key == agent.key


def test_ssh_agent_without_the_key(agent: KeyFiles, ssh_keys: dict[str, Path], tmp_path: Path) -> None:
    refused(f"agent:{ssh_keys['ed25519'].with_suffix('.pub')}", "has no ed25519 key", "ssh-add -l")
    refused(f"agent:{fingerprint(ssh_keys['ed25519'].with_suffix('.pub'))}", "has no ed25519 key SHA256:")
    refused("agent:SHA256:", "has no ed25519 key")
    refused(f"agent:{fingerprint(tmp_path / 'rsa.pub')}", "has no ed25519 key")  # it has an RSA key of this name
    refused(f"agent:{tmp_path / 'rsa.pub'}", "not one ed25519 key")
    refused(f"agent:{tmp_path / 'none'}", "cannot be read: .*No such file", "agent:SHA256:")
    refused(f"agent:{ssh_keys['ed25519']}", "this is a private key")
    signer = open_signer(f"agent:{agent.public}", never)
    run("ssh-add", "-D")
    with pytest.raises(InvalidInput, match="has no ed25519 key"):
        signer.sign(TEXT)


def test_a_locked_ssh_agent(agent: KeyFiles, tmp_path: Path) -> None:
    signer = open_signer(f"agent:{agent.public}", never)
    env = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": os.environ["SSH_AUTH_SOCK"]}
    run("ssh-add", "-x", env={**env, "SSH_ASKPASS": str(tmp_path / "ask"), "SSH_ASKPASS_REQUIRE": "force"})
    refused(f"agent:{agent.public}", "has no ed25519 key", "ssh-add")  # a locked one says that it is empty
    with pytest.raises(InvalidInput, match="has no ed25519 key"):
        signer.sign(TEXT)


def test_no_ssh_agent(made: KeyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    refused(f"agent:{made.public}", "no ssh-agent is running", "ssh-add")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    refused(f"agent:{made.public}", "ssh-agent")


# --- GnuPG


@pytest.fixture
def gnupg(gpg: GnuPG, monkeypatch: pytest.MonkeyPatch) -> GnuPG:
    monkeypatch.setenv("GNUPGHOME", str(gpg.home))
    monkeypatch.delenv("GPG_TTY", raising=False)
    return gpg


@pytest.mark.parametrize("name", ["ed", "rsa"])
def test_gnupg(gnupg: GnuPG, tmp_path: Path, name: str) -> None:
    first = gnupg.fingerprints(f"{name}@example.org")[0]
    signer = open_signer(f"gpg:{first}", never)
    assert (signer.key.kind, signer.key.keyid) == ("openpgp", first.lower())
    signature = signer.sign(TEXT)
    (tmp_path / "signature").write_bytes(signature)
    run("gpg", "--batch", "--verify", tmp_path / "signature", "-", data=TEXT, env=gnupg.env)
    assert open_signer(f"gpg:{first.lower()}", never).key == signer.key


def test_a_subkey_of_gnupg(gnupg: GnuPG, tmp_path: Path) -> None:
    primary, signing, encrypting = gnupg.fingerprints("rsa@example.org")
    signer = open_signer(f"gpg:{signing}", never)
    assert signer.key.keyid == primary.lower()
    (tmp_path / "signature").write_bytes(signer.sign(TEXT))
    said = run(
        "gpg", "--batch", "--status-fd", "1", "--verify", tmp_path / "signature", "-", data=TEXT, env=gnupg.env
    ).decode()
    assert f"VALIDSIG {signing}" in said
    with pytest.raises(InvalidInput, match="GnuPG does not do it"):
        open_signer(f"gpg:{encrypting}", never).sign(TEXT)


def test_habits_in_the_configuration_of_gnupg_change_nothing(gnupg: GnuPG) -> None:
    configuration = gnupg.home / "gpg.conf"
    configuration.write_text("armor\ntextmode\ndigest-algo SHA1\n")
    try:
        signer = open_signer(f"gpg:{gnupg.fingerprints('ed@example.org')[0]}", never)
        signer.key.verify(signer.sign(TEXT), TEXT)
    finally:
        configuration.unlink()


def test_keys_that_gnupg_does_not_sign_with(gnupg: GnuPG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = gnupg.fingerprints("ed@example.org")[0]
    for name in ("ed@example.org", first[-16:], first[-8:], first[:-1], f"{first}!", "*"):
        refused(f"gpg:{name}", "is not the whole fingerprint", "40 hex digits")
    refused(f"gpg:{'0' * 40}", "GnuPG has no key 0000|GnuPG does not do it")
    lost = gnupg.make("lost-signer", "ed25519")
    gnupg.revoke(lost)
    with pytest.raises(InvalidInput, match="GnuPG does not do it"):
        open_signer(f"gpg:{lost}", never).sign(TEXT)
    monkeypatch.setattr("repro.system.run.BASE_ENVIRONMENT", {"PATH": str(tmp_path)})
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(f"gpg:{first}", "cannot run gpg", "install GnuPG")


def test_a_key_of_gnupg_with_a_passphrase_that_nobody_is_there_to_type(gnupg: GnuPG) -> None:
    gnupg("--passphrase", SECRET, "--quick-gen-key", "shut <shut@example.org>", "ed25519", "sign", "0")
    run("gpgconf", "--kill", "gpg-agent", env=gnupg.env)  # which remembers it
    (shut,) = gnupg.fingerprints("shut@example.org")
    signer = open_signer(f"gpg:{shut}", never)
    with pytest.raises(InvalidInput, match="GnuPG does not do it") as caught:
        signer.sign(TEXT)
    assert "GPG_TTY" in caught.value.hint
