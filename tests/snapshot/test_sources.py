"""Sources that fail: who is asked, how often, for how long, and what is said in the end."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from repro.model.errors import Unavailable
from repro.snapshot import politeness
from repro.snapshot.fetcher import WORKERS, Fetcher
from repro.snapshot.politeness import Budget, NotAsked, Patience
from repro.snapshot.sources import Mirror, SnapshotArchive, Source, Wanted
from repro.store import Store
from repro.system.http import Http, HttpProblem
from repro.system.progress import Null
from tests.schemas import check
from tests.snapshot.world import Server, World, sha256

QUICK = Patience(attempts=3, backoff=0.02, longest_wait=5)


def wanted(world: World, number: int) -> Wanted:
    path, body = list(world.bodies.items())[number]
    label, known = f"pkg{number}", (f"pkg{number}", f"1.0+b{number}")
    return Wanted(sha256(body), len(body), "debian", path, world.timestamp, label, package=known)


def fetch(world: World, sources: list[Source], items: list[Wanted], patience: Patience = QUICK) -> None:
    Fetcher(Store(world.store), Http(), sources, patience).ensure(items, Null())


def mirror(server: Server, budget: Budget | None = None) -> Mirror:
    return Mirror("debian", f"{server.base}/debian", budget)


def test_by_name_and_version_where_the_path_leads_nowhere(world: World, server: Server) -> None:
    """The snapshot archive moved it: its own list of files tells the SHA-1, and two of those are not it."""
    item = wanted(world, 1)
    body = list(world.bodies.values())[1]
    sha1 = hashlib.sha1(body).hexdigest()
    name = item.path.rpartition("/")[2]
    rows = {
        "0" * 40: [{"name": name, "size": 3}],
        "1" * 40: [{"name": "other.deb", "size": len(body)}],
        sha1: [{"name": name, "size": len(body)}],
        "../../etc": [{"name": name, "size": len(body)}],
    }
    question = "/mr/binary/pkg1/1.0%2Bb1/binfiles?fileinfo=1"
    server.files = {question: json.dumps({"fileinfo": rows}).encode(), f"/file/{sha1}": body}
    budget = Budget(0, 1)
    fetch(world, [SnapshotArchive(server.base, Http(), budget, QUICK)], [item])
    assert item.sha256 in world.stored()
    asked = [path for path, _, _ in server.log]
    assert [asked[0], *asked[-2:]] == [
        f"/archive/debian/{world.timestamp}/{item.path.replace('+', '%2B')}",
        question,
        f"/file/{sha1}",
    ]
    server.files[f"/file/{sha1}"] = b"x" * len(body)
    world.store = world.folder / "another"
    with pytest.raises(Unavailable):  # SHA-1 is not what counts
        fetch(world, [SnapshotArchive(server.base, Http(), budget, QUICK)], [item])


@pytest.mark.parametrize("answer", [b"[]", b"{", b'{"fileinfo": 3}', b'{"fileinfo": {"x": [3]}}', b"[" * 100_000])
def test_answers_of_another_form(world: World, server: Server, answer: bytes) -> None:
    server.files = {"/mr/binary/pkg1/1.0%2Bb1/binfiles?fileinfo=1": answer}
    with pytest.raises(Unavailable, match="HTTP 404"):
        fetch(world, [SnapshotArchive(server.base, Http(), Budget(0, 1), QUICK)], [wanted(world, 1)])


def test_one_connection_and_a_pause_between_requests(world: World, server: Server) -> None:
    """Four workers; the times at which a host is asked are apart as its budget says."""
    root = f"/archive/debian/{world.timestamp}"
    server.files = world.tree(root)
    archive = SnapshotArchive(server.base, Http(), Budget(0.3, 1), QUICK)
    started = time.monotonic()
    fetch(world, [archive], [wanted(world, number) for number in range(3)])
    assert time.monotonic() - started > 0.6
    assert archive.budget.asked == len(server.log) == 3
    apart = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    assert min(apart) > 0.1  # a machine that is busy takes a request in later than it was sent


def test_retry_after_holds_everybody_off(world: World, server: Server) -> None:
    server.files = world.tree()
    server.faults[world.url_path(0)] = [("status", 429, {"Retry-After": "1"})]
    fetch(world, [mirror(server, Budget(0, 1))], [wanted(world, number) for number in range(3)])
    refused = next(number for number, row in enumerate(server.log) if row[2] == 429)
    assert server.times[refused + 1] - server.times[refused] > 0.9


def test_a_host_that_lets_us_down_is_left_in_peace_then_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(politeness.time, "monotonic", lambda: now[0])
    budget = Budget()
    for _ in range(2):
        with budget.turn():
            pass
        budget.bad(HttpProblem("busy", 503))
    with pytest.raises(NotAsked, match="busy"), budget.turn():
        pass
    now[0] += politeness.COOLING + 1
    with budget.turn():  # half-open: one is tried, the others wait
        with pytest.raises(NotAsked), budget.turn():
            pass
        budget.good()
    with budget.turn():
        pass
    budget.bad(HttpProblem("no answer", 0))  # nothing at all weighs more
    with pytest.raises(NotAsked, match="no answer"), budget.turn():
        pass
    assert budget.asked == 4


def test_a_busy_mirror_does_not_cost_its_patience_for_each_file(tmp_path: Path, server: Server, second: Server) -> None:
    world = World(tmp_path, (1000,) * 12)
    second.files = world.tree()
    for number in range(12):
        server.faults[world.url_path(number)] = [("status", 503, {})] * 9
    fetch(world, [mirror(server), mirror(second)], [wanted(world, number) for number in range(12)])
    assert len(server.log) <= WORKERS * QUICK.attempts  # those under way; nobody after them
    assert len(second.log) == 12


def test_a_drip_is_left_for_another_source_and_resumed_there(world: World, server: Server, second: Server) -> None:
    server.files = second.files = world.tree()
    path = world.url_path(2)
    server.faults[path] = [("slow", 2000)] * 9
    patience = replace(QUICK, minimum_rate=5000, slow_after=0.3)
    fetch(world, [mirror(server), mirror(second)], [wanted(world, 2)], patience)
    ((_, resumed, status),) = second.asked(path)
    assert (resumed is not None, status) == (True, 206)
    assert len(server.asked(path)) == QUICK.attempts


def test_small_steps_do_not_make_endless_requests(world: World, server: Server) -> None:
    server.files = world.tree()
    path = world.url_path(2)
    server.faults[path] = [("cut", 5000)] * 99
    with pytest.raises(Unavailable):
        fetch(world, [mirror(server)], [wanted(world, 2)])
    assert len(server.asked(path)) <= QUICK.most_requests


def test_a_deadline_for_all(world: World, server: Server) -> None:
    """It ends a slow download and a long wait; what came is kept, and the next run goes on."""
    server.files = world.tree()
    path = world.url_path(2)
    server.faults[path] = [("slow", 10_000)]
    env = world.environment(f"{server.base}/debian") | {"REPRO_DEADLINE": "2"}
    done = world.run("fetch", "tiny", env=env)
    assert (done.returncode, "the deadline of 2 s passed" in done.stderr) == (4, True), done.stderr
    assert "pkg2 1.0+b2 amd64" in done.stderr
    assert world.run("fetch", "tiny", env=env | {"REPRO_DEADLINE": "60"}).returncode == 0
    ((_, resumed, _),) = server.asked(path)[1:]
    assert resumed is not None
    world.store = world.folder / "another"
    server.faults[path] = [("status", 503, {"Retry-After": "100"})]
    started = time.monotonic()
    assert world.run("fetch", "tiny", env=env | {"REPRO_DEADLINE": "5"}).returncode == 4
    assert time.monotonic() - started < 60


def test_if_range(world: World, server: Server) -> None:
    """Between two parts the file becomes another one: the part of the old one is not kept."""
    server.files = world.tree()
    path = world.url_path(2)
    body = server.files[path]
    server.tags = True
    server.faults[path] = [("bytes-cut", b"y" * len(body), 30_000)]
    fetch(world, [mirror(server)], [wanted(world, 2)])
    assert [status for _, _, status in server.asked(path)] == [200, 200]
    world.store = world.folder / "another"
    server.faults[path] = [("cut", 30_000)]
    fetch(world, [mirror(server)], [wanted(world, 2)])
    assert [status for _, _, status in server.asked(path)][2:] == [200, 206]


def test_redirects(world: World, server: Server, second: Server) -> None:
    """One to another host is followed, and its bytes count; one in a circle is given up soon."""
    second.files = world.tree("/elsewhere")
    path = world.url_path(1)
    server.faults[path] = [("status", 302, {"Location": f"{second.base}{world.url_path(1, '/elsewhere')}"})]
    fetch(world, [mirror(server)], [wanted(world, 1)])
    assert wanted(world, 1).sha256 in world.stored()
    path = world.url_path(0)
    server.faults[path] = [("status", 302, {"Location": path})] * 99
    with pytest.raises(Unavailable, match="redirects"):
        fetch(world, [mirror(server)], [wanted(world, 0)])
    assert len(server.asked(path)) <= 6


def test_from_https_to_http_nobody_is_led(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {"/file": b"from the clear"}
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    extension = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command, *extension], cwd=tmp_path, check=True, capture_output=True)

    class Leading(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"{server.base}/file")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    secure = ThreadingHTTPServer(("127.0.0.1", 0), Leading)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    try:
        with pytest.raises(HttpProblem, match="from https to http://"):
            Http().get(f"https://localhost:{secure.server_address[1]}/", limit=100)
    finally:
        secure.shutdown()
        secure.server_close()


def test_the_plan_says_what_comes_from_where(world: World, server: Server, second: Server) -> None:
    server.files = world.tree()
    del server.files[world.url_path(1)]
    second.files = world.tree(f"/archive/debian/{world.timestamp}")
    env = world.environment(f"{server.base}/debian", snapshot=second.base)
    plan = check(world.run("fetch", "tiny", "--plan", "--json", env=env).stdout)
    first, last = plan["sources"]
    assert (first["source"], first["files"], first["asked"]) == (f"{server.base}/debian", 3, True)
    assert (last["source"], last["files"], last["bytes"], last["asked"]) == (second.base, 1, 20_000, False)
    assert last["seconds"] >= 1.5
    assert plan["seconds"] == max(first["seconds"], last["seconds"])
    assert not server.log
    assert not second.log
    assert not second.heads
    shown = world.run("fetch", "tiny", "--plan", env=env).stdout
    assert f"  {second.base}\n" in shown
    assert "takes about 2 s" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    offline = check(world.run("--offline", "fetch", "tiny", "--plan", "--json", env=env).stdout)
    assert offline["sources"] == []


def test_the_plan_learns_how_fast_a_source_is(tmp_path: Path, server: Server) -> None:
    world = World(tmp_path, (3_000_000,))
    server.files = world.tree()
    env = world.environment(f"{server.base}/debian")
    assert world.run("fetch", "tiny", env=env).returncode == 0
    assert world.run("store", "gc", "--all", env=env).returncode == 0
    (share,) = check(world.run("fetch", "tiny", "--plan", "--json", env=env).stdout)["sources"]
    assert share["measured"]
    assert share["rate"] != 1_000_000
    (world.store / "rates.json").write_text("[")
    (share,) = check(world.run("fetch", "tiny", "--plan", "--json", env=env).stdout)["sources"]
    assert not share["measured"]
