"""`repro attest` through processes: keys, statements of real runs, quorums, and what each exits with."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from repro.model import record, statement
from repro.model.verification import AGAINST, PUBLISHED
from tests.pipeline.bench import digest
from tests.pipeline.canned import Canned, canned_project
from tests.schemas import check
from tests.snapshot.world import Server

SECRET = "a passphrase"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Canned:
    canned = canned_project(tmp_path_factory.mktemp("attesting"))
    (canned.project / "secret").write_text(SECRET + "\n")
    for name in ("alice", "bob", "carol"):
        (canned.project / "keys").mkdir(exist_ok=True)
        done = canned.run("attest", "keygen", f"keys/{name}", "--passphrase-file", "secret", "--comment", f"{name}@x")
        assert done.returncode == 0, done.stderr
    return canned


@pytest.fixture
def canned(prepared: Canned) -> Iterator[Canned]:
    yield prepared
    for name in ("out", "reports", "tmp", "said", "public"):
        shutil.rmtree(prepared.project / name, ignore_errors=True)


def sign(canned: Canned, name: str = "alice", *args: str, code: int = 0) -> Any:
    key = ("--key", f"keys/{name}.key", "--passphrase-file", "secret")
    done = canned.run("attest", "create", "tiny", *key, *args)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def said(canned: Canned) -> statement.Statement:
    """What the statement in out/tiny says, once both its envelope's shape and its schema have proven right."""
    envelope = json.loads((canned.out / "tiny.rebuild.intoto.json").read_bytes())
    payload = base64.b64decode(envelope["payload"])
    check(json.dumps(json.loads(payload)["predicate"]))
    return statement.decode(payload, "statement")


def keep(canned: Canned, name: str) -> Path:
    """Put the statement in out/tiny aside as that of `name`."""
    (canned.project / "said").mkdir(exist_ok=True)
    target = canned.project / "said" / f"{name}.intoto.json"
    shutil.copy(canned.out / "tiny.rebuild.intoto.json", target)
    return target


def policy(
    canned: Canned, threshold: int = 2, extra: str = "", people: tuple[str, ...] = ("alice", "bob", "carol")
) -> Path:
    lines = ['schema = "repro/policy/v1"', f"threshold = {threshold}", extra]
    for name in people:
        lines += ["[[rebuilder]]", f'name = "{name}"', f'keys = ["keys/{name}.pub"]']
    path = canned.project / "policy.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def quorum(canned: Canned, *args: str, code: int, artifact: Path | str | None = None) -> dict[str, Any]:
    """The result of `attest quorum --json`; of what it says as text only the exit code is looked at."""
    asked = ("--artifact", str(artifact or canned.first))
    text = canned.run("attest", "quorum", "--policy", "policy.toml", *asked, *args)
    assert text.returncode == code, text.stdout + text.stderr
    done = canned.run("attest", "quorum", "--policy", "policy.toml", *asked, "--json", *args)
    assert done.returncode == code
    found: dict[str, Any] = check(done.stdout)
    assert found["met"] == (code == 0)
    return found


def test_a_positive_result(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    done = sign(canned)
    written = [Path(line).name for line in done.stdout.splitlines()]
    assert sorted(written) == [
        "tiny.cdx.json",
        "tiny.provenance.intoto.json",
        "tiny.rebuild.intoto.json",
        "tiny.squashfs.link",
    ]
    found = said(canned)
    assert found.verdict == "identical"
    assert [(each.name, each.sha256) for each in found.subjects] == [("tiny.squashfs", digest(canned.first))]
    assert set(found.variations) | set(found.skipped) >= {"time", "umask", "locale"}
    assert [(each.left, each.right, each.verdict) for each in found.comparisons] == [
        ("rebuild-1", "rebuild-2", "identical")
    ]
    assert found.comparisons[0].comparison_sha256 == digest(canned.out / "comparison.json")
    built = record.decode_all((canned.out / "build.json").read_bytes(), "build.json")
    assert found.claim == built["rebuild-1"].claim
    assert found.run.ids == tuple(each.run.id for each in built.values())
    assert abs((datetime.now(UTC) - found.run.signed).total_seconds()) < 60
    link = json.loads((canned.out / "tiny.squashfs.link").read_bytes())["signed"]
    assert (link["name"], list(link["products"])) == ("rebuild tiny.squashfs", ["tiny.squashfs"])
    assert link["products"]["tiny.squashfs"]["sha256"] == digest(canned.first)
    checked = canned.run("attest", "verify", "--pub", "keys/alice.pub", "out/tiny")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("good ") == 3
    assert canned.run("attest", "verify", "--pub", "keys/bob.pub", "out/tiny").returncode == 6


def test_a_negative_result_says_what_diverged_and_has_no_link(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    sign(canned)
    assert canned.run("verify", "tiny", second=canned.second).returncode == 1
    sign(canned)
    found = said(canned)
    assert (found.verdict, found.comparisons[0].divergent > 0) == ("different", True)
    assert "etc/changing" in " ".join(found.comparisons[0].members)
    assert found.comparisons[0].comparison_sha256 == digest(canned.out / "comparison.json")
    assert not list(canned.out.glob("*.link")), "the link of the earlier result is gone"


def test_results_against_something(canned: Canned) -> None:
    assert canned.run("verify", "tiny", "--against", str(canned.second)).returncode == 1
    sign(canned)
    found = said(canned)
    assert [(each.right, each.right_sha256) for each in found.comparisons] == [(AGAINST, digest(canned.second))]
    assert {each.sha256 for each in found.subjects} == {digest(canned.first), digest(canned.second)}


def test_a_build_and_the_published_digest(canned: Canned) -> None:
    assert canned.run("build", "tiny").returncode == 0
    sign(canned)
    assert (said(canned).verdict, said(canned).comparisons) == ("built", ())
    assert not list(canned.out.glob("*.link"))
    assert canned.run("verify", "tiny", "--publish").returncode == 0
    assert canned.run("verify", "tiny", "--rebuilds", "1").returncode == 0
    sign(canned)
    assert [(each.right, each.verdict) for each in said(canned).comparisons] == [(PUBLISHED, "identical")]
    assert said(canned).variations == ()


def test_inconclusive_results_are_signed_too(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    for name in ("verification.json",):
        path = canned.out / name
        path.write_text(path.read_text().replace('"identical"', '"inconclusive"'))
    sign(canned)
    assert said(canned).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (lambda out: (out / "tiny.squashfs").write_bytes(b"other"), 5, "is not what build.json says"),
        (lambda out: (out / "tiny.squashfs").unlink(), 2, "cannot be read"),
        (lambda out: (out / "build.json").unlink(), 2, "repro verify RECIPE"),
        (lambda out: (out / "build.json").write_text("{"), 2, "not a valid repro/build/v1"),
        (lambda out: (out / "verification.json").write_text("{}"), 2, "not a repro/verification/v1"),
        (lambda out: (out / "build.json").write_text((out / "build.json").read_text() + " "), 2, "another build"),
    ],
)
def test_results_that_do_not_belong_together_are_not_signed(canned: Canned, spoil: Any, code: int, words: str) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    spoil(canned.out)
    assert words in sign(canned, code=code).stderr
    assert not list(canned.out.glob("*.intoto.json"))


def test_a_run_that_ended_early_leaves_the_results_before_it_or_nothing_that_could_be_signed(canned: Canned) -> None:
    nowhere = str(canned.project / "nowhere")
    assert canned.run("verify", "tiny").returncode == 0
    assert canned.run("verify", "tiny", env={"FIRST": nowhere}).returncode not in (0, 1)
    sign(canned)
    assert said(canned).verdict == "identical", "nothing of the run before was touched"
    (canned.out / "tiny.rebuild.intoto.json").unlink()
    # the first rebuild wrote another image; the second never came
    assert canned.run("verify", "tiny", env={"FIRST": str(canned.second), "SECOND": nowhere}).returncode not in (0, 1)
    assert "is not what build.json says" in sign(canned, code=5).stderr
    assert not (canned.out / "tiny.rebuild.intoto.json").exists()


def test_a_lock_that_changed_since(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    lock = canned.project / "recipes/tiny/recipe.lock"
    before = lock.read_text()
    lock.write_text(before.replace("source_date_epoch = 1", "source_date_epoch = 2"))
    try:
        assert "has changed since" in sign(canned, code=2).stderr
    finally:
        lock.write_text(before)


def test_keys_and_passphrases(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    (canned.project / "wrong").write_text("wrong\n")
    for key, words in (
        (("--key", "keys/alice.key", "--passphrase-file", "wrong"), "passphrase"),
        (("--key", "keys/alice.key"), "there is no terminal to ask on"),
        (("--key", "keys/alice.pub"), "not a private key"),
        (("--key", "keys/nobody.key"), "nobody.key"),
    ):
        done = canned.run("attest", "create", "tiny", *key)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
        assert SECRET not in done.stderr
    again = canned.run("attest", "keygen", "keys/alice", "--no-passphrase")
    assert (again.returncode, "never overwritten" in again.stderr) == (2, True)
    (canned.project / "empty").write_text("\n")
    assert canned.run("attest", "keygen", "keys/dave", "--passphrase-file", "empty").returncode == 2
    assert not (canned.project / "keys/dave.key").exists()
    assert os.stat(canned.project / "keys/alice.key").st_mode & 0o777 == 0o600


def test_a_quorum_from_files_folder_and_web(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    files = []
    for name in ("alice", "bob"):
        assert canned.run("verify", "tiny").returncode == 0, "each rebuilds: one build is one voice"
        sign(canned, name)
        files.append(str(keep(canned, name)))
    policy(canned)
    for sources in (files, ["said"]):
        found = quorum(canned, *sources, code=0)
        assert found["counts"] == {"agreeing": 2, "dissenting": 0, "unknown": 0, "invalid": 0}
        assert len({voice["claim_sha256"] for voice in found["voices"]}) == 1
    assert quorum(canned, files[0], code=6)["counts"]["agreeing"] == 1
    policy(canned, extra='statements = ["said"]')
    quorum(canned, code=0)
    assert canned.run("attest", "publish", "public", *files).returncode == 0
    tree = {f"/public/{path.relative_to(canned.project / 'public')}": path.read_bytes()
            for path in (canned.project / "public").rglob("*") if path.is_file()}  # fmt: skip
    with Server(tree) as server:
        quorum(canned, f"{server.base}/public", code=0)
        image = canned.first.read_bytes()
        server.files["/tiny.squashfs"] = image
        server.files["/evil.squashfs"] = image[:-1] + bytes([image[-1] ^ 1])
        shutil.rmtree(canned.out)
        ask = ("--quorum", "policy.toml", "--statements", f"{server.base}/public")
        done = canned.run("verify", "tiny", "--against", f"{server.base}/tiny.squashfs", *ask)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "quorum met: 2 of 3 rebuilders agree, 2 are needed" in done.stdout
        assert not (canned.out / "rebuild-1.log").exists(), "nothing was built"
        done = canned.run("verify", "tiny", "--against", f"{server.base}/evil.squashfs", *ask)
        assert (done.returncode, "dissenting: 2" in done.stdout) == (6, True), done.stdout + done.stderr
        # one source that is not there at the moment does not take the voices of others away
        sources = ("said", "http://127.0.0.1:9/gone")
        assert quorum(canned, *sources, code=0)["unreached"][0].startswith("http://127.0.0.1:9/gone: ")
        policy(canned, threshold=3)
        assert quorum(canned, *sources, code=4)["counts"]["agreeing"] == 2
        policy(canned, extra='dissent = "veto"')
        assert quorum(canned, "said", code=0)["met"]
        assert quorum(canned, *sources, code=4)["counts"]["agreeing"] == 2, "what is not known may be a veto"
        policy(canned)
    away = ("attest", "quorum", "--policy", "policy.toml", "--artifact", str(canned.first), "http://127.0.0.1:9/x")
    assert canned.run(*away).returncode == canned.run("--offline", *away).returncode == 4


def test_building_adds_ones_own_voice(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    sign(canned, "alice")
    keep(canned, "alice")
    policy(canned, extra='statements = ["said"]')
    against = ("verify", "tiny", "--against", str(canned.first), "--quorum", "policy.toml")
    assert canned.run(*against).returncode == 6
    done = canned.run(*against, "--rebuilds", "1")
    assert (done.returncode, "verdict: identical" in done.stdout) == (6, True), "the own build is no signed voice"
    done = canned.run(*against, "--sign", "keys/bob.key", "--passphrase-file", "secret")
    assert (done.returncode, "verdict: identical" in done.stdout) == (0, True), done.stdout + done.stderr
    assert said(canned).verdict == "identical"
    # others agree on an image that this rebuild does not give
    done = canned.run(*against, "--rebuilds", "1", env={"FIRST": str(canned.second)})
    assert done.returncode == 1, done.stdout + done.stderr


def test_the_own_rebuilds_and_what_others_say_of_them(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    sign(canned, "alice")
    keep(canned, "alice")
    policy(canned, threshold=1, extra='statements = ["said"]')
    assert canned.run("verify", "tiny", "--quorum", "policy.toml").returncode == 0
    done = canned.run(
        "verify", "tiny", "--quorum", "policy.toml", env={"FIRST": str(canned.second)}, second=canned.second
    )
    assert (done.returncode, "dissenting: 1" in done.stdout) == (6, True), done.stdout + done.stderr


def spoilt(path: Path, change: Any) -> Path:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    return path


def other_payload(document: dict[str, Any]) -> None:
    payload = base64.b64decode(document["payload"]).replace(b'"0.1.0"', b'"0.2.0"')
    document["payload"] = base64.b64encode(payload).decode()


def test_forged_statements_are_told_apart_from_missing_ones(canned: Canned) -> None:
    assert canned.run("verify", "tiny").returncode == 0
    sign(canned, "alice")
    good = keep(canned, "alice")
    bad = spoilt(Path(shutil.copy(good, canned.project / "said/bob.intoto.json")), other_payload)
    policy(canned)
    found = quorum(canned, "said", code=5)
    assert (found["counts"]["agreeing"], found["counts"]["invalid"]) == (1, 1)
    policy(canned, threshold=1)
    assert quorum(canned, "said", code=0)["counts"]["invalid"] == 1
    done = canned.run("attest", "verify", "--policy", "policy.toml", str(bad))
    assert (done.returncode, "wrong " in done.stdout) == (5, True)
    bad.write_bytes(bad.read_bytes()[:-20])
    assert quorum(canned, "said", code=0)["counts"]["invalid"] == 1
    policy(canned, threshold=2)
    assert quorum(canned, "said", code=6)["counts"]["invalid"] == 1, "cut short: no signature that could be wrong"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("threshold = 2", "threshold = 4"), "threshold = 4, and there are 3"),
        (("keys/bob.pub", "keys/alice.pub"), "listed twice"),
        (("keys/bob.pub", "keys/nobody.pub"), "nobody.pub"),
        (("keys/bob.pub", "keys/bob.key"), "private key"),
        (("repro/policy/v1", "repro/policy/v9"), "schema"),
        (('name = "bob"', "name = bob"), "policy.toml"),
    ],
)
def test_policies_that_are_wrong(canned: Canned, change: tuple[str, str], words: str) -> None:
    path = policy(canned)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    for command in (
        ("attest", "quorum", "--policy", "policy.toml", "--artifact", str(canned.first), "keys"),
        ("verify", "tiny", "--quorum", "policy.toml"),
    ):
        done = canned.run(*command)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert not canned.out.exists() or not list(canned.out.glob("*.log")), "nothing was built"


def test_what_is_asked_wrongly(canned: Canned) -> None:
    policy(canned)
    for args, words in (
        (("attest", "quorum", "--policy", "policy.toml", "keys"), "which artifact"),
        (("attest", "quorum", "--policy", "policy.toml", "--artifact", "nowhere.iso", "keys"), "nowhere.iso"),
        (("attest", "quorum", "--policy", "nowhere.toml", "keys"), "nowhere.toml"),
        (("attest", "quorum", "--policy", "policy.toml", "--artifact", str(canned.first)), "no statements"),
        (("attest", "quorum", "--policy", "policy.toml", "--artifact", str(canned.first), "gone"), "gone"),
        (("attest", "verify", "keys"), "--policy or --pub"),
        (("attest", "create", "nope", "--key", "keys/alice.key"), "nope"),
    ):
        done = canned.run(*args)
        assert (done.returncode, words in done.stderr) == (2, True), (args, done.stderr)
    path = policy(canned, extra=f'[artifact]\nsha256 = "{"0" * 64}"')
    done = canned.run("attest", "quorum", "--policy", str(path), "--artifact", str(canned.first), "keys")
    assert (done.returncode, "about another digest" in done.stderr) == (2, True), done.stderr


def test_keys_that_people_have_already(canned: Canned, tmp_path: Path) -> None:
    """OpenSSH's, one that ssh-agent holds, and GnuPG's: each signs a build of its own, and a policy names all three."""
    keys = tmp_path / "keys"
    keys.mkdir()
    gnupg = Path(tempfile.mkdtemp(prefix="repro-gnupg-"))  # short: its agent's socket must fit in 108 bytes
    ssh = ["ssh-keygen", "-q", "-N", "", "-C", "ann@example.org"]
    subprocess.run([*ssh, "-t", "ecdsa", "-f", keys / "ssh"], check=True)
    subprocess.run([*ssh, "-t", "ed25519", "-f", keys / "agent"], check=True)
    gpg = ["gpg", "--homedir", str(gnupg), "--batch", "--quiet", "--passphrase", ""]
    subprocess.run(
        [*gpg, "--quick-generate-key", "bob@example.org", "ed25519", "sign"], check=True, capture_output=True
    )
    listed = subprocess.run([*gpg, "--list-keys", "--with-colons"], check=True, capture_output=True, text=True).stdout
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
    exported = subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout
    (keys / "bob.asc").write_bytes(exported)
    started = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True).stdout
    agent = dict(re.findall(r"(SSH_\w+)=([^;]+);", started))
    try:
        subprocess.run(["ssh-add", "-q", keys / "agent"], check=True, env={**os.environ, **agent}, capture_output=True)
        (keys / "agent").unlink()
        specs = (f"{keys}/ssh", f"agent:{keys}/agent.pub", f"gpg:{fingerprint}")
        for number, spec in enumerate(specs):
            assert canned.run("verify", "tiny").returncode == 0
            env = {**agent, "GNUPGHOME": str(gnupg)}
            done = canned.run("attest", "create", "tiny", "--key", spec, env=env)
            assert done.returncode == 0, done.stderr
            assert (canned.out / "tiny.squashfs.link").exists() == (number == 1), "links take ed25519 keys"
            keep(canned, str(number))
    finally:
        os.kill(int(agent["SSH_AGENT_PID"]), signal.SIGTERM)
        subprocess.run(["gpgconf", "--homedir", gnupg, "--kill", "all"], check=False)
        shutil.rmtree(gnupg, ignore_errors=True)
    inline = (keys / "ssh.pub").read_text().strip()
    lines = ['schema = "repro/policy/v1"', "threshold = 3"]
    for name, key in (("ann", inline), ("the agent", f"{keys}/agent.pub"), ("bob", f"{keys}/bob.asc")):
        lines += ["[[rebuilder]]", f'name = "{name}"', f'keys = ["{key}"]']
    (canned.project / "policy.toml").write_text("\n".join(lines))
    found = quorum(canned, "said", code=0)
    assert found["counts"] == {"agreeing": 3, "dissenting": 0, "unknown": 0, "invalid": 0}
