"""The same bits, whoever builds: from an empty or a warm store, in another place, as root or not, in any shell."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from repro.model import statement
from repro.model import trace as traces
from repro.model.record import claim_bytes
from repro.model.text import canonical_json
from repro.sandbox.backend import NAMES
from tests.pipeline.bench import Bench, Clone, Person, digest, leavings, record
from tests.pipeline.conftest import Built
from tests.schemas import check
from tests.users import ROOT

pytestmark = [pytest.mark.build, pytest.mark.network]

# What a shell that somebody works in may have set.
STRANGE = {
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "tr_TR.UTF-8",
    "LANGUAGE": "tr",
    "TZ": "Asia/Kathmandu",
    "HOSTNAME": "elsewhere",
    "SOURCE_DATE_EPOCH": "1",
    "LD_LIBRARY_PATH": "/nonexistent",
    "TAR_OPTIONS": "--owner=me",
    "APT_CONFIG": "/nonexistent",
    "PERL5OPT": "-w",
    "SUDO_UID": "1234",
    "USER": "somebody",
}


@dataclass(frozen=True)
class Other:
    """A build elsewhere."""

    backend: str
    out: Path
    done: subprocess.CompletedProcess[str]
    clone: Clone
    store: Path


@pytest.fixture(scope="module")
def others(bench: Bench, built: Built, ordinary: Person) -> list[Other]:
    """An ordinary user builds with both backends at once, offline, in another clone, on one store of their own."""
    clone = bench.clone("another clone, whose path has blanks and is longer")
    text = (built.clone.folder / "recipes/tiny/recipe.lock").read_text()
    clone.write("recipes/tiny/recipe.lock", text)
    store = bench.clone_store(built.store, "their-store", ordinary.uid)
    started = []
    for backend, cache in (("subuid", []), ("fakeroot", ["--no-cache"])):
        out = bench.new_folder(f"their-{backend}", ordinary.uid)
        command = bench.command(
            *("--offline", "build", "tiny", "--backend", backend, *cache, "-o", str(out)), person=ordinary, store=store
        )
        process = subprocess.Popen(
            command,
            env=bench.environment(clone, STRANGE),
            cwd=clone.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=0o077,
        )
        started.append((backend, out, process))
    found = []
    for backend, out, process in started:
        stdout, stderr = process.communicate(timeout=900)
        done = subprocess.CompletedProcess([], process.returncode, stdout, stderr)
        found.append(Other(backend, out, done, clone, store))
    return found


def test_from_an_empty_store(built: Built, bench: Bench) -> None:
    assert "fetching" in built.said
    found = check((built.out / "build.json").read_bytes())
    claimed = {artifact["name"]: artifact["sha256"] for artifact in found["claim"]["artifacts"]}
    assert claimed == built.digests()
    assert [(stage["name"], stage["cached"]) for stage in found["run"]["stages"]] == [
        (name, False) for name in ("root", "squashfs", "iso", "usb", "tar", "oci")
    ]
    assert leavings(bench, built.clone.folder, built.store) == []
    assert list((built.store / "incoming").iterdir()) == []


def test_a_second_run_takes_it_from_the_cache(bench: Bench, built: Built) -> None:
    before = built.digests()
    began = time.monotonic()
    done = bench.run("--offline", "build", "tiny", clone=built.clone, store=built.store)
    assert done.returncode == 0, done.stderr
    assert "from the cache: squashfs, iso, usb, tar, oci" in done.stdout
    assert "root file system" not in done.stderr
    assert time.monotonic() - began < 20
    assert record(built.out)["run"]["seconds"] < 5
    assert built.digests() == before


def test_a_traced_build_gives_the_same_bits_and_says_who_wrote_what(bench: Bench, built: Built) -> None:
    out = built.clone.folder / "out/traced"
    done = bench.run("--offline", "build", "tiny", "--trace", "-o", str(out), clone=built.clone, store=built.store)
    assert done.returncode == 0, done.stderr
    assert {name: digest(out / name) for name in built.digests()} == built.digests()
    assert re.search(r"traced \d+ programs and \d+ files by \d+ calls, which took \d+\.\d of the root's", done.stdout)
    document = (out / traces.FILE).read_bytes()
    check(document)
    trace = traces.decode(document, "trace.json")

    def who(path: str) -> str:
        return " ← ".join(traces.writers(trace.chain(path)))

    assert who("etc/shadow").endswith("passwd.postinst")
    assert who("etc/ld.so.cache") == "ldconfig ← libc-bin.postinst (triggered)"
    assert who("usr/bin/bash").startswith(("dpkg", "tar"))  # unpacked, not written by a script
    assert who("etc/alternatives/awk").startswith("update-alternatives ← ")
    told = bench.run("explain", "--trace", str(out / traces.FILE), "/etc/ld.so.cache", clone=built.clone)
    assert "written   by ldconfig ← libc-bin.postinst (triggered)" in told.stdout


def test_an_ordinary_user_elsewhere_gets_the_same_bits(others: list[Other], built: Built, bench: Bench) -> None:
    mine = record(built.out)
    for other in others:
        assert other.done.returncode == 0, f"{other.backend}: {other.done.stderr}"
        found = record(other.out)
        assert canonical_json(found["claim"]) == canonical_json(mine["claim"]), other.backend
        assert found["run"]["backend"] == other.backend
        for name, sha256 in built.digests().items():
            assert f"{sha256}  {other.out / name}" in other.done.stdout
    assert leavings(bench, *(other.out for other in others)) == []


def test_statements_of_root_and_of_ordinary_users_make_the_same_claim_and_a_quorum(
    bench: Bench, built: Built, others: list[Other], ordinary: Person, tmp_path: Path
) -> None:
    """Each signs as who built it, where it was built; then a policy of three of three counts them."""
    people = [(bench.me, built.clone, built.out, built.store, bench.folder)]
    people += [(ordinary, other.clone, other.out, other.store, other.out) for other in others]
    claims, statements = set(), []
    lines = ['schema = "repro/policy/v1"', "threshold = 3", "[artifact]", 'name = "tiny.iso"']
    for number, (person, place, out, store, home) in enumerate(people):
        prefix = str(home / f"key-{number}")
        keygen = ("attest", "keygen", prefix, "--no-passphrase")
        create = ("attest", "create", "tiny", "-o", str(out), "--key", f"{prefix}.key")
        for args in (keygen, create):
            done = bench.run(*args, clone=place, person=person, store=store)
            assert done.returncode == 0, done.stderr
        statements.append(out / "tiny.rebuild.intoto.json")
        payload = base64.b64decode(json.loads(statements[-1].read_bytes())["payload"])
        claims.add(claim_bytes(statement.decode(payload, "statement").claim))
        assert claim_bytes(statement.decode(payload, "statement").claim) in payload, "the claim as it was signed"
        lines += ["[[rebuilder]]", f'name = "{number}"', f'keys = ["{prefix}.pub"]']
    assert len(claims) == 1
    (tmp_path / "policy.toml").write_text("\n".join(lines))
    count = ("attest", "quorum", "--policy", str(tmp_path / "policy.toml"), "--artifact", str(built.out / "tiny.iso"))
    done = bench.run(*count, "--json", *map(str, statements), clone=built.clone)
    assert done.returncode == 0, done.stdout + done.stderr
    found = check(done.stdout)
    assert found["counts"] == {"agreeing": 3, "dissenting": 0, "unknown": 0, "invalid": 0}
    assert len({voice["claim_sha256"] for voice in found["voices"]}) == 1


def test_a_claim_tells_nothing_of_who_where_and_when(built: Built, bench: Bench) -> None:
    found = record(built.out)
    claim = json.dumps(found["claim"])
    run = found["run"]
    for secret in (str(built.clone.folder), bench.folder.name, run["started"][:10], socket.gethostname() + "."):
        assert secret not in claim
    assert set(run) >= {"started", "seconds", "peak_bytes", "backend", "version", "stages"}


def test_the_record_on_standard_output_is_the_one_in_the_folder(bench: Bench, built: Built) -> None:
    done = bench.run("--offline", "build", "tiny", "--json", clone=built.clone, store=built.store)
    assert done.returncode == 0, done.stderr
    assert done.stdout.encode() == (built.out / "build.json").read_bytes()
    check(done.stdout)


def test_a_lock_is_checked_by_apt_of_the_locked_toolchain(bench: Bench, built: Built, tmp_path: Path) -> None:
    """Also on a host that has no apt."""
    lock = built.clone.folder / "recipes/tiny/recipe.lock"
    before = lock.read_bytes()
    bench.folder.joinpath("bin").mkdir()
    env = {"PATH": str(bench.folder / "bin")}
    done = bench.run("--offline", "lock", "tiny", "--check", clone=built.clone, store=built.store, env=env)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr
    assert done.stdout.startswith("tiny: current: ")
    assert lock.read_bytes() == before


@pytest.mark.parametrize("backend", NAMES)
def test_minimal_is_what_was_published(
    bench: Bench, built: Built, well_filled_store: Path, ordinary: Person, backend: str
) -> None:
    published = json.loads((ROOT / "reports/minimal.json").read_bytes())
    person = bench.me if backend == "root" else ordinary
    if backend == "root" and bench.me.uid:
        pytest.skip("host: the tests do not run as root")
    clone = bench.clone(f"minimal-{backend}")
    clone.project("minimal")
    store = bench.clone_store(well_filled_store, f"minimal-{backend}-store", person.uid)
    out = bench.new_folder(f"minimal-{backend}-out", person.uid)
    args = ("build", "minimal", "--backend", backend, "-o", str(out))
    done = bench.run(*args, clone=clone, store=store, person=person, env=STRANGE, umask=0o027)
    assert done.returncode == 0, done.stderr
    claim = record(out)["claim"]
    assert claim["lock_sha256"] == published["lock_sha256"], "published from another lock: `repro verify --publish`"
    assert claim["artifacts"] == published["artifacts"]


# What each hook of recipes/unstable plants: the file, and what differs about it. `50-gzip` and `60-bytecode` plant
# times in content alone, since later steps clamp the times of files.
PLANTED = {
    "opt/unstable/__pycache__/module.cpython-311.pyc": {"content"},
    "opt/unstable/hostname": {"content"},
    "opt/unstable/listing": {"content"},
    "opt/unstable/mode": {"mode"},
    "opt/unstable/owner": {"owner"},
    "opt/unstable/random": {"content"},
    "opt/unstable/stamped.gz": {"content"},
    "opt/unstable/time-of-day": {"content"},
}


def test_unstable_diverges_in_what_was_planted_and_nothing_else(bench: Bench, well_filled_store: Path) -> None:
    clone = bench.clone("unstable")
    clone.project("unstable")
    done = bench.run("verify", "unstable", clone=clone, store=well_filled_store)
    assert done.returncode == 1, done.stderr
    out = clone.folder / "out/unstable"
    found = check((out / "comparison.json").read_bytes())
    check((out / "build.json").read_bytes())
    assert found["verdict"] == "different"
    assert found["unexamined"] == []
    files = {row["location"][0]: set(row["aspects"]) for row in found["divergences"] if row["location"]}
    planted = dict(PLANTED)
    if "not varied" in done.stdout and "directory_order" in done.stdout:
        planted.pop("opt/unstable/listing")
    assert {name: aspects - {"size"} for name, aspects in files.items() if not name.startswith("[")} == planted
    text = (out / "report.txt").read_text(encoding="utf-8")
    for name in planted:
        assert name in text
        assert name in done.stdout
    assert (out / "rebuild-2" / "unstable.squashfs").exists(), "what diverges is kept for a look"


def test_verify_tiny_with_everything_varied(bench: Bench, built: Built, well_filled_store: Path) -> None:
    """Two rebuilds under other conditions give what the first build gave."""
    clone = bench.clone("verified")
    clone.write("recipes/tiny/recipe.lock", (built.clone.folder / "recipes/tiny/recipe.lock").read_text())
    done = bench.run("--offline", "verify", "tiny", clone=clone, store=built.store)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict: identical" in done.stdout
    assert all(sha256 in done.stdout for sha256 in built.digests().values())
    out = clone.folder / "out/tiny"
    builds = check((out / "build.json").read_bytes())["builds"]
    assert [build["claim"]["artifacts"] for build in builds.values()] == [record(built.out)["claim"]["artifacts"]] * 2
    assert not any(stage["cached"] for build in builds.values() for stage in build["run"]["stages"])
    varied = builds["rebuild-2"]["claim"]["environment"]
    same = {key for key, value in builds["rebuild-1"]["claim"]["environment"].items() if varied[key] == value}
    assert same <= {"source_date_epoch", "clock", "backend", "cpus", "directory_order", "filesystem"}
    for name in ("comparison.json", "comparison-2.json", "report.txt"):
        assert (out / name).exists()
    assert not (out / "rebuild-2").exists(), "what is identical is not kept twice"
