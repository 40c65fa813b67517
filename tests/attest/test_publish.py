"""`repro attest publish`: the same statements give the same bytes, and nothing of others is touched."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from repro.attest.publish import holding
from repro.model import publication
from repro.model.errors import InvalidInput, Unavailable
from repro.system.progress import Null
from tests.attest.said import link, rebuilt, sealed, several, sha256
from tests.schemas import check
from tests.users import ROOT

COMMAND = [sys.executable, "-m", "repro.cli.main", "--progress", "plain", "attest", "publish"]


def publish(folder: Path, *args: str | Path, code: int = 0) -> str:
    """`repro attest publish` in `folder`: what it says, once it has proven to exit with `code`."""
    argv = [*COMMAND, *map(str, args)]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of every file below `folder`, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a little of everything in `in`."""
    (tmp_path / "in").mkdir()
    for name, data in several().items():
        (tmp_path / "in" / name).write_bytes(data)
    return tmp_path


def test_what_is_published(place: Path) -> None:
    assert publish(place, "public", "in") == "public: 6 statements on 4 artifact digests, 6 added\n"
    files = tree(place / "public")
    for data in several().values():
        kind = "link" if b'"_type"' in data else "intoto.json"
        assert files.pop(f"statements/{hashlib.sha256(data).hexdigest()}.{kind}") == data
    pages = {f"artifact/{sha256(name)}.html" for name in ("new", "old", "other", "deb")}
    assert set(files) == {"index.json", "index.html", "feed.xml", *pages}
    document = check(files["index.json"])
    by_key = {entry["keyids"][0]: entry for entry in document["statements"]}
    assert len(by_key) == 5  # alice said two things
    carol = next(entry for entry in document["statements"] if entry["verdict"] == "different")
    assert (carol["divergent"], len(carol["members"])) == (11, 5)
    assert [each["sha256"] for each in carol["artifacts"]] == [sha256("other")]
    assert carol["examined"] == [{"name": "minimal.iso", "sha256": sha256("new")}]
    assert {entry["kind"] for entry in document["statements"]} == {"statement", "link"}
    assert carol["signed"] == "2026-11-23T09:00:00Z"
    standings = {each["standing"] for entry in document["statements"] for each in entry["artifacts"]}
    assert standings == {"agreeing", "unknown"}


def test_the_same_whatever_the_order_and_however_often(place: Path) -> None:
    publish(place, "one", "in", "--title", "Rebuilds", "--base-url", "https://example.org/x")
    names = [str(place / "in" / name) for name in several()]
    random.Random(7).shuffle(names)
    publish(place, "two", "--title", "Rebuilds", "--base-url", "https://example.org/x/")
    for name in names:
        publish(place, "two", name)
    assert tree(place / "one") == tree(place / "two")
    before = {path: path.stat().st_mtime_ns for path in (place / "one").rglob("*") if path.is_file()}
    assert publish(place, "one", "in", "in").endswith(" 0 added\n")
    assert {path: path.stat().st_mtime_ns for path in (place / "one").rglob("*") if path.is_file()} == before
    assert json.loads((place / "two" / "index.json").read_bytes())["base_url"] == "https://example.org/x/"
    publish(place, "two", "--base-url", "")
    assert json.loads((place / "two" / "index.json").read_bytes())["base_url"] is None


def test_a_copy_of_a_published_folder_is_the_same_folder(place: Path) -> None:
    publish(place, "one", "in")
    publish(place, "two", "one")
    assert tree(place / "one") == tree(place / "two")


def test_a_statement_that_is_taken_back(place: Path) -> None:
    publish(place, "public", "in")
    everything = tree(place / "public")
    carol = hashlib.sha256(several()["carol.intoto.json"]).hexdigest()
    (place / "public" / "statements" / f"{carol}.intoto.json").unlink()
    publish(place, "public")
    assert f"artifact/{sha256('other')}.html" not in tree(place / "public")
    assert carol.encode() not in b"".join(tree(place / "public").values())
    publish(place, "public", "in/carol.intoto.json")
    assert tree(place / "public") == everything


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"not JSON",
        several()["alice.intoto.json"][:-9],
        several()["alice.intoto.json"].replace(b"vnd.in-toto+json", b"vnd.other+json"),
        several()["zstd_1.5.4_amd64.link"].replace(b'"link"', b'"layout"'),
        b"x" * (5 << 20),
        link({"a.deb": "ab" * 32}).replace(b"ab" * 32, b"zz" * 32),
    ],
    ids=["empty", "no fields", "not JSON", "cut short", "another payload type", "a layout", "too large", "no digest"],
)
def test_what_is_malformed_is_refused_and_nothing_is_written(place: Path, data: bytes) -> None:
    (place / "in" / "wrong.intoto.json").write_bytes(data)
    assert "in/wrong.intoto.json: " in publish(place, "public", "in", code=2)
    assert not (place / "public").exists()
    (place / "in" / "wrong.intoto.json").unlink()
    publish(place, "public", "in")
    before = tree(place / "public")
    (place / "wrong").write_bytes(data)
    assert "wrong: " in publish(place, "public", "wrong", code=2)
    assert tree(place / "public") == before


def test_what_was_changed_in_the_folder_is_told(place: Path) -> None:
    publish(place, "public", "in")
    path = next((place / "public" / "statements").glob("*.link"))
    good = path.read_bytes()
    path.write_bytes(good + b" ")
    before = tree(place / "public")
    assert path.name in publish(place, "public", "in", code=5)
    assert tree(place / "public") == before
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "symbolic link" in publish(place, "public", code=2)
    path.unlink()
    publish(place, "public", "in")
    assert path.read_bytes() == good


def test_what_others_put_there_is_left_alone(place: Path) -> None:
    public = place / "public"
    for name in (
        "CNAME",
        "statements/README.md",
        f"artifact/{'0' * 64}.html",
        "artifact/notes.html",
        "statements/x.link",
    ):
        (public / name).parent.mkdir(parents=True, exist_ok=True)
        (public / name).write_text("of others")
    publish(place, "public", "in")
    publish(place, "public")
    assert list(tree(public).values()).count(b"of others") == 5


@pytest.mark.parametrize("name", ["index.html", "index.json", "feed.xml", f"artifact/{sha256('new')}.html"])
def test_the_site_of_something_else_is_not_overwritten(place: Path, name: str) -> None:
    path = place / "public" / name
    path.parent.mkdir(parents=True)
    path.write_text("my home page")
    assert f"{name} was not made by" in publish(place, "public", "in", code=2)
    assert {key: data for key, data in tree(place / "public").items() if data} == {name: b"my home page"}
    path.unlink()
    path.symlink_to(place / "target")
    (place / "target").write_text('"repro/statements/v1" repro attest publish')
    publish(place, "public", "in", code=2)
    assert (place / "target").read_text() == '"repro/statements/v1" repro attest publish'


@pytest.mark.parametrize("name", ["statements", "artifact"])
def test_nothing_is_written_through_a_symbolic_link(place: Path, name: str) -> None:
    (place / "public").mkdir()
    (place / "outside").mkdir()
    (place / "public" / name).symlink_to(place / "outside")
    assert "symbolic link" in publish(place, "public", "in", code=2)
    assert list((place / "outside").iterdir()) == []


def test_leavings_of_a_killed_run_are_removed(place: Path) -> None:
    publish(place, "public", "in")
    before = tree(place / "public")
    (place / "public" / ".publishing-abc" / "artifact").mkdir(parents=True)
    publish(place, "public")
    assert tree(place / "public") == before
    assert not list((place / "public").glob(".publishing*"))


def test_two_do_not_publish_at_once(place: Path) -> None:
    with holding(place / "public", Null()):
        assert "another repro" in publish(place, "public", "in", code=4)
        with pytest.raises(Unavailable), holding(place / "public", Null()):
            pass
    publish(place, "public", "in")


@pytest.mark.parametrize(
    "name", ["in/alice.intoto.json", "in/alice.intoto.json/below", "/proc/self/nowhere", "/dev/full"]
)
def test_folders_that_cannot_be_written(place: Path, name: str) -> None:
    assert "cannot write" in publish(place, name, "in", code=2)


@pytest.mark.parametrize(
    "option",
    [("--title", ""), ("--title", "a\nb"), ("--base-url", "ftp://example.org/"), ("--base-url", "https://a b/")],
)
def test_titles_and_addresses_that_are_none(place: Path, option: tuple[str, str]) -> None:
    publish(place, "public", "in", *option, code=2)
    assert not (place / "public").exists()


def test_a_damaged_index_is_not_taken_for_nothing(place: Path) -> None:
    publish(place, "public", "in")
    index = place / "public" / "index.json"
    index.write_bytes(index.read_bytes()[:900])
    assert "written anew from the statements" in publish(place, "public", code=2)
    index.unlink()
    publish(place, "public")
    assert publication.decode(index.read_bytes(), "here").entries


def test_hostile_names_of_links_and_members(tmp_path: Path) -> None:
    names = ["../../etc/passwd", "/etc/shadow", "a\u202egnp.deb", "x" * 5000]
    (tmp_path / "bad.link").write_bytes(link({name: sha256(name) for name in names}))
    publish(tmp_path, "public", "bad.link")
    entries = publication.decode((tmp_path / "public" / "index.json").read_bytes(), "here").entries
    listed = {each.name for each in entries[0].artifacts}
    assert listed == {"../../etc/passwd", "/etc/shadow", "a\\u202egnp.deb", "x" * 255}
    assert {path.parent.name for path in (tmp_path / "public").rglob("*") if path.is_file()} == {
        "public", "statements", "artifact",
    }  # fmt: skip


def test_an_artifact_for_each_of_too_many_is_refused(tmp_path: Path) -> None:
    (tmp_path / "many.link").write_bytes(link({f"{n}.deb": sha256(str(n)) for n in range(1001)}))
    assert "many.link: more than 1000 artifacts" in publish(tmp_path, "public", "many.link", code=2)


def test_a_folder_is_not_made_for_a_server_that_is_not_there(tmp_path: Path) -> None:
    assert "offline" in subprocess.run(
        [*COMMAND[:3], "--offline", "attest", "publish", "public", "http://127.0.0.1:9/"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip
    assert not (tmp_path / "public").exists()


def test_an_old_statement_with_a_year_of_three_digits(tmp_path: Path) -> None:
    said = rebuilt({"a.iso": sha256("a")}, day=-700_000)
    assert said.run.signed.year < 1000
    (tmp_path / "a.intoto.json").write_bytes(sealed(said))
    publish(tmp_path, "public", "a.intoto.json")
    with pytest.raises(InvalidInput):
        publication.decode(b"{}", "here")
    assert (
        publication.decode((tmp_path / "public" / "index.json").read_bytes(), "here").entries[0].signed
        == said.run.signed
    )
