"""Whatever is changed on the way from the archive's keys to a .deb ends in exit code 5, and says what is wrong.

Each case is a project whose pin holds, with one thing changed, also where whoever changed it could rewrite the pin's
hash with it. What cannot be made with pysequoia (weak hashes, keys of long ago) is made with gpg.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysequoia import Cert, SignatureMode, Tsk, sign
from pysequoia.packet import PacketPile

from repro.model.errors import IntegrityFailure, ReproError
from repro.model.pin import TIMESTAMP, Pin, PinSet
from repro.snapshot.pins import Evidence, load_keys, load_pin_set, prove, save_pin_set
from repro.snapshot.trust import read_certificates, verify_detached
from tests.snapshot.world import Server, World, clear_sign, now, release_text, sha256, sign_by_all

LONG_AGO = datetime(2019, 6, 1, 12, tzinfo=UTC)


def write(world: World, evidence: Evidence, *, keys: list[Cert] | None = None, **changes: object) -> None:
    """Put `evidence` behind the pin, which gets its hash, and `changes`."""
    snapshots = world.folder / "snapshots"
    (pin,) = load_pin_set(snapshots, "tiny").pins
    pin = replace(pin, sha256=evidence.sha256, **changes)  # type: ignore[arg-type]
    pins = PinSet("tiny", (pin,))
    save_pin_set(snapshots, pins, {pin.name: evidence}, keys or load_keys(snapshots, "tiny"))


def resign(world: World, text: bytes) -> Evidence:
    return Evidence(clear_sign(world.key, text))


def good_text(world: World, extra: str = "") -> bytes:
    return release_text(world.date, world.indexes, extra=extra)


def evidence_file(world: World) -> Path:
    return world.folder / "snapshots/tiny/debian_tiny.InRelease"


def a_byte(world: World) -> None:
    evidence_file(world).write_bytes(world.inrelease.replace(b"Origin: Test", b"Origin: Tesu"))


def another_release(world: World) -> None:
    evidence_file(world).write_bytes(clear_sign(world.key, release_text(now(), world.indexes)))


def a_byte_and_the_pin(world: World) -> None:
    write(world, Evidence(world.inrelease.replace(b"Origin: Test", b"Origin: Tesu")))


def the_pins_hash(world: World) -> None:
    path = world.folder / "snapshots/tiny.toml"
    path.write_text(path.read_text().replace(sha256(world.inrelease), sha256(b"")))


def pin_before_date(world: World) -> None:
    write(world, Evidence(world.inrelease), timestamp=(world.date - timedelta(seconds=1)).strftime(TIMESTAMP))


def pin_after_valid_until(world: World) -> None:
    until = world.date.strftime("Valid-Until: %a, %d %b %Y %H:%M:%S UTC\n")
    late = (world.date + timedelta(seconds=1)).strftime(TIMESTAMP)
    write(world, resign(world, good_text(world, until)), timestamp=late)


def another_suite(world: World) -> None:
    write(world, resign(world, release_text(world.date, world.indexes, codename="huge").replace(b"oldtiny", b"older")))


def a_stranger_signs(world: World) -> None:
    write(world, Evidence(clear_sign(Tsk.generate("X"), good_text(world))))


def a_stranger_and_his_key(world: World) -> None:
    stranger = Tsk.generate("X")
    keys = [world.certificate, stranger.extract_certificate()]
    write(world, Evidence(clear_sign(stranger, good_text(world))), keys=keys)


def another_signer_is_listed(world: World) -> None:
    write(world, Evidence(world.inrelease), signers=("A" * 40,))


def text_before(world: World) -> None:
    write(world, Evidence(b"Origin: Evil\n" + world.inrelease))


def text_after(world: World) -> None:
    write(world, Evidence(world.inrelease + b"Origin: Evil\n"))


def two_messages(world: World) -> None:
    write(world, Evidence(world.inrelease + clear_sign(world.key, good_text(world))))


def two_armor_blocks(world: World) -> None:
    block = world.inrelease[world.inrelease.index(b"-----BEGIN PGP SIGNATURE") :]
    write(world, Evidence(world.inrelease + block))


def text_among_armor_headers(world: World) -> None:
    write(world, Evidence(world.inrelease.replace(b"Hash: SHA512\n", b"Hash: SHA512\nOrigin: Evil\n")))


def a_dash_escaped_line(world: World) -> None:
    write(world, resign(world, good_text(world).replace(b"SHA256:", b"-Evil: x\nSHA256:")))


def a_carriage_return(world: World) -> None:
    write(world, Evidence(world.inrelease.replace(b"Origin: Test\n", b"Origin: Test\r\n")))


def a_null_byte(world: World) -> None:
    write(world, Evidence(world.inrelease.replace(b"Origin: Test", b"Origin: Test\0")))


def cut_short(world: World) -> None:
    write(world, Evidence(world.inrelease[:-30]))


def md5_and_sha1_only(world: World) -> None:
    text = good_text(world)
    write(world, resign(world, text.replace(b"SHA256:", b"SHA1:")))


def two_lists_of_hashes(world: World) -> None:
    text = good_text(world)
    write(world, resign(world, text + text[text.index(b"SHA256:") :]))


def a_path_twice(world: World) -> None:
    row = f" {sha256(b'evil')} 4 main/binary-amd64/Packages\n".encode()
    write(world, resign(world, good_text(world) + row))


def a_second_stanza(world: World) -> None:
    write(world, resign(world, good_text(world) + b"\nOrigin: Evil\n"))


def an_index_that_is_not_named(world: World) -> None:
    write(world, Evidence(world.inrelease), components=("main", "contrib"))


def a_revoked_key(world: World) -> None:
    cert = world.certificate
    revoked = Cert.from_bytes(bytes(cert) + bytes(cert.revoke(world.key.certifier())))
    write(world, Evidence(world.inrelease), keys=[revoked])


def a_key_made_after_date(world: World) -> None:
    text = release_text(world.date - timedelta(days=2), world.indexes)
    write(world, resign(world, text))


def a_key_expired_at_date(world: World) -> None:
    brief = Tsk.generate("Brief", validity_seconds=60 + 2)  # pysequoia dates keys a minute back
    date = now() + timedelta(seconds=30)
    write(
        world,
        Evidence(clear_sign(brief, release_text(date, world.indexes))),
        keys=[brief.extract_certificate()],
        signers=(brief.extract_certificate().fingerprint.upper(),),
        timestamp=(date + timedelta(seconds=5)).strftime(TIMESTAMP),
    )


def other_bytes_under_a_detached_signature(world: World) -> None:
    signature = bytes(sign(world.key.signer(), good_text(world), mode=SignatureMode.DETACHED))
    write(world, Evidence(good_text(world, "Changelogs: no\n"), signature), detached=True)


def a_clear_signed_file_as_detached_signature(world: World) -> None:
    write(world, Evidence(good_text(world), b"no signature\n"), detached=True)


CASES: dict[Callable[[World], None], str] = {
    a_byte: "but the pin debian/tiny names",
    another_release: "but the pin debian/tiny names",
    a_byte_and_the_pin: "no signature on the InRelease is good",
    the_pins_hash: "but the pin debian/tiny names",
    pin_before_date: "is after the pin's time",
    pin_after_valid_until: "was valid until",
    another_suite: "is of huge or older, not of tiny",
    a_stranger_signs: "no signature on the InRelease is good",
    a_stranger_and_his_key: "not an accepted signer",
    another_signer_is_listed: "not an accepted signer",
    text_before: "does not begin with a clear-signed message",
    text_after: "not exactly one clear-signed message",
    two_messages: "not exactly one clear-signed message",
    two_armor_blocks: "not exactly one clear-signed message",
    text_among_armor_headers: "text between its first line and the signed part",
    a_dash_escaped_line: "a dash-escaped line",
    a_carriage_return: "a control character",
    a_null_byte: "a control character",
    cut_short: "cut short",
    md5_and_sha1_only: "no SHA256 section; weaker hashes are not used",
    two_lists_of_hashes: "the field SHA256 twice",
    a_path_twice: "names main/binary-amd64/Packages twice",
    a_second_stanza: "a line that is no field",
    an_index_that_is_not_named: "names no contrib/binary-amd64/Packages",
    a_revoked_key: "no signature on the InRelease is good",
    a_key_made_after_date: "after the Release's Date",
    a_key_expired_at_date: "before the Release's Date",
    other_bytes_under_a_detached_signature: "no signature on the Release is good",
    a_clear_signed_file_as_detached_signature: "the signatures of Release.gpg cannot be read",
}


@pytest.mark.parametrize("tamper", CASES, ids=lambda case: case.__name__)
def test_a_changed_pin_does_not_verify(world: World, tamper: Callable[[World], None]) -> None:
    tamper(world)
    done = world.run("--offline", "pin", "verify", env=world.environment())
    assert (done.returncode, CASES[tamper] in done.stderr) == (5, True), done.stderr
    assert done.stdout == "WRONG  tiny  debian/tiny\n"


@pytest.mark.parametrize("what", ["index by its hash and by its name", "package"])
def test_changed_bytes_further_down_the_chain_are_not_kept(world: World, server: Server, what: str) -> None:
    server.files = world.tree()
    changed = [path for path in server.files if (path == world.url_path(1)) == (what == "package")]
    for path in changed:
        if path.endswith(".deb") == (what == "package") and "InRelease" not in path:
            body = server.files[path]
            server.files[path] = body[:-1] + bytes([body[-1] ^ 1])
    done = world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian"))
    named = "pkg1 1.0+b1 amd64" if what == "package" else "main/binary-amd64/Packages.xz"
    assert (done.returncode, named in done.stderr, "SHA-256" in done.stderr) == (5, True, True), done.stderr
    good = {sha256(body) for body in (*world.bodies.values(), *world.indexes.values())}
    assert world.stored() <= good


def gpg(home: Path, at: datetime, *args: str, data: bytes = b"") -> bytes:
    """gpg with a clock of `at`; its home is `home`."""
    fixed = ["--batch", "--homedir", str(home), "--pinentry-mode", "loopback", "--passphrase", ""]
    clock = ["--faked-system-time", f"{at:%Y%m%dT%H%M%S}!"]
    argv = ["gpg", "-q", *fixed, *clock, "--yes", *args]
    return subprocess.run(argv, input=data, capture_output=True, check=True).stdout


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A GnuPG home with a key of long ago that does not expire."""
    folder = tmp_path / "gnupg"
    folder.mkdir(mode=0o700)
    gpg(folder, LONG_AGO - timedelta(days=30), "--quick-generate-key", "Old <old@example.org>", "ed25519", "sign", "0")
    yield folder
    subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "gpg-agent"], check=False)


def signed(home: Path, text: bytes, at: datetime, *args: str) -> bytes:
    return gpg(home, at, *args, "--clear-sign", data=text)


def certificate(home: Path) -> Cert:
    (cert,) = read_certificates(gpg(home, LONG_AGO, "--export"), "export")
    return cert


def expire(home: Path, after: timedelta) -> None:
    """Have the key expire `after` its making; said a day after that, in a new self-signature."""
    when = LONG_AGO - timedelta(days=29)
    until = f"{LONG_AGO - timedelta(days=30) + after:%Y%m%dT%H%M%S}"
    gpg(home, when, "--quick-set-expire", str(certificate(home).fingerprint), until)


def pin_long_ago(world: World, home: Path, evidence: Evidence) -> None:
    cert = certificate(home)
    timestamp = LONG_AGO.strftime(TIMESTAMP)
    write(world, evidence, keys=[cert], signers=(cert.fingerprint.upper(),), timestamp=timestamp)


def test_a_key_that_has_expired_since(world: World, home: Path) -> None:
    expire(home, timedelta(days=365))
    inrelease = signed(home, release_text(LONG_AGO, world.indexes), LONG_AGO)
    pin_long_ago(world, home, Evidence(inrelease))
    done = world.run("pin", "verify", env=world.environment())
    assert done.returncode == 0, done.stderr
    assert "good at the Release's Date; expired since, on 2020-05-01" in done.stdout


def test_a_signature_made_after_the_key_expired(world: World, home: Path) -> None:
    inrelease = signed(home, release_text(LONG_AGO, world.indexes), LONG_AGO + timedelta(days=400))
    expire(home, timedelta(days=365))
    pin_long_ago(world, home, Evidence(inrelease))
    done = world.run("pin", "verify", env=world.environment())
    assert (done.returncode, "no signature on the InRelease is good" in done.stderr) == (5, True), done.stdout


def test_a_signature_made_before_what_it_signs(world: World, home: Path) -> None:
    inrelease = signed(home, release_text(LONG_AGO, world.indexes), LONG_AGO - timedelta(days=3))
    pin_long_ago(world, home, Evidence(inrelease))
    done = world.run("pin", "verify", env=world.environment())
    assert (done.returncode, "says that it was made at 2019-05-29" in done.stderr) == (5, True), done.stdout


def test_a_signature_over_sha1(world: World, home: Path) -> None:
    for digest, code in (("SHA1", 5), ("SHA256", 0)):
        inrelease = signed(home, release_text(LONG_AGO, world.indexes), LONG_AGO, "--digest-algo", digest)
        assert f"Hash: {digest}".encode() in inrelease
        pin_long_ago(world, home, Evidence(inrelease))
        done = world.run("pin", "verify", env=world.environment())
        assert done.returncode == code, done.stdout


def test_release_with_detached_signatures(world: World, server: Server) -> None:
    other = Tsk.generate("Other <other@example.org>")
    text = good_text(world)
    both = sign_by_all([other, world.key], text)
    server.files = world.tree()
    del server.files["/debian/dists/tiny/InRelease"]
    server.files["/debian/dists/tiny/Release"] = text
    server.files["/debian/dists/tiny/Release.gpg"] = both[both.index(b"-----BEGIN PGP SIGNATURE") :]
    ring = world.folder / "ring.asc"
    ring.write_text(str(world.certificate))
    env = world.environment(f"{server.base}/debian")
    args = ("pin", "add", "fresh", "--archive", "debian", "--suite", "tiny", "--keyring", str(ring))
    added = world.run(*args, env=env)
    assert added.returncode == 0, added.stderr
    (pin,) = load_pin_set(world.folder / "snapshots", "fresh").pins
    assert (pin.detached, pin.sha256, pin.signers) == (True, sha256(text), (world.certificate.fingerprint.upper(),))
    assert (world.folder / "snapshots/fresh/debian_tiny.Release").read_bytes() == text
    done = world.run("pin", "verify", "fresh", env=env)
    assert (done.returncode, f"  Release {sha256(text)}" in done.stdout) == (0, True), done.stderr
    assert "no valid signature by a known key" in done.stdout  # the other's, who is not in the keyring
    fetched = world.run("pin", "refresh", "fresh", env=env)
    assert (fetched.returncode, "unchanged" in fetched.stdout) == (0, True), fetched.stderr


def test_an_archive_of_ones_own_beside_debians(world: World, server: Server) -> None:
    """Each pin of a set accepts its own signers, although all their keys lie in one file."""
    own = Tsk.generate("Own <own@example.org>")
    indexes = {"extra/binary-all/Packages": b"", "extra/binary-amd64/Packages": b"Package: x\n", "main/x": b""}
    theirs = clear_sign(own, release_text(world.date, indexes, codename="stable"))
    server.files = {**world.tree(), "/own/dists/stable/InRelease": theirs}
    ring = world.folder / "own.asc"
    ring.write_text(str(own.extract_certificate()))
    env = {**world.environment(f"{server.base}/debian"), "REPRO_MIRROR_OWN_ARCHIVE": f"{server.base}/own"}
    args = ("pin", "add", "tiny", "--archive", "own-archive", "--suite", "stable", "--keyring", str(ring))
    added = world.run(*args, "--component", "extra", "--arch", "amd64", "--arch", "all", env=env)
    assert added.returncode == 0, added.stderr
    done = world.run("pin", "verify", env=world.environment())
    assert (done.returncode, "names 2 pinned indexes" in done.stdout) == (0, True), done.stderr
    snapshots = world.folder / "snapshots"
    pins = load_pin_set(snapshots, "tiny")
    forged = clear_sign(own, good_text(world))
    replaced = replace(pins.pin("debian/tiny"), sha256=sha256(forged))
    changed = PinSet("tiny", (replaced, pins.pin("own-archive/stable")))
    save_pin_set(snapshots, changed, {"debian/tiny": Evidence(forged)}, load_keys(snapshots, "tiny"))
    done = world.run("pin", "verify", env=world.environment())
    assert (done.returncode, "not an accepted signer" in done.stderr) == (5, True), done.stdout
    assert "ok     tiny  own-archive/stable" in done.stdout


KEY = Tsk.generate("Archive <archive@example.org>")
DATE = now()
RELEASE = release_text(DATE, {"main/binary-amd64/Packages": b"Package: x\n"})
INRELEASE = clear_sign(KEY, RELEASE)
RELEASE_GPG = bytes(sign(KEY.signer(), RELEASE, mode=SignatureMode.DETACHED))


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0), st.integers(1, 255), st.sampled_from(["InRelease", "Release", "Release.gpg"]))
def test_damage_never_reads_as_something_else(place: int, flip: int, where: str) -> None:
    """One byte changed anywhere, and the pin's hash with it: refused, or what is believed is what was signed."""
    parts = {"InRelease": INRELEASE, "Release": RELEASE, "Release.gpg": RELEASE_GPG}
    data = bytearray(parts[where])
    data[place % len(data)] ^= flip
    parts[where] = bytes(data)
    evidence = Evidence(parts["InRelease"])
    if where != "InRelease":
        evidence = Evidence(parts["Release"], parts["Release.gpg"])
    cert = KEY.extract_certificate()
    pin = Pin(
        "debian", "tiny", ("main",), ("amd64",), DATE.strftime(TIMESTAMP), evidence.sha256,
        (cert.fingerprint.upper(),), where != "InRelease",
    )  # fmt: skip
    try:
        proof = prove(pin, evidence, [cert], where)
    except ReproError as error:
        assert isinstance(error, IntegrityFailure)
        return
    assert proof.release.date == DATE
    assert proof.indexes[0].sha256 == sha256(b"Package: x\n")
    assert re.sub(rb"\s", b"", RELEASE) in re.sub(rb"\s", b"", parts["InRelease"] + parts["Release"])


def test_no_bit_of_a_binary_signature_is_a_surprise() -> None:
    """Every single bit: refused, or the signature is as good as it was; nothing else may be raised."""
    whole = b"".join(bytes(packet) for packet in PacketPile.from_bytes(RELEASE_GPG))
    certificate = KEY.extract_certificate()
    refused = 0
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        try:
            vouched = verify_detached(RELEASE, bytes(data), [certificate], [certificate.fingerprint.upper()])
        except IntegrityFailure:
            refused += 1
        else:
            assert vouched.release.date == DATE
    assert refused > 4 * len(whole)
