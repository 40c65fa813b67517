"""`verify --changed-since`: what a change can touch, asked of real git repositories."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.image.order import read_tree
from repro.model import recipe as recipes
from repro.model.errors import InvalidInput
from repro.model.project import Project
from repro.pipeline.changed import changed_recipes, touched
from repro.pipeline.reach import Program
from repro.snapshot.pins import load_pin_set
from tests.users import ROOT

# What a person's own settings may not change, nor be run by.
HOSTILE = """\
[core]
	fsmonitor = touch {marker}; false
	pager = touch {marker}; cat
	quotePath = true
	fileMode = false
[diff]
	external = touch {marker}; false
	renames = copies
	noprefix = true
	relative = true
	ignoreSubmodules = all
[user]
	name = T
	email = t@example.org
[init]
	defaultBranch = main
"""
RECIPE = (
    'schema = "repro/recipe/v1"\nsummary = "A test"\npins = "{}"\narchitecture = "amd64"\n'
    'packages = ["pkg0"]\noutputs = ["iso"]\n'
)


class Repository:
    """A git repository with the recipes `one` and `two` (pins `old`) and `three` (pins `new`) in `project`."""

    def __init__(self, folder: Path, below: str = "") -> None:
        self.top, self.folder = folder, folder / below
        self.home = folder.parent / f"{folder.name}-home"
        self.marker = self.home / "was-run"
        self.home.mkdir(parents=True)
        (self.home / ".gitconfig").write_text(HOSTILE.format(marker=self.marker))
        self.git("init", "--quiet", str(folder), folder=folder.parent)
        for name, pins in (("one", "old"), ("two", "old"), ("three", "new")):
            self.write(f"recipes/{name}/recipe.toml", RECIPE.format(pins))
            self.write(f"recipes/{name}/recipe.lock", "locked")
            self.write(f"recipes/{name}/overlay/etc/file", name)
            self.write(f"recipes/{name}/hooks/10-hook", "#!/bin/sh\n")
            self.write(f"snapshots/{pins}.toml", "pins")
            self.write(f"snapshots/{pins}/keys.asc", "keys")
            self.write(f"reports/{name}.json", "{}")
        for path in ("docs/a.md", "tests/test_a.py", "bench/a.py", "README.md", "reports/schema/a.json"):
            self.write(path, "text")
        self.commit()
        self.git("tag", "start")

    def copy(self, folder: Path) -> Repository:
        """The same in `folder`, which is quicker than making it anew."""
        made = Repository.__new__(Repository)
        vars(made).update(vars(self))
        made.top, made.folder = folder, folder / self.folder.relative_to(self.top)
        shutil.copytree(self.top, folder)
        return made

    def git(self, *words: str, folder: Path | None = None) -> str:
        """Git as the person runs it, but for what would be run by the hostile settings."""
        argv = ["git", "-c", "core.fsmonitor=false", "-c", "core.pager=cat", "-c", "protocol.file.allow=always"]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        done = subprocess.run(
            [*argv, *words], cwd=folder or self.top, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, path: str, text: str) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "a commit")

    def changed(self, revision: str = "start", *names: str) -> str:
        """The recipes that are touched, in order, in one line."""
        old, os.environ["HOME"] = os.environ.get("HOME"), str(self.home)
        try:
            known = names or tuple(path.name for path in (self.folder / "recipes").iterdir())
            found = changed_recipes(Project(self.folder), known, revision)
        finally:
            os.environ.update(HOME=old) if old is not None else os.environ.pop("HOME")
        assert not self.marker.exists(), "a program out of somebody's settings was run"
        return " ".join(sorted(found))


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Repository]:
    folder = tmp_path_factory.mktemp("originals")
    return {below: Repository(folder / name, below) for name, below in (("top", ""), ("within", "images/live"))}


@pytest.fixture
def repository(tmp_path: Path, originals: dict[str, Repository]) -> Repository:
    return originals[""].copy(tmp_path / "top")


def moved(source: str, target: str) -> Callable[[Repository], object]:
    def move(repository: Repository) -> None:
        (repository.folder / target).parent.mkdir(parents=True, exist_ok=True)
        (repository.folder / source).rename(repository.folder / target)

    return move


def written(*paths: str) -> Callable[[Repository], object]:
    return lambda repository: [repository.write(path, "changed") for path in paths]


def removed(path: str) -> Callable[[Repository], object]:
    def remove(repository: Repository) -> None:
        target = repository.folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return remove


CHANGES: dict[str, tuple[Callable[[Repository], object], str]] = {
    "nothing": (written(), ""),
    "a recipe": (lambda r: r.write("recipes/one/recipe.toml", RECIPE.format("new")), "one"),
    "a recipe that is none": (written("recipes/one/recipe.toml"), "one"),
    "a lock": (written("recipes/two/recipe.lock"), "two"),
    "an overlay": (written("recipes/one/overlay/etc/file"), "one"),
    "a mode": (lambda r: (r.folder / "recipes/two/hooks/10-hook").chmod(0o755), "two"),
    "a baseline": (written("recipes/two/baseline.toml"), "two"),
    "something else of a recipe": (written("recipes/one/README"), "one"),
    "a name with a line end": (written("recipes/one/overlay/a\nrecipes/two/recipe.toml"), "one"),
    "a name that is no text": (lambda r: r.write(os.fsdecode(b"recipes/one/overlay/\xff"), "x"), "one"),
    "pins": (written("snapshots/old.toml"), "one two"),
    "evidence": (written("snapshots/new/keys.asc"), "three"),
    "other pins": (written("snapshots/other.toml", "snapshots/olds/keys.asc"), ""),
    "a published result": (written("reports/two.json"), "two"),
    "a schema": (written("reports/schema/a.json"), ""),
    "a new recipe": (lambda r: r.write("recipes/four/recipe.toml", RECIPE.format("new")), "four"),
    "a recipe of a longer name": (written("recipes/one-more/recipe.toml"), "one-more"),
    "a recipe less": (removed("recipes/one"), ""),
    "a file moved": (moved("recipes/one/overlay/etc/file", "recipes/two/overlay/etc/moved"), "one two"),
    "a file moved away": (moved("recipes/three/overlay/etc/file", "docs/file"), "three"),
    "a recipe renamed": (moved("recipes/one", "recipes/five"), "five"),
    "text": (written("docs/a.md", "tests/test_a.py", "bench/a.py", "README.md", "new.txt"), ""),
    "libraries of something else": (written("pyproject.toml"), ""),
    "the program": (written("repro/image/build.py"), "one three two"),
}


@pytest.mark.parametrize("state", ["committed", "staged", "as it lies there"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_touches(tmp_path: Path, originals: dict[str, Repository], name: str, state: str) -> None:
    repository = originals["" if state == "staged" else "images/live"].copy(tmp_path / "top")
    change, expected = CHANGES[name]
    change(repository)
    if state == "committed":
        repository.commit()
    elif state == "staged":
        repository.git("add", "--all")
    assert repository.changed() == expected


def test_only_what_came_after_the_merge_base_counts(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.write("recipes/one/recipe.lock", "topic")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("recipes/two/recipe.lock", "main")
    repository.commit()
    repository.git("checkout", "--quiet", "topic")
    assert repository.changed("main") == "one"
    repository.write("recipes/three/recipe.lock", "uncommitted")
    assert repository.changed("main") == "one three"
    assert repository.changed("main", "two", "three") == "three"


def test_files_that_git_ignores_are_built_in_all_the_same(repository: Repository) -> None:
    repository.write(".gitignore", "build/\n")
    repository.commit()
    repository.write("recipes/two/overlay/build/file", "text")
    assert repository.changed() == "two"


def test_links_are_followed_step_by_step(repository: Repository) -> None:
    repository.write("shared/v1/etc/file", "text")
    repository.write("shared/v2/etc/file", "text")
    (repository.folder / "shared/current").symlink_to("v1")
    shutil.rmtree(repository.folder / "recipes/one/overlay")
    (repository.folder / "recipes/one/overlay").symlink_to("../../shared/current")
    repository.commit()
    repository.git("tag", "linked")
    assert repository.changed("linked") == ""
    repository.write("shared/v2/etc/file", "changed")
    assert repository.changed("linked") == ""
    repository.write("shared/v1/etc/file", "changed")
    assert repository.changed("linked") == "one"
    repository.git("checkout", "--quiet", "--", "shared")
    (repository.folder / "shared/current").unlink()
    (repository.folder / "shared/current").symlink_to("v2")
    assert repository.changed("linked") == "one"


def test_what_lies_outside_of_the_repository_may_always_have_changed(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (repository.folder / "recipes/two/hooks/10-hook").unlink()
    (repository.folder / "recipes/two/hooks").rmdir()
    (repository.folder / "recipes/two/hooks").symlink_to(tmp_path / "elsewhere")
    repository.commit()
    assert repository.changed("HEAD") == "two"


def test_recipes_out_of_another_repository(repository: Repository, tmp_path: Path) -> None:
    """A submodule is one path to git, and changes within it are changes of that path."""
    other = Repository(tmp_path / "other")
    repository.git("submodule", "--quiet", "add", str(other.top), "more")
    shutil.move(repository.folder / "recipes/one", repository.folder / "kept")
    (repository.folder / "recipes/one").symlink_to("../more/recipes/one")
    repository.commit()
    assert repository.changed("HEAD") == ""
    repository.write("more/recipes/one/overlay/etc/file", "changed")
    assert repository.changed("HEAD") == "one"


@pytest.mark.parametrize(
    "revision", ["", "-x", "--output=owned", "nowhere", "start..HEAD", "HEAD:recipes", "a b\n", "0" * 40]
)
def test_a_revision_that_is_none(repository: Repository, revision: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        repository.changed(revision)
    assert repr(revision) in caught.value.message and caught.value.hint
    assert not (repository.top / "owned").exists()


def test_histories_that_have_nothing_in_common(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.write("README.md", "another beginning")
    repository.commit()
    with pytest.raises(InvalidInput, match="no commit in common"):
        repository.changed("main")


def test_a_shallow_clone_says_how_to_fetch_more(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.top}", str(tmp_path / "shallow"))
    with pytest.raises(InvalidInput) as caught:
        changed_recipes(Project(tmp_path / "shallow"), ["one"], "HEAD~1")
    assert "shallow" in caught.value.hint and "fetch-depth: 0" in caught.value.hint


def test_no_repository_and_no_commit(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a git repository") as caught:
        changed_recipes(Project(tmp_path), [], "HEAD")
    assert caught.value.hint
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    with pytest.raises(InvalidInput, match="no commit 'HEAD'"):
        changed_recipes(Project(tmp_path), [], "HEAD")


PATHS = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join)


@given(st.frozensets(PATHS), st.dictionaries(st.sampled_from("xyz"), st.none() | st.frozensets(PATHS)))
def test_any_paths_against_the_definition(changed: frozenset[str], inputs: dict[str, frozenset[str] | None]) -> None:
    def related(a: str, b: str) -> bool:
        return a == b or a.startswith(f"{b}/") or b.startswith(f"{a}/")

    expected = {n for n, own in inputs.items() if own is None or any(related(a, b) for a in own for b in changed)}
    assert touched(changed, inputs, lambda path: False) == expected
    assert touched(changed, inputs, lambda path: path == "a") == (set(inputs) if "a" in changed else expected)


# --- the program, and the whole of it by brute force


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project itself, as far as it matters here."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("repro", "recipes", "snapshots", "reports", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


# Python's own answer to what a build loads; `repro.pipeline` stands empty, because it wires what does not build too.
LOADED = """
import importlib, sys, types
package = types.ModuleType("repro.pipeline")
package.__path__ = [sys.argv[1] + "/repro/pipeline"]
sys.modules["repro.pipeline"] = package
import repro.pipeline.building, repro.image.build
for name in repro.image.build._PRELOAD + ("repro.sandbox.agent",):
    importlib.import_module(name)
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("repro") and module is not package))
"""


@pytest.fixture(scope="module")
def loaded(clone: Path) -> frozenset[str]:
    argv = [sys.executable, "-B", "-c", LOADED, str(clone)]
    done = subprocess.run(
        argv, cwd=clone, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""}
    )
    return frozenset(str(Path(name).relative_to(clone)) for name in done.stdout.split())


def test_what_a_build_loads_reaches_the_bits(clone: Path, loaded: frozenset[str]) -> None:
    program = Program(clone / "repro")
    assert len(loaded) > 30
    assert [name for name in loaded if not program.reaches(name.removeprefix("repro/"))] == []


def test_rooms_that_only_look_at_an_image_do_not_reach_it(clone: Path) -> None:
    program = Program(clone / "repro")
    files = [path.relative_to(clone / "repro").as_posix() for path in (clone / "repro").rglob("*") if path.is_file()]
    reached = {file.split("/")[0] for file in files if program.reaches(file)}
    assert {"compare", "formats", "report", "attest", "boot"}.isdisjoint(reached)
    assert {"image", "sandbox", "pipeline", "lock", "store", "snapshot", "system", "model", "cli"} <= reached
    assert program.reaches("cli/verify.py") and not program.reaches("cli/doctor.py")
    assert (
        program.reaches("sandbox/gone.py") and program.reaches("lock/gone.py") and not program.reaches("report/x.css")
    )
    assert not program.reaches("image/__pycache__/build.cpython-311.pyc")


def test_a_program_that_cannot_be_read_may_do_anything(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "repro", tmp_path / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    assert not Program(tmp_path / "repro").reaches("report/html.py")
    (tmp_path / "repro/store/blobs.py").write_text("def (")
    assert Program(tmp_path / "repro").reaches("report/html.py")


def test_a_module_that_is_imported_from_now_on_reaches(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "repro", tmp_path / "repro", ignore=shutil.ignore_patterns("__pycache__"))
    for statement in ("from repro.report import totals", "import repro.report.totals", 'NAME = "repro.report.totals"'):
        (tmp_path / "repro/store/files.py").write_text(f"def f():\n    {statement}\n")
        program = Program(tmp_path / "repro")
        assert program.reaches("report/totals.py") and program.reaches("report/__init__.py")
        assert not program.reaches("report/html.py") or "import" in (ROOT / "repro/report/__init__.py").read_text()


def inputs(folder: Path, name: str) -> object:
    """All that the verdict on a recipe is made of but the program, by the program's own readers."""
    here = folder / "recipes" / name
    published = folder / "reports" / f"{name}.json"
    try:
        recipe = recipes.decode(name, (here / "recipe.toml").read_text("utf-8"), name)
        return (
            asdict(recipe),
            read_tree(here / "overlay"),
            read_tree(here / "hooks"),
            (here / "recipe.lock").read_bytes(),
            load_pin_set(folder / "snapshots", recipe.pins),
            sorted((path.name, path.read_bytes()) for path in (folder / "snapshots" / recipe.pins).iterdir()),
            published.read_bytes() if published.exists() else None,
        )
    except InvalidInput as error:
        return error  # also another answer than before


def code(folder: Path, loaded: frozenset[str]) -> str:
    """A digest of all that a build loads, and of what the ids of stages hold (`program_digest`)."""
    files = {folder / file for file in loaded} | {*folder.glob("repro/image/*.py"), *folder.glob("repro/sandbox/*.py")}
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(files))).hexdigest()


def mutations(path: Path) -> Iterator[bytes]:
    """Other contents that are still read: with a comment, and, of a recipe or of pins, with another value."""
    data = path.read_bytes()
    yield data + b"\n# another line\n"
    if path.suffix == ".toml" and b'"amd64"' in data:
        yield data.replace(b"compression_level = 9", b"compression_level = 8").replace(b"20", b"19")


def test_every_file_of_the_project_by_brute_force(clone: Path, loaded: frozenset[str]) -> None:
    """Whatever changes an input of a recipe's verdict is counted; and what is counted is not just everything."""
    names = sorted(path.parent.name for path in clone.glob("recipes/*/recipe.toml"))
    program, bits = Program(clone / "repro"), code(clone, loaded)
    before = {name: inputs(clone, name) for name in names}
    kept, missed, touching = 0, [], 0
    for path in sorted(path for path in clone.rglob("*") if path.is_file() and ".git" not in path.parts):
        own, file = path.read_bytes(), path.relative_to(clone).as_posix()
        for data in mutations(path):
            path.write_bytes(data)
            try:
                if file.startswith("repro/"):  # another comment: the imports stay, and reading them all takes long
                    changed = set(names) if code(clone, loaded) != bits else set()
                    found = touched([file], dict.fromkeys(names, ()), lambda path: program.reaches(path[6:]))
                else:
                    changed = {name for name in names if inputs(clone, name) != before[name]}
                    found = changed_recipes(Project(clone), names, "HEAD")
            finally:
                path.write_bytes(own)
            missed += [(file, name) for name in changed - found]
            kept += not found
            touching += bool(changed)
    assert missed == []
    assert kept > 80 and touching > 60
    assert changed_recipes(Project(clone), names, "HEAD") == frozenset()
