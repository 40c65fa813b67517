"""Every row of the table of exit codes, through a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from repro.cli import exits
from repro.cli.main import main
from repro.model import errors
from tests.cli.worlds import world_with_lock
from tests.snapshot.world import Server, World
from tests.users import ROOT

MAIN = "\nfrom repro.cli.main import main; main()"


def repro(folder: Path, *args: str, code: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """`repro ARGS` in `folder`; `code` runs before it in the same process."""
    start = ["-m", "repro.cli.main"] if code is None else ["-c", code + MAIN]
    argv = [sys.executable, *start, "--store", str(folder / "store"), "--progress", "none", *args]
    whole = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), **env}
    return subprocess.run(argv, env=whole, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@dataclass
class Done:
    """What `main` did in this process: as fast as can be, for the many ways in which one row is reached."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*args: str) -> Done:
        monkeypatch.chdir(tmp_path)
        argv = ["repro", "--store", str(tmp_path / "store"), "--progress", "none", *args]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def files(folder: Path, **contents: str) -> list[str]:
    for name, text in contents.items():
        (folder / name).write_text(text)
    return [str(folder / name) for name in contents]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_with_lock(tmp_path)


def said(done: subprocess.CompletedProcess[str] | Done, code: int, *words: str) -> None:
    """It ended with `code`, and on standard error said each of `words`, and nothing of Python's."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_0_the_check_holds(tmp_path: Path, world: World) -> None:
    said(repro(tmp_path, "pin", "verify"), 0)
    said(repro(tmp_path, "compare", *files(tmp_path, a="same", b="same")), 0)
    said(repro(tmp_path, "--version"), 0)


def test_1_different(tmp_path: Path) -> None:
    said(repro(tmp_path, "compare", "--shallow", *files(tmp_path, a="one", b="two")), 1)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), ("Usage: repro",)),
        (("nope",), ("No such command 'nope'", "Usage: repro")),
        (("fetch",), ("Missing argument 'RECIPE'",)),
        (("fetch", "tiny", "--nope"), ("No such option", "--nope")),
        (("--progress", "loud", "doctor"), ("'loud' is not one of",)),
        (("fetch", "nope"), ("nope", "hint: ", "tiny")),
        (("build", "nope"), ("nope", "hint: ", "tiny")),
        (("verify", "../../etc"), ("etc",)),
        (("build", "tiny", "--vary", "moon"), ("no variation is called 'moon'", "hint: ", "timezone")),
        (("verify", "tiny", "--vary", "moon"), ("'moon'",)),
        (("verify", "tiny", "--against", "nowhere.iso"), ("nowhere.iso", "hint: ")),
        (("pin", "verify", "nope"), ("nope",)),
        (("compare", "absent", "absent"), ("absent",)),
        (("report", "absent"), ("absent",)),
    ],
)
def test_2_usage_and_names_that_are_not_there(
    world: World, here: Callable[..., Done], args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said(here(*args), 2, *words)


def test_2_in_a_process(tmp_path: Path, world: World) -> None:
    said(repro(tmp_path, "nope"), 2, "No such command 'nope'")
    said(repro(tmp_path, "fetch", "nope"), 2, "nope", "hint: ", "tiny")


def test_2_outside_of_a_project(here: Callable[..., Done]) -> None:
    said(here("pin", "list"), 2, "recipes/", "snapshots/", "hint: ")


RECIPE = "recipes/tiny/recipe.toml"
LOCK = "recipes/tiny/recipe.lock"
PINS = "snapshots/tiny.toml"


@pytest.mark.parametrize(
    ("path", "old", "new", "words"),
    [
        (RECIPE, 'pins = "tiny"', "pins = ", (RECIPE, "line 3")),
        (RECIPE, 'pins = "tiny"', 'pins = "nope"', ("nope",)),
        (RECIPE, 'pins = "tiny"', "", (RECIPE, "key pins is missing")),
        (RECIPE, 'pins = "tiny"', 'pinz = "tiny"', (RECIPE, "unknown key pinz", "hint: known keys: ")),
        (RECIPE, '["pkg0"]', '["pkg0", 3]', (RECIPE, "key packages: 3 is not valid")),
        (RECIPE, '["iso"]', '["floppy"]', (RECIPE, "key outputs: 'floppy' is not valid")),
        (RECIPE, "repro/recipe/v1", "repro/recipe/v9", (RECIPE, "key schema")),
        (RECIPE, "[", "\x00", (RECIPE, "line")),
        (LOCK, "image = [", "image = {", (LOCK, "line", "hint: write it again with `repro lock")),
        (LOCK, 'arch = "amd64"', "arch = 64", (LOCK, "image[0]: key arch: 64 is not valid")),
        (LOCK, "size = 3000", "size = -1", (LOCK, "key size: -1 is not a number")),
        (LOCK, 'path = "pool', 'path = "../pool', (LOCK, "leaves the archive")),
        (LOCK, 'recipe = "tiny"', 'recipe = "other"', (LOCK, "other")),
        (LOCK, "source_date_epoch = 1", "", (LOCK, "source_date_epoch")),
        (PINS, "[[pin]]", "[[pin]", (PINS, "line 3")),
        (PINS, 'suite = "tiny"', "", (PINS, "pin 1: key suite is missing")),
        (PINS, 'archive = "debian"', 'archive = "../x"', (PINS, "pin 1: key archive: '../x' is not valid")),
    ],
)
def test_2_what_is_wrong_in_which_file(
    tmp_path: Path, world: World, here: Callable[..., Done], path: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    file = tmp_path / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    said(here("--offline", "fetch", "tiny"), 2, *words)


def test_2_a_recipe_that_is_not_text(tmp_path: Path, world: World, here: Callable[..., Done]) -> None:
    (tmp_path / RECIPE).write_bytes(b"\xff\xfe\x00")
    said(here("fetch", "tiny"), 2, RECIPE)


def test_3_no_build_by_this_backend(tmp_path: Path, world: World) -> None:
    (tmp_path / "bin").mkdir()
    done = repro(tmp_path, "build", "tiny", "--backend", "subuid", PATH=str(tmp_path / "bin"))
    said(done, 3, "newuidmap is missing (package uidmap)", "hint: `repro doctor`")


def test_4_inputs_are_missing(tmp_path: Path, world: World) -> None:
    for command in (["fetch", "tiny"], ["build", "tiny"], ["verify", "tiny"]):
        said(repro(tmp_path, "--offline", *command), 4, "4 inputs", "--offline", "hint: ")


def test_4_the_output_does_not_fit(tmp_path: Path, world: World) -> None:
    argv = [sys.executable, "-m", "repro.cli.main", "pin", "list"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(argv, env=env, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (4, "repro: cannot write the output: No space left on device\n")


def test_5_wrong_bytes(tmp_path: Path, world: World) -> None:
    with Server({**world.tree(), world.url_path(0): b"x" * 3000}) as server:
        env = world.environment(f"{server.base}/debian")
        said(world.run("fetch", "tiny", env=env), 5, "pkg0", "hint: ")
    evidence = next((tmp_path / "snapshots" / "tiny").glob("*.InRelease"))
    evidence.write_bytes(evidence.read_bytes().replace(b"Origin: Test", b"Origin: Tost"))
    said(repro(tmp_path, "pin", "verify"), 5, "debian/tiny")


def test_7_what_cannot_be_read(tmp_path: Path) -> None:
    """Reading one's own memory from address 0 fails with EIO, as a broken disk does."""
    said(repro(tmp_path, "compare", "/proc/self/mem", *files(tmp_path, a="one")), 7, "/proc/self/mem")


@pytest.mark.parametrize("error", ["RuntimeError('oh')", "EOFError('oh')", "SystemError('oh')", "OSError(5, 'oh')"])
def test_70_a_bug(tmp_path: Path, error: str) -> None:
    code = f"import repro.store\ndef oh(self): raise {error}\nrepro.store.Store.blobs = oh"
    said(repro(tmp_path, "store", "list", code=code), 70, "internal error", "oh", "hint: this is a bug")


def test_70_with_v_shows_where(tmp_path: Path) -> None:
    code = "import repro.store\ndef oh(self): raise ValueError('oh')\nrepro.store.Store.blobs = oh"
    done = repro(tmp_path, "-v", "store", "list", code=code)
    assert done.returncode == 70
    assert "Traceback" in done.stderr


def test_130_interrupted(tmp_path: Path) -> None:
    code = (
        "import os, signal, repro.store; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def stop(self): os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(9)\n"
        "repro.store.Store.blobs = stop"
    )
    done = repro(tmp_path, "store", "list", code=code)
    said(done, 130)
    assert done.stderr == "repro: interrupted; what was finished is kept\n"


def test_141_nobody_reads(tmp_path: Path) -> None:
    """`repro compare A B | head -0` must neither read as `identical` nor as `different`."""
    paths = files(tmp_path, a="one", b="two")
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "repro.cli.main", "-q", "compare", "--shallow", *paths]
    done = subprocess.run(argv, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_every_error_has_a_row() -> None:
    def below(kind: type[errors.ReproError]) -> set[type[errors.ReproError]]:
        return {kind}.union(*(below(sub) for sub in kind.__subclasses__()))

    codes = {kind: exits.exit_code(kind.__new__(kind)) for kind in below(errors.ReproError) - {errors.ReproError}}
    assert set(codes.values()) == {2, 3, 4, 5, 6, 7}
    assert exits.exit_code(errors.ReproError("of no kind")) == 70
    assert set(exits.VERDICTS.values()) == {0, 1, 7}
