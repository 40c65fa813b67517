"""Statements from files, folders and servers: nothing broken is passed over, and nothing leaves its folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro.attest.gather import gather
from repro.attest.reading import LIMIT, Offered, hear
from repro.model.errors import InvalidInput, Unavailable
from repro.pipeline.publishing import publish_statements
from repro.system.http import Http, Offline
from repro.system.pool import Later
from repro.system.progress import Null
from tests.attest.said import many, several
from tests.snapshot.world import Server
from tests.users import OrdinaryUser

ENDINGS = (".intoto.json", ".link")


def gathered(*sources: str | Path, offline: bool = False) -> list[Offered]:
    return gather([str(source) for source in sources], Http(offline=offline), Null())


def refusals(offered: list[Offered]) -> dict[str, str]:
    """Why, by the last part of the place."""
    return {os.path.basename(each.where): each.refused for each in offered if each.refused}


def site_of(folder: Path) -> dict[str, bytes]:
    """A published folder with a little of everything, by path on a server."""
    folder.mkdir()
    for name, data in several().items():
        (folder / name).write_bytes(data)
    public = folder / "public"
    publish_statements(public, [str(folder / name) for name in several()], Http(), Null())
    return {f"/some/where/{p.relative_to(public)}": p.read_bytes() for p in public.rglob("*") if p.is_file()}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(site_of(tmp_path / "site")) as server:
        yield server


def statements(server: Server) -> list[str]:
    return sorted(path for path in server.files if "/statements/" in path)


def rewrite_index(server: Server, **changes: object) -> None:
    """Change the first entry of the index."""
    index = json.loads(server.files["/some/where/index.json"])
    index["statements"][0] |= changes
    server.files["/some/where/index.json"] = json.dumps(index).encode()


def test_files_and_folders(tmp_path: Path) -> None:
    for name in ("b.intoto.json", "a.link", "deep/er/c.intoto.json", "readme.txt", "d.json", ".hidden.link"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    (tmp_path / "named as it likes").write_bytes(b"x")
    found = gathered(tmp_path / "named as it likes", tmp_path / "in", tmp_path / "in" / "a.link")
    assert [os.path.relpath(each.where, tmp_path) for each in found] == [
        "named as it likes", "in/.hidden.link", "in/a.link", "in/b.intoto.json", "in/deep/er/c.intoto.json",
    ]  # fmt: skip
    assert [each.data for each in found[1:3]] == [b".hidden.link", b"a.link"]
    assert refusals(found) == {}


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "in"
    (folder / "is-a-folder.link").mkdir(parents=True)
    (folder / "is-a-folder.link" / "inner.link").write_text("inner")
    os.mkfifo(folder / "fifo.link")
    (folder / "zero.link").symlink_to("/dev/zero")
    (folder / "link.link").symlink_to(secret)
    (folder / "nowhere.link").symlink_to("nowhere")
    (folder / "elsewhere").symlink_to(tmp_path)
    (folder / "large.link").write_bytes(b"x" * (LIMIT + 1))
    (folder / "just.link").write_bytes(b"x" * LIMIT)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.link"))
        found = Later(gathered, folder).result(20)
    link, special = "a symbolic link, which is not followed", "not a regular file"
    assert refusals(found) == {
        "fifo.link": special, "socket.link": special, "zero.link": link, "link.link": link, "nowhere.link": link,
        "large.link": f"larger than {LIMIT} bytes",
    }  # fmt: skip
    assert sorted(os.path.basename(each.where) for each in found if not each.refused) == ["inner.link", "just.link"]
    assert all(hear(each, ()).problem == each.refused for each in found if each.refused)


@pytest.mark.parametrize("name", ["fifo", "/dev/zero"])
def test_a_source_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    found = Later(gathered, tmp_path / name).result(20)
    assert [(each.data, each.refused) for each in found] == [(b"", "not a regular file")]


def test_a_source_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.link").write_text("a")
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "file").symlink_to("real/a.link")
    assert [each.data for each in gathered(tmp_path / "folder", tmp_path / "file")] == [b"a", b"a"]


@pytest.mark.parametrize("source", ["nowhere", "file/below", "x" * 300, "nul\0", "", "ftp://example.org/a.link"])
def test_a_source_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput):
        gathered(source)


def test_what_may_not_be_read_is_listed(ordinary_user: OrdinaryUser) -> None:
    """As an ordinary user, for root may read everything."""
    folder = ordinary_user.home / "unreadable"
    (folder / "locked").mkdir(parents=True)
    (folder / "secret.link").touch(0)
    (folder / "locked").chmod(0)
    code = (
        "import sys; from repro.attest.gather import gather; from repro.system.http import Http;"
        "from repro.system.progress import Null;"
        "print([each.refused for each in gather([sys.argv[1]], Http(), Null())])"
    )
    argv = [ordinary_user.argv()[0], "-c", code, str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **ordinary_user.identity())
    assert done.stdout.count("Permission denied") == 2, done.stderr


@pytest.mark.parametrize("end", ["", "/", "/index.json", "/index.html", "/#top"])
def test_a_published_folder(server: Server, end: str) -> None:
    found = gathered(f"{server.base}/some/where{end}")
    assert [each.data for each in found] == [server.files[path] for path in statements(server)]
    assert [each.where for each in found] == [f"{server.base}{path}" for path in statements(server)]
    assert sorted(each.data for each in found) == sorted(several().values())


def test_a_statement_by_its_address(server: Server) -> None:
    path = statements(server)[0]
    assert [each.data for each in gathered(f"{server.base}{path}")] == [server.files[path]]
    server.files["/large.link"] = b"x" * (LIMIT + 1)
    assert refusals(gathered(f"{server.base}/large.link")) == {"large.link": f"larger than {LIMIT} bytes"}
    with pytest.raises(InvalidInput, match="no such file"):
        gathered(f"{server.base}/some/where/gone.link")


def test_a_query_is_kept(server: Server) -> None:
    server.files = {f"{path}?job=pages": data for path, data in server.files.items()}
    assert len(gathered(f"{server.base}/some/where?job=pages")) == len(several())


def test_what_a_server_has_not_or_not_as_listed_is_refused(server: Server) -> None:
    gone, cut, longer, other, broken, right = statements(server)
    data = server.files[other]
    del server.files[gone]
    server.files[cut] = server.files[cut][:-7]
    server.files[longer] += b" "
    server.files[other] = data[:-1] + b" "
    server.faults[broken] = [("cut", 100)] * 3
    found = gathered(f"{server.base}/some/where")
    why = refusals(found)
    assert [os.path.basename(path) for path in (gone, cut, longer, other, broken)] == list(why)
    said = list(why.values())
    assert said[0] == "the server has no such file"
    assert (
        said[1] == f"not the file that the index lists: {len(server.files[cut])} of {len(server.files[cut]) + 7} bytes"
    )
    assert said[2].startswith("larger than ")
    assert said[3] == "not the file that the index lists: another SHA-256"
    assert len(server.asked(broken)) == 3
    assert [each.data for each in found if not each.refused] == [server.files[right]]


def test_a_file_that_the_index_says_is_oversized_is_not_even_asked_for(server: Server) -> None:
    rewrite_index(server, size=LIMIT + 1)
    assert list(refusals(gathered(f"{server.base}/some/where")).values()) == [f"larger than {LIMIT} bytes"]
    assert server.asked(statements(server)[0]) == []


def test_a_server_in_trouble_is_asked_again(server: Server) -> None:
    server.faults = {path: [("status", 503, {"Retry-After": "0"})] for path in statements(server)}
    assert refusals(gathered(f"{server.base}/some/where")) == {}


def test_a_server_that_stops_to_answer(server: Server) -> None:
    server.faults = {path: [("status", 503, {"Retry-After": "0"})] * 9 for path in statements(server)}
    with pytest.raises(Unavailable, match="stopped to answer"):
        gathered(f"{server.base}/some/where")


def test_servers_that_cannot_be_reached(server: Server) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        for end in ("", "/a.link"):
            with pytest.raises(Unavailable):
                gathered(f"http://127.0.0.1:{taken.getsockname()[1]}{end}")
    server.faults["/some/where/index.json"] = [("status", 503, {})]
    with pytest.raises(Unavailable, match="503"):
        gathered(f"{server.base}/some/where")
    server.faults["/some/where/index.json"] = [("cut", 100)]
    with pytest.raises(Unavailable):
        gathered(f"{server.base}/some/where")


def test_offline_asks_nobody(server: Server) -> None:
    for end in ("/some/where", "/some/where/a.link"):
        with pytest.raises(Offline):
            gathered(f"{server.base}{end}", offline=True)
    assert server.log == []


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"<!doctype html>", b'{"schema": "repro/statements/v2"}', b"[" * 9999]
)
def test_an_index_that_is_none(server: Server, body: bytes) -> None:
    server.files["/some/where/index.json"] = body
    with pytest.raises(InvalidInput, match=r"index\.json"):
        gathered(f"{server.base}/some/where")


@pytest.mark.parametrize(
    "source", ["http://[::1", "http://", "https:///a.link", "http://%zz/", "http://" + "a" * 70 + "/"]
)
def test_addresses_that_are_none(source: str) -> None:
    with pytest.raises((InvalidInput, Unavailable)):
        gathered(source)


def test_a_server_without_an_index(server: Server) -> None:
    with pytest.raises(InvalidInput, match="no published folder"):
        gathered(f"{server.base}/some")


@pytest.mark.parametrize(
    "path", ["../../secret.link", "/secret.link", "statements/../../../secret.link", "//evil/a.link"]
)
def test_no_path_leaves_the_folder(server: Server, path: str) -> None:
    server.files["/secret.link"] = b"secret"
    rewrite_index(server, file=path)
    with pytest.raises(InvalidInput, match="where such a file lies"):
        gathered(f"{server.base}/some/where")
    assert [row[0] for row in server.log] == ["/some/where/index.json"]


def test_an_index_that_lists_a_file_twice(server: Server) -> None:
    index = json.loads(server.files["/some/where/index.json"])
    index["statements"].append(index["statements"][0])
    server.files["/some/where/index.json"] = json.dumps(index).encode()
    with pytest.raises(InvalidInput, match="listed twice"):
        gathered(f"{server.base}/some/where")


def published(folder: Path, number: int) -> tuple[Path, list[bytes]]:
    """A folder with that many statements published, and the statements."""
    said = many(number)
    for name, data in said.items():
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_bytes(data)
    done = publish_statements(folder / "public", [str(folder / "in")], Http(), Null())
    assert (done.added, done.artifacts) == (number, number // 20)
    return folder / "public", sorted(said.values())


def test_ten_thousand_statements_published_and_gathered(tmp_path: Path) -> None:
    public, said = published(tmp_path, 10_000)
    assert sorted(each.data for each in gathered(public)) == said


def test_a_thousand_statements_published_and_fetched(tmp_path: Path) -> None:
    public, said = published(tmp_path, 1000)
    files = {f"/{path.relative_to(public)}": path.read_bytes() for path in public.rglob("*") if path.is_file()}
    with Server(files) as server:
        assert sorted(each.data for each in gathered(server.base)) == said
