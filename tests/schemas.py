"""Holding documents against the JSON Schemas in `reports/schema/`."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.users import ROOT

FOLDER = ROOT / "reports" / "schema"


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator of `repro/NAME/v1`."""
    schema = json.loads((FOLDER / f"{name}.v1.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check(data: bytes | str) -> Any:
    """The document in `data`, once it has proven to be what its own `schema` key says."""
    document = json.loads(data)
    _, name, version = document["schema"].split("/")
    assert version == "v1"
    validator(name).validate(document)
    return document
