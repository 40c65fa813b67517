"""The shape of the house, held by reading the source: imports point one way, and only the command line speaks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "repro"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From left to right: a room may know those before it. `report` and `boot` stand apart.
ROOMS = (
    "snapshot",
    "lock",
    "store",
    "sandbox",
    "image",
    "formats",
    "compare",
    "diagnose",
    "hunt",
    "attest",
    "packages",
)
GROUND = {"model": set[str](), "system": {"model"}}
ALLOWED: dict[str, set[str]] = {
    **GROUND,
    **{room: {"model", "system", *ROOMS[:number]} for number, room in enumerate(ROOMS)},
    # siblings that the picture keeps apart: what reads a container needs nothing of how one is made
    "lock": {"model", "system", "snapshot"},
    "store": {"model", "system"},
    "sandbox": {"model", "system", "store", "lock"},
    "formats": {"model", "system"},
    "compare": {"model", "system", "formats"},
    "attest": {"model", "system", "snapshot", "formats"},
    "boot": {"model", "system"},
    "report": {"model"},
}
# Room and name of what may be used although it is not `cli`'s: each with its reason.
MAY_SPEAK = {
    "system/progress.py": "print",  # the observer, which writes to standard error only
}
LONGEST = 400  # lines of a module; more is a sign of two jobs


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def room_of(path: Path) -> str:
    """`model`, `cli`, … or, for a module at the top, its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Each module of ours that `path` imports, also inside functions and for types only, with the line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name, node.lineno) for name in names if name.split(".")[0] == "repro")


def wrong_imports(path: Path) -> list[str]:
    room, wrong = room_of(path), []
    for name, line in imports(path):
        target = name.split(".")[1] if "." in name else ""
        if not (PACKAGE / target).is_dir() and not (PACKAGE / f"{target}.py").exists():
            continue  # a name of the package itself, such as __version__
        if target in ("", room) or room == "cli":
            continue
        if room == "pipeline" and target != "cli":
            continue
        if target not in ALLOWED.get(room, set()):
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {room} imports {target}")
    return wrong


def spoken(path: Path) -> list[tuple[str, int]]:
    """Calls that print or exit: print, input, exit, sys.exit, click.echo, sys.stdout. os._exit ends a forked child."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("print", "input", "exit", "quit", "breakpoint"):
                found.append((node.func.id, node.lineno))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in (("sys", "exit"), ("sys", "stdout"), ("click", "echo")):
                found.append((f"{node.value.id}.{node.attr}", node.lineno))
        elif isinstance(node, ast.Name) and node.id == "SystemExit":
            found.append((node.id, node.lineno))
    return found


def test_imports_point_one_way() -> None:
    assert [line for path in MODULES for line in wrong_imports(path)] == []


def test_every_room_has_its_place() -> None:
    rooms = {room_of(path) for path in MODULES}
    assert rooms <= {*ALLOWED, "cli", "pipeline", "__init__"}, "give the new room its place in ALLOWED"
    for room, known in ALLOWED.items():
        assert not any(room in ALLOWED.get(other, ()) for other in known), f"{room} is in a cycle"


def test_only_the_command_line_prints_or_exits() -> None:
    wrong = []
    for path in MODULES:
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("cli/"):
            wrong += [f"{name}:{line}: {what}" for what, line in spoken(path) if MAY_SPEAK.get(name) != what]
    assert wrong == []


def test_modules_can_be_read_in_one_sitting() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [path for path in MODULES if not ast.get_docstring(tree(path))] == []


@pytest.mark.parametrize(
    ("room", "code", "complaint"),
    [
        ("model", "from repro.system.run import run", "model imports system"),
        ("report", "def f():\n    from repro import compare", "report imports compare"),
        ("formats", "import repro.compare.walk", "formats imports compare"),
        ("store", "from repro import pipeline", "store imports pipeline"),
        ("sandbox", "from repro.cli import main", "sandbox imports cli"),
        ("lock", "from repro.model import pin\nfrom repro import __version__", None),
    ],
)
def test_the_test_can_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: str, code: str, complaint: str | None
) -> None:
    for name in (*ALLOWED, "cli"):
        (tmp_path / "repro" / name).mkdir(parents=True)
    (tmp_path / "repro" / "pipeline").mkdir()
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "repro")
    path = tmp_path / "repro" / room / "bad.py"
    path.write_text(code)
    found = wrong_imports(path)
    assert len(found) == bool(complaint)
    assert not complaint or found[0].endswith(complaint)
