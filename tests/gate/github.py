"""Runs a composite action's steps as GitHub's runner would: the scripts for real, the actions of others looked at.

The expressions that action.yml uses are evaluated; anything else in one is an error, never a guess.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Of each action that is used: the inputs that it has, and those that it must get.
USES: dict[str, tuple[set[str], set[str]]] = {
    "actions/cache/restore@v4": ({"path", "key", "restore-keys", "fail-on-cache-miss", "lookup-only"}, {"path", "key"}),
    "actions/cache/save@v4": ({"path", "key", "upload-chunk-size"}, {"path", "key"}),
    "actions/upload-artifact@v4": (
        {"name", "path", "if-no-files-found", "retention-days", "compression-level", "overwrite"},
        {"path"},
    ),
    "github/codeql-action/upload-sarif@v3": ({"sarif_file", "category", "checkout_path", "token"}, {"sarif_file"}),
}
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w.-]*)|(?P<mark>==|!=|&&|\|\||[(),]))")


@dataclass
class Ran:
    """One step: its name, whether it ran, its exit code and what it said; of `uses` what it was given."""

    name: str
    ran: bool = False
    code: int = 0
    said: str = ""
    uses: str = ""
    given: dict[str, str] = field(default_factory=dict)


class Runner:
    """`action` in one job; `contexts` are what expressions may name, by their dotted names."""

    def __init__(self, action: Mapping[str, Any], folder: Path, contexts: Mapping[str, str], env: Mapping[str, str]):
        self.action, self.folder, self.env = action, folder, dict(env)
        self.contexts = dict(contexts)
        self.summary = folder / "step-summary"
        self.summary.touch()
        self.failed = False
        self.functions: dict[str, Callable[..., Any]] = {
            "always": lambda: True,
            "format": lambda text, *rest: re.sub(r"\{(\d)\}", lambda match: rest[int(match[1])], text),
            "hashFiles": self._hash_files,
        }

    def run(self, inputs: Mapping[str, str]) -> dict[str, Ran]:
        """Every step by its name, in order, with `inputs` and the defaults of all others."""
        unknown = set(inputs) - set(self.action["inputs"])
        assert not unknown, unknown
        for name, told in self.action["inputs"].items():
            self.contexts[f"inputs.{name}"] = inputs.get(name, self.filled(str(told.get("default", ""))))
        steps = self.action["runs"]["steps"]
        for step in steps:
            if "id" in step:
                self.contexts.setdefault(f"steps.{step['id']}", "")
        return {step["name"]: self._step(step) for step in steps}

    @property
    def outputs(self) -> dict[str, str]:
        return {name: self.filled(told["value"]) for name, told in self.action["outputs"].items()}

    def _step(self, step: Mapping[str, Any]) -> Ran:
        result = Ran(step["name"])
        condition = step.get("if", "")
        if not (self.value(condition) if "always()" in condition else not self.failed):
            return result
        result.ran = True
        if "uses" in step:
            self._use(step, result)
        else:
            self._script(step, result)
        if result.code and not step.get("continue-on-error"):
            self.failed = True
        return result

    def _use(self, step: Mapping[str, Any], result: Ran) -> None:
        known, required = USES[step["uses"]]
        result.uses = step["uses"]
        result.given = {name: self.filled(str(value)) for name, value in step["with"].items()}
        assert set(result.given) <= known and all(result.given.get(name) for name in required), result.given
        if step["uses"].startswith("actions/cache/restore@"):
            self.contexts[f"steps.{step['id']}.outputs.cache-primary-key"] = result.given["key"]

    def _script(self, step: Mapping[str, Any], result: Ran) -> None:
        assert step["shell"] == "bash"
        script, output = self.folder / "script.sh", self.folder / "output"
        script.write_text(step["run"])
        output.write_text("")
        env = {name: self.filled(str(value)) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=os.path.join(self.env["GITHUB_WORKSPACE"], self.filled(step.get("working-directory", "."))),
            env={**self.env, "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.summary), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        result.code, result.said = done.returncode, done.stdout
        for line in output.read_text().splitlines():
            name, equals, value = line.partition("=")
            assert equals
            self.contexts[f"steps.{step['id']}.outputs.{name}"] = value

    def filled(self, text: str) -> str:
        """`text` with its expressions replaced."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(self.value(match[1])), text)

    def value(self, expression: str) -> Any:
        """The value of `expression`. Raises AssertionError or KeyError for whatever this knows nothing of."""
        tokens, at = [], 0
        expression = expression.strip()
        while at < len(expression):
            match = _TOKEN.match(expression, at)
            assert match, f"not understood: {expression[at:]}"
            tokens.append(match)
            at = match.end()
        result = self._either(tokens)
        assert not tokens, expression
        return result

    def _either(self, tokens: list[re.Match[str]]) -> Any:
        left = self._both(tokens)
        while tokens and tokens[0]["mark"] == "||":
            tokens.pop(0)
            right = self._both(tokens)
            left = left or right
        return left

    def _both(self, tokens: list[re.Match[str]]) -> Any:
        left = self._equal(tokens)
        while tokens and tokens[0]["mark"] == "&&":
            tokens.pop(0)
            right = self._equal(tokens)
            left = left and right
        return left

    def _equal(self, tokens: list[re.Match[str]]) -> Any:
        left = self._term(tokens)
        if tokens and tokens[0]["mark"] in ("==", "!="):
            same = tokens.pop(0)["mark"] == "=="
            return (left == self._term(tokens)) == same
        return left

    def _term(self, tokens: list[re.Match[str]]) -> Any:
        token = tokens.pop(0)
        if token["text"]:
            return token["text"][1:-1].replace("''", "'")
        if token["mark"] == "(":
            inner = self._either(tokens)
            assert tokens.pop(0)["mark"] == ")"
            return inner
        assert token["name"], token
        if not tokens or tokens[0]["mark"] != "(":
            return self._context(token["name"])
        tokens.pop(0)
        given = []
        while tokens[0]["mark"] != ")":
            given.append(self._either(tokens))
            if tokens[0]["mark"] == ",":
                tokens.pop(0)
        tokens.pop(0)
        return self.functions[token["name"]](*given)

    def _context(self, name: str) -> str:
        if match := re.fullmatch(r"(steps\.[\w-]+)\.outputs\.[\w-]+", name):
            assert match[1] in self.contexts, f"there is no step {match[1]}"
            return self.contexts.get(name, "")
        return self.contexts[name]

    def _hash_files(self, *patterns: str) -> str:
        found = (path for pattern in patterns for path in Path(self.env["GITHUB_WORKSPACE"]).glob(pattern))
        digests = [hashlib.sha256(path.read_bytes()).digest() for path in sorted(found)]
        return hashlib.sha256(b"".join(digests)).hexdigest() if digests else ""
