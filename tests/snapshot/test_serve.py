"""`repro serve`: what was imported is served as a snapshot archive does, and nothing else ever is."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from repro.model.pin import TIMESTAMP
from repro.snapshot.pins import Evidence, load_pin_set, save_pin_set
from repro.snapshot.server.catalogue import Catalogue
from tests.schemas import check
from tests.snapshot.serving import Answer, Served, serving
from tests.snapshot.world import Server, World, clear_sign, needed, release_text, sha256

SOURCE = b"the source of pkg0\n"


@dataclass
class Archive:
    """Two imports of the archive of `world`: at `first` with all packages, at `second` pkg0 has other bytes."""

    world: World
    first: str
    second: str
    old: bytes
    new: bytes
    env: dict[str, str]
    served: Served

    def ask(self, target: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        return self.served.ask(target, method, body, {key.replace("_", "-"): text for key, text in headers.items()})

    def json(self, target: str) -> dict[str, object]:
        answer = self.ask(target)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.text
        loaded: dict[str, object] = json.loads(answer.body)
        return loaded


def with_sources(world: World) -> None:
    """Let the Release name a Sources index with the one file of pkg0."""
    stanza = (
        f"Package: pkg0\nVersion: 1.0\nDirectory: pool/main/p/pkg0\nChecksums-Sha256:\n"
        f" {sha256(SOURCE)} {len(SOURCE)} pkg0_1.0.dsc\n"
    )
    world.indexes["main/source/Sources"] = stanza.encode()


def publish(world: World, date_offset: int, server: Server) -> str:
    """Sign the archive of `world` anew, pin it, and let `server` serve it; the timestamp."""
    date = world.date + timedelta(seconds=date_offset)
    world.inrelease = clear_sign(world.key, release_text(date, world.indexes))
    pins = load_pin_set(world.folder / "snapshots", "tiny")
    stamp = date.strftime(TIMESTAMP)
    moved = replace(pins, pins=(replace(pins.pins[0], timestamp=stamp, sha256=sha256(world.inrelease)),))
    evidence = {"debian/tiny": Evidence(world.inrelease)}
    save_pin_set(world.folder / "snapshots", moved, evidence, [world.certificate])
    sources = world.indexes["main/source/Sources"]
    files = {
        "/debian/dists/tiny/main/source/Sources": sources,
        f"/debian/dists/tiny/main/source/by-hash/SHA256/{sha256(sources)}": sources,
        "/debian/pool/main/p/pkg0/pkg0_1.0.dsc": SOURCE,
    }
    server.files = world.tree() | files
    return stamp


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("archive")
    world = World(folder)
    with_sources(world)
    with Server() as server:
        env = world.environment(f"{server.base}/debian")
        first = publish(world, 0, server)
        done = world.run("serve", "import", "tiny", "--source", "pkg0", "--json", env=env)
        assert done.returncode == 0, done.stderr
        (row,) = check(done.stdout)["imports"]
        assert (row["timestamp"], row["files"], row["binaries"], row["sources"]) == (first, 11, 3, 1)
        old = next(iter(world.bodies.values()))
        world.change_first_package(b"other bytes of pkg0")
        second = publish(world, 3, server)
        done = world.run("serve", "import", "tiny", "--all", "--no-locks", env=env)
        assert done.returncode == 0, done.stderr
    with serving(world.store, env, folder) as served:
        yield Archive(world, first, second, old, b"other bytes of pkg0", env, served)


def debs(archive: Archive) -> list[str]:
    return [path.replace("+", "%2b") for path in archive.world.bodies]


def test_a_file_at_a_time(archive: Archive) -> None:
    path = debs(archive)[0]
    for stamp, body in ((archive.first, archive.old), (archive.second, archive.new)):
        answer = archive.ask(f"/archive/debian/{stamp}/{path}")
        assert (answer.status, answer.body) == (200, body)
        assert answer.headers["content-length"] == str(len(body))
        assert answer.headers["etag"] == f'"{sha256(body)}"'
        seconds = 0 if stamp == archive.first else 3
        when = archive.world.date + timedelta(seconds=seconds)
        assert answer.headers["last-modified"] == format_datetime(when, usegmt=True)


def test_a_time_between_imports_leads_to_the_earlier(archive: Archive) -> None:
    between = (archive.world.date + timedelta(seconds=1)).strftime(TIMESTAMP)
    answer = archive.ask(f"/archive/debian/{between}/{debs(archive)[0]}")
    assert answer.status == 302
    assert answer.headers["location"] == f"/archive/debian/{archive.first}/{debs(archive)[0].replace('%2b', '%2B')}"
    followed = requests.get(f"{archive.served.base}/archive/debian/{between}/{debs(archive)[0]}", timeout=30)
    assert followed.content == archive.old
    late = requests.get(f"{archive.served.base}/archive/debian/20991231/{debs(archive)[0]}", timeout=30)
    assert late.content == archive.new
    assert archive.ask(f"/archive/debian/20010101T000000Z/{debs(archive)[0]}").status == 404


def test_indexes_by_name_and_by_hash(archive: Archive) -> None:
    world = archive.world
    root = f"/archive/debian/{archive.second}/dists/tiny"
    assert archive.ask(f"{root}/InRelease").body == world.inrelease
    for path in ("main/binary-amd64/Packages", "main/binary-amd64/Packages.xz"):
        data = world.indexes[path]
        assert archive.ask(f"{root}/{path}").body == data
        assert archive.ask(f"{root}/main/binary-amd64/by-hash/SHA256/{sha256(data)}").body == data
    assert archive.ask(f"{root}/main/binary-amd64/Packages.gz").status == 404


@pytest.mark.parametrize(
    ("given", "expected"),
    [("bytes=5-9", slice(5, 10)), ("bytes=100-", slice(100, None)), ("bytes=-7", slice(-7, None))],
)
def test_ranges(archive: Archive, given: str, expected: slice) -> None:
    target = f"/archive/debian/{archive.first}/{debs(archive)[0]}"
    answer = archive.ask(target, Range=given)
    assert (answer.status, answer.body) == (206, archive.old[expected])
    start = range(len(archive.old))[expected][0]
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(answer.body) - 1}/{len(archive.old)}"
    same = archive.ask(target, Range=given, If_Range=answer.headers["etag"])
    other = archive.ask(target, Range=given, If_Range='"something else"')
    assert (same.status, other.status, other.body) == (206, 200, archive.old)
    assert archive.ask(target, Range="bytes=3000-").status == 416


def test_what_is_known_already_is_not_sent_again(archive: Archive) -> None:
    target = f"/archive/debian/{archive.second}/dists/tiny/InRelease"
    headers = archive.ask(target, "HEAD").headers
    assert int(headers["content-length"]) == len(archive.world.inrelease)
    for name, text in (("If-None-Match", headers["etag"]), ("If-Modified-Since", headers["last-modified"])):
        answer = archive.served.ask(target, headers={name: text})
        assert (answer.status, answer.body) == (304, b"")
    assert archive.ask(target, If_None_Match='"other"').status == 200


def test_the_targets_that_programs_send(archive: Archive) -> None:
    """Absolute form of clients with a proxy, a double slash of debootsnap's, escapes of either case."""
    path = f"archive/debian/{archive.first}/{next(iter(archive.world.bodies))}"
    lower, upper = path.replace("+", "%2b"), path.replace("+", "%2B").replace("pkg", "%70kg")
    for target in (f"/{path}", f"//{lower}", f"/{upper}", f"http://snapshot.debian.org//{lower}"):
        assert archive.ask(target).body == archive.old, target


def test_json_calls(archive: Archive) -> None:
    old, new = (hash_of(body) for body in (archive.old, archive.new))
    source = hash_of(SOURCE)
    ask = archive.json
    assert ask("/mr/timestamp/?archive=debian")["result"] == {"debian": [archive.first, archive.second]}
    assert ask(f"/mr/timestamp/?after={archive.second}")["result"] == {"debian": [archive.second]}
    assert ask(f"/mr/timestamp/?archive=debian&before={archive.first}")["result"] == {"debian": [archive.first]}
    assert ask("/mr/package/")["result"] == [{"package": f"pkg{number}"} for number in range(3)]
    assert ask("/mr/package/pkg0/")["result"] == [{"version": "1.0"}]
    files = ask("/mr/package/pkg0/1.0/srcfiles?fileinfo=1")
    place = {
        "name": "pkg0_1.0.dsc", "archive_name": "debian", "path": "/pool/main/p/pkg0", "size": len(SOURCE),
        "first_seen": archive.first,
    }  # fmt: skip
    assert (files["result"], files["fileinfo"]) == ([{"hash": source}], {source: [place]})
    assert "fileinfo" not in ask("/mr/package/pkg0/1.0/srcfiles")
    assert ask("/mr/package/pkg0/1.0/binpackages")["result"] == [{"name": "pkg0", "version": "1.0+b0"}]
    both = sorted([old, new])
    every = ask("/mr/package/pkg0/1.0/allfiles")["result"]
    binaries = [{"name": "pkg0", "version": "1.0+b0", "files": [{"architecture": "amd64", "hash": h} for h in both]}]
    assert every == {"source": [{"hash": source}], "binaries": binaries}
    rows = [{"hash": each, "architecture": "amd64"} for each in both]
    assert ask("/mr/package/pkg0/1.0/binfiles/pkg0/1.0+b0")["result"] == rows
    assert ask("/mr/binary/pkg0/1.0%2Bb0/binfiles")["result"] == rows
    info = ask("/mr/binary/pkg0/1.0+b0/binfiles?fileinfo=1")["fileinfo"]
    assert isinstance(info, dict)
    assert [info[each][0]["first_seen"] for each in (old, new)] == [archive.first, archive.second]
    names = {"source": "pkg0", "version": "1.0", "name": "pkg0", "binary_version": "1.0+b0"}
    assert ask("/mr/binary/pkg0/")["result"] == [names]
    assert ask(f"/mr/file/{source}/info")["result"] == [place]
    assert archive.ask(f"/file/{old}").body == archive.old
    for nothing in ("/mr/package/x/", "/mr/package/pkg0/9/srcfiles", "/mr/binary/x/", "/mr/file/00/info", "/file/00"):
        assert archive.ask(nothing).status == 404


def hash_of(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def metasnap(archive: Archive, packages: str, archive_name: str = "debian") -> requests.Response:
    files = {"archive": archive_name, "arch": "amd64", "pkgs": packages}
    return requests.post(f"{archive.served.base}/cgi-bin/api", files=files, timeout=30)


def test_metasnap(archive: Archive) -> None:
    found = metasnap(archive, "pkg0:amd64=1.0+b0,pkg1:amd64=1.0+b1")
    first, second = archive.first, archive.second
    assert (found.status_code, found.text.splitlines()) == (
        200,
        [f"pkg{number} amd64 1.0+b{number} tiny main {first} {second}" for number in (0, 1)],
    )
    missing = metasnap(archive, "pkg0:amd64=1.0+b0,pkg0:amd64=9,no:amd64=1")
    assert (missing.status_code, missing.text) == (404, "pkg0 amd64 9\nno amd64 1\n")
    assert metasnap(archive, "pkg0:amd64=1.0+b0", "debian-ports").status_code == 404
    assert metasnap(archive, "pkg0; DROP TABLE").status_code == 400
    assert metasnap(archive, "pkg0:amd64=1.0+b0," * 100_000).status_code == 413


BAD = {
    "up and out": ("/archive/debian/{second}/../../../etc/passwd", 404),
    "up and out, escaped": ("/archive/debian/{second}/%2e%2e/%2e%2e/archive.sqlite", 404),
    "up in place of an archive": ("/archive/../{second}/x", 404),
    "a zero byte": ("/archive/debian/{second}/%00", 404),
    "a path from the root": ("/archive/debian/{second}//etc/passwd", 404),
    "no UTF-8": ("/archive/debian/{second}/%ff%fe", 404),
    "a deep path": ("/archive/debian/{second}/" + "a/" * 2000, 404),
    "a date that is none": ("/archive/debian/20269999T000000Z/x", 404),
    "a time that is none": ("/archive/debian/now/x", 404),
    "no such archive": ("/archive/nothing/", 404),
    "the catalogue": ("/file/../archive.sqlite", 404),
    "bounds that are no times": ("/mr/timestamp/?after=x", 404),
    "a name with a quote": ("/mr/package/%27%20OR%201=1/", 404),
    "an endless line": ("/" + "a" * 60_000, 414),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_there_is_not_to_be_had(archive: Archive, what: str) -> None:
    target, status = BAD[what]
    assert archive.ask(target.replace("{second}", archive.second)).status == status


def test_nothing_can_be_changed(archive: Archive) -> None:
    target = f"/archive/debian/{archive.second}/dists/tiny/InRelease"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert archive.ask(target, method, b"x").status == 405
    assert archive.ask("/cgi-bin/api").status == 405
    assert archive.ask("/cgi-bin/api", "POST", b"junk", Content_Type="multipart/form-data; boundary=x").status < 500


def test_pages_for_people(archive: Archive) -> None:
    front = requests.get(archive.served.base, timeout=30)
    assert "debian: 2 imports" in front.text
    listing = requests.get(f"{archive.served.base}/archive/debian/{archive.second}/pool/main/p", timeout=30)
    assert re.findall(r'href="([^"]*)"', listing.text) == ["../", "./pkg0/", "./pkg1/", "./pkg2/"]
    assert archive.json("/healthz") == {"status": "ok", "imports": {"debian": 2}}


def test_every_request_is_logged_and_no_line_is_forged(archive: Archive) -> None:
    archive.ask("/mr/package/evil%0a127.0.0.1%20-%20-/", User_Agent='"; rm')
    line = archive.served.logged("evil")
    assert re.fullmatch(r'127\.0\.0\.1 - - \[[^\]]+\] "GET [^"]+ HTTP/1\.1" 404 \d+ "-" "[^"]*"', line), line
    assert archive.ask(f"/file/{hash_of(archive.old)}").status == 200
    assert f'" 200 {len(archive.old)} "-" "-"' in archive.served.logged(f"GET /file/{hash_of(archive.old)} ")


def test_other_stores_and_moments(archive: Archive, tmp_path: Path) -> None:
    """A copy of the store: damage is not served, removal is, imports appear while it runs, requests are finished."""
    store = tmp_path / "store"
    shutil.copytree(archive.world.store, store)
    path = store / "blobs/sha256" / sha256(archive.old)[:2] / sha256(archive.old)
    path.chmod(0o644)
    path.write_bytes(archive.old[:-1] + b"!")
    target = f"/archive/debian/{archive.first}/{debs(archive)[0]}"
    with serving(store, archive.env, tmp_path) as served:
        assert served.ask(target).status == 503
        assert not path.exists()  # set aside
        assert served.logged("quarantine")
        assert served.ask(f"/archive/debian/{archive.first}/{debs(archive)[1]}").status == 200
        remove = ("serve", "remove", "debian", archive.first)
        command = [*archive.world.command(*remove)]
        command[command.index("--store") + 1] = str(store)
        subprocess.run(command, env=archive.env, check=True)
        assert served.ask(target).status == 404
        assert subprocess.run(command, env=archive.env, check=False, capture_output=True).returncode == 2
        assert Catalogue(store).imports("debian") == [archive.second]
        slow = socket.create_connection((urlsplit(served.base).hostname, urlsplit(served.base).port))
        slow.sendall(f"GET /archive/debian/{archive.second}/{debs(archive)[2]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = slow.recv(1000)
        served.process.send_signal(signal.SIGINT)
        while chunk := slow.recv(1 << 16):
            got += chunk
        assert got.endswith(list(archive.world.bodies.values())[2])
        assert served.process.wait(30) == 0


def test_ends_cleanly_and_says_what_is_wrong(archive: Archive, tmp_path: Path) -> None:
    world = archive.world
    with serving(tmp_path / "none", archive.env, tmp_path) as served:
        assert served.ask("/healthz").status == 200
        assert served.ask("/archive/debian/20200101/x").status == 404
        assert served.end() == 0
    taken = world.run("serve", "--bind", urlsplit(archive.served.base).netloc, env=archive.env)
    assert (taken.returncode, "--bind" in taken.stderr) == (4, True)
    for wrong in ("nowhere:x", "127.0.0.1:99999"):
        assert world.run("serve", "--bind", wrong, env=archive.env).returncode == 2
    listed = check(world.run("serve", "list", "--json", env=archive.env).stdout)
    assert [row["timestamp"] for row in listed["imports"]] == [archive.first, archive.second]
    assert world.run("serve", "import", "nothing", env=archive.env).returncode == 2
    absent = world.run("serve", "import", "tiny", "--source", "absent", env=archive.env)
    assert absent.returncode in (2, 4)


def test_pins_by_time_from_a_snapshot_archive_of_ones_own(archive: Archive, tmp_path: Path) -> None:
    """The time between two imports becomes the earlier one's; a refresh without mirrors takes a time."""
    keys = tmp_path / "keys.asc"
    keys.write_text(str(archive.world.certificate))
    env = archive.world.environment(snapshot=archive.served.base)
    between = (archive.world.date + timedelta(seconds=1)).isoformat()
    where = ("--snapshots", str(tmp_path / "snapshots"))
    args = ("--archive", "debian", "--suite", "tiny", "--keyring", str(keys), "--at", between)
    done = archive.world.run("pin", "add", "own", *args, *where, env=env)
    assert done.returncode == 0, done.stderr
    assert load_pin_set(tmp_path / "snapshots", "own").pins[0].timestamp == archive.first
    moved = archive.world.run("pin", "refresh", "own", "--at", archive.second, *where, env=env)
    assert moved.returncode == 0, moved.stderr
    assert load_pin_set(tmp_path / "snapshots", "own").pins[0].timestamp == archive.second


def test_an_import_that_was_killed_leaves_no_trace(archive: Archive, tmp_path: Path) -> None:
    shutil.copytree(archive.world.store, tmp_path / "store")
    catalogue = Catalogue(tmp_path / "store")
    before = catalogue.sums()
    code = (
        "import os, sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1]); database.execute('PRAGMA cache_size = 1')\n"
        "for n in range(3000): database.execute('INSERT INTO blobs VALUES (?, ?, ?)', (f'{n:064}', 'x' * 40, n))\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(catalogue.path)], check=False)
    assert catalogue.path.with_name(f"{catalogue.path.name}-journal").stat().st_size > 0
    assert catalogue.sums() == before


def test_gc_keeps_what_is_served(archive: Archive, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(archive.world.store, store)
    before = Catalogue(store).sums()
    argv = archive.world.command("store", "gc")
    argv[argv.index("--store") + 1] = str(store)
    subprocess.run(argv, env=archive.env, cwd=archive.world.folder, check=True)
    assert {path.name for path in (store / "blobs/sha256").glob("*/*")} == set(before)
    subprocess.run([*argv, "--all"], env=archive.env, cwd=archive.world.folder, check=True)
    assert (Catalogue(store).sums(), list((store / "blobs/sha256").glob("*/*"))) == ({}, [])


def test_a_snapshot_archive_of_ones_own_is_a_source(tmp_path: Path) -> None:
    """Fetching from it as from snapshot.debian.org, where no mirror has anything."""
    world = World(tmp_path)
    with Server(world.tree()) as server:
        env = world.environment(f"{server.base}/debian")
        assert world.run("serve", "import", "tiny", env=env).returncode == 0
    with serving(world.store, env, tmp_path) as served:
        world.store = tmp_path / "other"
        done = world.run("fetch", "tiny", env=world.environment(snapshot=served.base))
        assert done.returncode == 0, done.stderr
    assert needed(world) <= world.stored()
