"""Bad input: the exit code, one clear message with a hint, and nothing good lost. Nothing is built here."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pysequoia import Tsk

from repro.model.pin import TIMESTAMP
from tests.pipeline.canned import CANNED
from tests.snapshot.world import Server, World, clear_sign, release_text, sha256

COMMANDS = (("fetch",), ("build",), ("verify",), ("lock", "--check"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("world"), (100, 200))
    with Server() as server:
        server.files = world.tree()
        assert world.run("fetch", "tiny", env=world.environment(f"{server.base}/debian")).returncode == 0
    return world


@pytest.fixture
def project(original: World, tmp_path: Path) -> World:
    """A copy of a project that is all right, with everything of it in its store."""
    copy = World.__new__(World)
    vars(copy).update(vars(original))
    copy.folder = tmp_path / "project"
    shutil.copytree(original.folder, copy.folder)
    copy.store = copy.folder / "store"
    return copy


def files(world: World) -> dict[str, bytes]:
    return {
        str(path.relative_to(world.folder)): path.read_bytes() for path in world.folder.rglob("*") if path.is_file()
    }


def refused(world: World, *args: str, code: int, said: str, changed: tuple[str, ...] = ()) -> str:
    """Run `repro ARGS`; it must exit with `code`, say `said`, and change no file but those named so."""
    before = files(world)
    done = world.run("--offline", *args, env=world.environment())
    assert done.returncode == code, f"exit {done.returncode}: {done.stderr}"
    assert said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("repro: ") for line in done.stderr.splitlines()) == 1, done.stderr
    after = files(world)
    moved = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    odd = {name for name in moved if not name.startswith(("out/", *changed))}
    assert not odd, f"changed: {odd}"
    return done.stderr


RECIPE, LOCK, PINS = "recipes/tiny/recipe.toml", "recipes/tiny/recipe.lock", "snapshots/tiny.toml"


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_recipe_that_is_not_there(project: World, command: tuple[str, ...]) -> None:
    said = refused(project, *command, "tony", code=2, said="there is no recipe 'tony'")
    assert "hint: there are: tiny" in said


@pytest.mark.parametrize("command", [("build",), ("lock", "--check")], ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (RECIPE, replaced('summary = "', "summary = ["), "line 2"),
        (RECIPE, replaced('pins = "tiny"', 'pins = "tiny'), "line 3"),
        (RECIPE, replaced('pins = "tiny"', "pins = 5"), "key pins"),
        (RECIPE, replaced('pins = "tiny"', ""), "key pins is missing"),
        (RECIPE, replaced('pins = "tiny"', 'pins = "none"'), "no pin set none"),
        (RECIPE, replaced('pins = "tiny"', 'pins = "../x"'), "key pins"),
        (RECIPE, replaced('packages = ["pkg0"]', 'packages = ["pkg0", "; rm"]'), "key packages"),
        (RECIPE, replaced('packages = ["pkg0"]', "packages = []"), "key packages"),
        (RECIPE, replaced('outputs = ["iso"]', 'outputs = ["floppy"]'), "key outputs"),
        (RECIPE, replaced('outputs = ["iso"]', 'outputs = ["iso"]\ntimeout = -1'), "key timeout"),
        (RECIPE, replaced('outputs = ["iso"]', 'outputs = ["iso"]\nscratch = "much"'), "key scratch"),
        (RECIPE, replaced('outputs = ["iso"]', 'outputs = ["iso"]\ncolour = 1'), "unknown key colour"),
        (RECIPE, replaced("recipe/v1", "recipe/v9"), "key schema"),
        (RECIPE, lambda text: "\0", "line 1"),
        (PINS, replaced("[[pin]]", "[[pin]"), "line 3"),
        (PINS, replaced('suite = "tiny"', ""), "suite"),
        (PINS, replaced('suite = "tiny"', "suite = 1"), "suite"),
        (PINS, replaced("pins/v1", "pins/v9"), "schema"),
    ],
)
def test_recipes_and_pins_that_are_not_valid(
    project: World, file: str, change: Callable[[str], str], said: str, command: tuple[str, ...]
) -> None:
    path = project.folder / file
    path.write_text(change(path.read_text()))
    message = refused(project, *command, "tiny", code=2, said=said)
    assert file.rsplit("/", 1)[-1] in message or "no pin set" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replaced("image = [", "image = "), "line"),
        (replaced("image = [", "bild = ["), "'image'"),
        (lambda text: text.partition("image = [")[0] + 'image = ["x"]\ntoolchain = []\n', "recipe.lock"),
        (lambda text: text.partition("image = [")[0] + "image = 5\ntoolchain = []\n", "recipe.lock"),
        (replaced("source_date_epoch = 1", 'source_date_epoch = "now"'), "key source_date_epoch"),
        (replaced("size = 100", "size = -1"), "key size"),
        (replaced('path = "pool/', 'path = "../pool/'), "key path"),
        (replaced("lock/v1", "lock/v9"), "key schema"),
        (lambda text: text[: len(text) // 2], "end of document"),
        (lambda text: "", "key schema"),
        (replaced('recipe = "tiny"', 'recipe = "other"'), "is of recipe other"),
        (replaced('inputs = "', 'inputs = "0'), "key inputs"),
    ],
)
def test_locks_that_are_not_valid(project: World, change: Callable[[str], str], said: str) -> None:
    path = project.folder / LOCK
    path.write_text(change(path.read_text()))
    assert "recipe.lock" in refused(project, "build", "tiny", code=2, said=said)


def test_a_lock_that_is_not_there(project: World) -> None:
    (project.folder / LOCK).unlink()
    assert "hint: write it with `repro lock tiny`" in refused(project, "build", "tiny", code=2, said="is not there")


def test_a_file_that_is_not_text(project: World) -> None:
    (project.folder / RECIPE).write_bytes(b"\xff\xfe")
    refused(project, "build", "tiny", code=2, said="recipe.toml")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (RECIPE, replaced('"pkg0"', '"pkg0", "pkg9"')),
        (RECIPE, replaced('"pkg0"', '"pkg1"')),
        (PINS, lambda text: re.sub(r'timestamp = "\d{4}', 'timestamp = "2100', text)),
    ],
    ids=["a package more", "another package", "a later pin"],
)
def test_a_lock_that_does_not_fit_its_recipe(project: World, file: str, change: Callable[[str], str]) -> None:
    path = project.folder / file
    path.write_text(change(path.read_text()))
    for command in ("build", "verify", "fetch"):
        assert "repro lock tiny" in refused(project, command, "tiny", code=2, said="is stale")
    done = project.run("--offline", "lock", "tiny", "--check", env=project.environment())
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1), done.stderr
    assert done.stdout.startswith("tiny: stale: ")


def test_a_missing_lock_is_stale_in_one_line(project: World) -> None:
    (project.folder / LOCK).unlink()
    done = project.run("--offline", "lock", "tiny", "--check", env=project.environment())
    assert (done.returncode, done.stdout) == (1, "tiny: stale: there is no recipe.lock\n")


def evidence(project: World) -> Path:
    return project.folder / "snapshots/tiny/debian_tiny.InRelease"


def repin(project: World, data: bytes) -> None:
    """Have the pin name `data`, whatever that is."""
    evidence(project).write_bytes(data)
    path = project.folder / PINS
    path.write_text(path.read_text().replace(sha256(project.inrelease), sha256(data)))


def altered(project: World) -> None:
    data = evidence(project).read_bytes()
    evidence(project).write_bytes(data.replace(b"Origin: Test", b"Origin: Tost"))


def altered_and_repinned(project: World) -> None:
    repin(project, project.inrelease.replace(b"Origin: Test", b"Origin: Tost"))


def truncated(project: World) -> None:
    evidence(project).write_bytes(project.inrelease[:-100])


def by_a_stranger(project: World) -> None:
    text = release_text(project.date, project.indexes)
    repin(project, clear_sign(Tsk.generate("Stranger <stranger@example.org>"), text))


def of_a_later_date(project: World) -> None:
    text = release_text(project.date + timedelta(hours=2), project.indexes)
    repin(project, clear_sign(project.key, text))


def outlived(project: World) -> None:
    old = project.date - timedelta(days=20)
    until = (old + timedelta(days=7)).strftime("%a, %d %b %Y %H:%M:%S UTC")
    repin(project, clear_sign(project.key, release_text(old, project.indexes, extra=f"Valid-Until: {until}\n")))


def of_another_suite(project: World) -> None:
    text = release_text(project.date, project.indexes, codename="sid")
    repin(project, clear_sign(project.key, text.replace(b"Suite: oldtiny", b"Suite: unstable")))


@pytest.mark.parametrize(
    "spoil", [altered, altered_and_repinned, truncated, by_a_stranger, of_a_later_date, outlived, of_another_suite]
)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_evidence_that_does_not_hold(project: World, spoil: Callable[[World], None], command: tuple[str, ...]) -> None:
    spoil(project)
    refused(project, *command, "tiny", code=5, said="debian_tiny.InRelease")


def test_a_pin_that_was_moved_back(project: World) -> None:
    """An InRelease that is in order, of a time after the pin's."""
    path = project.folder / PINS
    earlier = (project.date - timedelta(days=1)).strftime(TIMESTAMP)
    path.write_text(path.read_text().replace(project.timestamp, earlier))
    refused(project, "build", "tiny", code=5, said="is after the pin's time")


@pytest.mark.parametrize("what", ["InRelease", "keys.asc"])
def test_evidence_that_is_missing(project: World, what: str) -> None:
    next((project.folder / "snapshots/tiny").glob(f"*{what}")).unlink()
    refused(project, "build", "tiny", code=2, said=what)


@pytest.mark.parametrize("how", ["gone", "altered", "truncated"])
@pytest.mark.parametrize("what", ["package", "Packages"])
def test_inputs_that_the_store_has_not_or_not_whole(project: World, what: str, how: str) -> None:
    body = next(iter(project.bodies.values())) if what == "package" else project.packages
    blob = project.store / "blobs/sha256" / sha256(body)[:2] / sha256(body)
    blob.unlink()
    if how != "gone":
        blob.write_bytes(b"x" + body[1:] if how == "altered" else body[:-1])
    packed = sha256(project.indexes["main/binary-amd64/Packages.xz"])
    (project.store / "blobs/sha256" / packed[:2] / packed).unlink()
    changed = ("store/blobs", "store/quarantine", "store/incoming", "store/partial")
    code = 4 if how == "gone" else 5
    said = refused(project, "build", "tiny", code=code, said="--offline", changed=changed)
    assert "pkg0" in said or "Packages" in said
    assert ("damaged" in said) == (how != "gone")
    left = {path.name for path in (project.store / "blobs").rglob("*") if path.is_file()}
    assert left == {sha256(other) for other in (*project.bodies.values(), project.packages)} - {sha256(body)}


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        ("moon", "there are: time, timezone"),
        ("", "no variation is called ''"),
        ("umask=9", "octal"),
        ("umask=", "octal"),
        ("umask=07777", "octal"),
        ("cpus=0", "processors"),
        ("cpus=many", "processors"),
        ("time=tomorrow", "seconds"),
        ("hostname=", "hyphens"),
        ("hostname=a_b", "hyphens"),
        ("build_path=relative", "absolute path"),
        ("build_path=/usr/x", "toolchain"),
        ("build_path=/a/../b", "absolute path"),
        ("directory_order=sideways", "shuffle"),
        ("kernel=plan9", "linux32"),
        ("user=Some Body", "user"),
        ("timezone=A B", "zone"),
    ],
)
def test_variations_that_there_are_not(project: World, factor: str, said: str) -> None:
    assert "hint:" in refused(project, "build", "tiny", "--vary", factor, code=2, said=said)


@pytest.mark.parametrize(
    "args",
    [
        ("build",),
        ("build", "tiny", "more"),
        ("build", "tiny", "--backend", "magic"),
        ("verify", "tiny", "--rebuilds", "0"),
        ("verify", "tiny", "--vary", "umask=7"),
        ("verify", "tiny", "--report", "stone=x"),
    ],
)
def test_usage(project: World, args: tuple[str, ...]) -> None:
    done = project.run(*args, env=project.environment())
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert not (project.folder / "out").exists()


def test_outside_of_a_project(tmp_path: Path, project: World) -> None:
    argv = project.command("build", "tiny")
    done = subprocess.run(
        argv, env=project.environment(), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "recipes/" in done.stderr
    assert "hint:" in done.stderr


def test_an_output_folder_that_cannot_be(project: World) -> None:
    (project.folder / "file").write_text("mine")
    path = project.folder / "file/below"
    said = refused(project, "build", "tiny", "-o", str(path), code=2, said=f"cannot write to {path}")
    assert "-o" in said.partition("hint:")[2]


def test_a_store_that_is_a_file(project: World) -> None:
    (project.folder / "file").write_text("mine")
    project.store = project.folder / "file"
    done = project.run("fetch", "tiny", env=project.environment("http://127.0.0.1:9/debian"))
    assert done.returncode == 2, done.stderr
    assert "--store" in done.stderr
    assert (project.folder / "file").read_text() == "mine"


def test_two_runs_on_one_output(project: World) -> None:
    """The second gives way, says so, and touches nothing."""
    recipe = project.folder / RECIPE
    recipe.write_text(recipe.read_text().replace('"iso"', '"squashfs"'))
    (project.folder / "image").write_bytes(b"first")
    (project.folder / "other").write_bytes(b"second")
    env = {**project.environment(), "FIRST": str(project.folder / "image"), "SLOW": "first"}
    argv = project.command("--offline", "build", "tiny")
    first = subprocess.Popen(
        [argv[0], "-c", CANNED, *argv[3:]], env=env, cwd=project.folder, stderr=subprocess.PIPE, text=True
    )
    assert first.stderr
    while "root file system" not in (line := first.stderr.readline()):
        assert line
    env |= {"FIRST": str(project.folder / "other"), "SLOW": ""}
    second = project.run("--offline", "build", "tiny", env=env, code=CANNED)
    assert second.returncode == 4, second.stderr
    assert "another repro is writing to out/tiny" in second.stderr
    assert "-o" in second.stderr.partition("hint:")[2]
    elsewhere = project.run("--offline", "build", "tiny", "-o", "elsewhere", env=env, code=CANNED)
    assert elsewhere.returncode == 0, elsewhere.stderr
    first.terminate()
    first.wait(timeout=30)
    assert project.run("--offline", "build", "tiny", env=env, code=CANNED).returncode == 0, "the lock went with it"
