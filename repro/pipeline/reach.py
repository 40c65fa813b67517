"""Which of the program's own files can reach the bits of an image: read off its imports, without running anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

# Where a build begins. `verify` builds, so the modules of `cli` that it and `main` are made of count too.
_BUILD = ("repro.image.build", "repro.pipeline.building")
_COMMAND = ("repro.cli.main", "repro.cli.verify")
_WHOLE = ("image", "sandbox", "pipeline")  # rooms of which every file counts, imported or not
_NAME = re.compile(r"repro(\.\w+)+")  # modules that the sandbox imports are named by text


class Program:
    """The folder `package` of a source tree of this program, as it is now."""

    def __init__(self, package: Path) -> None:
        self._package = package
        self._files = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if path.is_file()}
        self._modules = {_module(file): file for file in self._files}
        try:
            built = self._closure(_BUILD, lambda module: module != "repro.pipeline")
            command = self._closure(_COMMAND, lambda module: module.startswith("repro.cli"))
            self._reached = built | {module for module in command if module.startswith("repro.cli")}
        except (OSError, SyntaxError, ValueError, RecursionError):
            self._reached = set(self._modules)  # what cannot be read may do anything
        self._rooms = {self._modules[module].split("/")[0] for module in self._reached}

    @property
    def there(self) -> bool:
        """Whether this is the program, and not something else of its name."""
        return "image/build.py" in self._files

    def reaches(self, file: str) -> bool:
        """Whether a change of `file`, a path below the package, can change what is built.

        That the imports of today are enough: a module that was imported before and is not any more has lost its
        importer, or that one was changed, and of the first such pair the importer is reached today.
        """
        room, *below = file.split("/")
        if "__pycache__" in below or file.endswith(".pyc"):
            return False
        if room in _WHOLE:
            return True
        if file in self._files:
            return _module(file) in self._reached
        return room in self._rooms or not below  # gone, or data: as the room that it is in

    def _closure(self, roots: tuple[str, ...], follow: Callable[[str], bool]) -> set[str]:
        """The modules that `roots` import, by way of those that `follow` lets through."""
        found: set[str] = set()
        todo = list(roots)
        while todo:
            module = todo.pop()
            if module in found or module not in self._modules:
                continue
            found.add(module)
            if module in roots or follow(module):
                todo += self._imports(module)
        return found

    def _imports(self, module: str) -> Iterator[str]:
        """What `module` may load of ours: the packages it lies in, what it imports, what it names."""
        yield from _above(module)
        for node in ast.walk(ast.parse((self._package / self._modules[module]).read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
                names = [node.value]
            else:
                continue
            for name in names:
                yield name
                yield from _above(name)


def _module(file: str) -> str:
    return ".".join(["repro", *file.removesuffix(".py").removesuffix("__init__").rstrip("/").split("/")]).rstrip(".")


def _above(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module
