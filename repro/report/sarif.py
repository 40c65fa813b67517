"""A comparison as SARIF 2.1.0 (OASIS), for GitHub code scanning and other dashboards: a result a divergence.

A result lies in the right-hand artifact (`physicalLocation`), at the path inside it (`logicalLocations`). Its
fingerprint is over location and aspects alone, so that it stays the same where sizes, offsets and artifact names move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from repro.model.comparison import INCONCLUSIVE, Comparison, Divergence, Side, Unexamined
from repro.model.gate import EXPIRED, KNOWN, NEW, STATES, WORSE, Listed, Standing
from repro.model.text import canonical_json, printable, readable_json
from repro.report import facts, standings

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "reproDivergence/v1"
GITHUB_FINGERPRINT = "primaryLocationLineHash"  # the only one that code scanning looks at
RESULTS = 5_000  # as many as GitHub shows of one run; it refuses more than 25,000
NOTIFICATIONS = 1_000
_WIDTH = 160
_BASELINE_STATES = {NEW: "new", WORSE: "updated", EXPIRED: "unchanged", KNOWN: "unchanged"}
_RIGHT = 1  # index of the artifact that was compared with the other

# What each aspect means, and what usually makes it differ; of several in one divergence the first here is its rule.
RULES = {
    "presence": (
        "Only one side has the member",
        "A build step that runs or not, a file that a package installs conditionally, or a left-over of the build.",
    ),
    "type": (
        "One side has another kind of file here",
        "A link that is dereferenced on one side, or an alternative that is chosen anew.",
    ),
    "content": (
        "The bytes of the file differ",
        "Times, build paths, random identifiers, unsorted lists or parallelism that end up in the file.",
    ),
    "structure": (
        "The container's own fields differ",
        "Serial numbers, labels, identifiers, times and options that the tool chose: pass them to it explicitly.",
    ),
    "link": (
        "The target of a link, or the paths that are hard links of one file, differ",
        "Links that are made in the order of a directory, or absolute paths of the build.",
    ),
    "device": ("The device numbers differ", "Device nodes that the host made instead of the build."),
    "mode": ("The permission bits differ", "The umask of the builder, or a chmod that depends on the environment."),
    "owner": (
        "User or group differ",
        "Ids that are given out in the order of installation, or the builder's own id: fix them in the recipe.",
    ),
    "xattr": ("The extended attributes differ", "Capabilities or labels that the host's file system lost or added."),
    "order": (
        "The order of the members differs",
        "The order of a directory on the builder's file system: sort before packing.",
    ),
    "mtime": ("A time differs", "The clock of the builder: clamp times to SOURCE_DATE_EPOCH."),
}
_RANK = {aspect: number for number, aspect in enumerate(RULES)}


def render(comparison: Comparison) -> bytes:
    """`comparison` as JSON, deterministic, of at most `RESULTS` results; what is left out is a notification."""
    results = _results(comparison)
    run = {
        "tool": {"driver": {"name": "repro", "rules": [_rule(aspect) for aspect in RULES]}},
        "invocations": [_invocation(comparison, len(results))],
        "artifacts": [_artifact(comparison.left, "left"), _artifact(comparison.right, "right")],
        "results": [result() for result in results[:RESULTS]],
        "properties": _properties(comparison),
    }
    return readable_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _results(comparison: Comparison) -> list[Callable[[], dict[str, Any]]]:
    """A result a divergence; where a baseline was asked, what fails comes first, and what is gone last."""
    right = comparison.right
    found = [(divergence.standing, partial(_result, right, divergence)) for divergence in comparison.divergences]
    found += [(stand.standing, partial(_unexplained, right, stand)) for stand in standings.unexplained(comparison)]
    found.sort(key=lambda pair: STATES.index(pair[0].state) if pair[0] else 0)
    gone = comparison.gate.gone if comparison.gate else ()
    return [*(result for _, result in found), *(partial(_gone, right, entry) for entry in gone)]


def fingerprint(divergence: Divergence) -> str:
    """What stays the same of a divergence from one comparison to the next: SHA-256 of its location and aspects."""
    return hashlib.sha256(canonical_json([divergence.location, divergence.aspects])).hexdigest()


def _rule(aspect: str) -> dict[str, Any]:
    short, causes = RULES[aspect]
    return {
        "id": aspect,
        "name": f"Differing{aspect.capitalize()}",
        "shortDescription": {"text": f"{short}."},
        "fullDescription": {"text": f"{short}. Two builds of the same inputs should give the same bits."},
        "help": {"text": f"Usual causes: {causes}", "markdown": f"**Usual causes**: {causes}"},
        "defaultConfiguration": {"level": "error"},
    }


def _result(right: Side, divergence: Divergence) -> dict[str, Any]:
    rule = min(divergence.aspects, key=_RANK.__getitem__)
    same = fingerprint(divergence)
    size = facts.size(divergence)
    said = [f"{facts.place(divergence.location)}: {', '.join(divergence.aspects)}" + (f" ({size})" if size else "")]
    properties = {
        "aspects": list(divergence.aspects),
        "location": [printable(part) for part in divergence.location],
        "ranges": [
            {"side": r.side, "start": r.start, "end": r.end, "structure": printable(r.structure)}
            for r in divergence.ranges
        ],
        **{name: printable(value) for name in ("cause", "package") if (value := getattr(divergence, name))},
    }
    return {
        "ruleId": rule,
        "ruleIndex": _RANK[rule],
        "level": "error",
        "message": {"text": "\n".join((*said, *facts.lines(divergence, _WIDTH)))},
        "locations": [_location(right, divergence.location, divergence.aspects)],
        "partialFingerprints": {FINGERPRINT: same, GITHUB_FINGERPRINT: f"{same}:1"},
        "properties": properties,
        **_standing(divergence.standing),
    }


def _standing(standing: Standing | None) -> dict[str, Any]:
    """How a result relates to the baseline: what is known is suppressed, with the reason of its entry."""
    if standing is None:
        return {}
    state: dict[str, Any] = {"baselineState": _BASELINE_STATES[standing.state]}
    if standing.state == KNOWN:
        why = standings.owned(standing)
        state["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return state


def _unexplained(right: Side, stand: standings.Stand) -> dict[str, Any]:
    """Bytes that differ and that nothing explains, as a result about the container that they lie in."""
    return _plain(right, stand.location, stand.aspects, f"{facts.place(stand.location)}: {stand.what}") | {
        "level": "error",
        **_standing(stand.standing),
    }


def _gone(right: Side, entry: Listed) -> dict[str, Any]:
    """An entry that nothing matches any more: a test that passes, for those who do not know `absent`."""
    said = f"gone, {standings.REMOVE}: {standings.named(entry)}: {standings.owned(entry)}"
    result = _plain(right, entry.place, entry.aspects, said)
    return {**result, "level": "none", "kind": "pass", "baselineState": "absent"}


def _plain(right: Side, location: tuple[str, ...], aspects: tuple[str, ...], said: str) -> dict[str, Any]:
    """What all results have, without facts and ranges."""
    rule = min(aspects, key=_RANK.__getitem__)
    same = hashlib.sha256(canonical_json([location, aspects])).hexdigest()
    return {
        "ruleId": rule,
        "ruleIndex": _RANK[rule],
        "message": {"text": said},
        "locations": [_location(right, location, aspects)],
        "partialFingerprints": {FINGERPRINT: same, GITHUB_FINGERPRINT: f"{same}:1"},
        "properties": {"aspects": list(aspects), "location": [printable(part) for part in location]},
    }


def _location(right: Side, location: tuple[str, ...], aspects: tuple[str, ...] = ()) -> dict[str, Any]:
    """GitHub shows no result without a line, so the artifact has one; offsets are in the result's properties."""
    logical = {
        "name": printable(location[-1]) if location else printable(right.name),
        "fullyQualifiedName": facts.place(location, printable(right.name)),
        "kind": "container" if "structure" in aspects or not location else "member",
    }
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(right.name), "index": _RIGHT},
            "region": {"startLine": 1},
        },
        "logicalLocations": [logical],
    }


def _artifact(side: Side, label: str) -> dict[str, Any]:
    known = {} if side.size is None else {"length": side.size}
    return {
        "location": {"uri": _uri(side.name)},
        "description": {"text": label},
        "roles": ["analysisTarget"],
        "hashes": {"sha-256": side.sha256},
        **known,
    }


def _uri(name: str) -> str:
    """The bytes of a file name, percent-encoded (RFC 3986); what no file system could have given, escaped first."""
    try:
        return quote(name.encode("utf-8", "surrogateescape"), safe="")
    except UnicodeEncodeError:
        return quote(printable(name), safe="")


def _invocation(comparison: Comparison, results: int) -> dict[str, Any]:
    """`executionSuccessful` is false where there is no verdict or the comparison did not run to its end."""
    notes = [_missed(comparison.right, entry) for entry in comparison.unexamined[:NOTIFICATIONS]]
    if comparison.interrupted:
        notes.insert(0, _note("error", "PARTIAL: interrupted; what was found up to then is here"))
    if comparison.gate:
        level = "note" if comparison.gate.holds else "error" if comparison.gate.failing else "warning"
        notes.insert(0, _note(level, standings.line(comparison.gate)))
    if comparison.verdict == INCONCLUSIVE:
        notes.insert(0, _note("error", "INCONCLUSIVE: an artifact could not be read to its end"))
    for what, found, limit in (
        ("results", results, RESULTS),
        ("notifications of what was not examined", len(comparison.unexamined), NOTIFICATIONS),
    ):
        if found > limit:
            notes.append(_note("warning", f"{found - limit} of {found} {what} were left out; the JSON report has them"))
    done = not comparison.interrupted and comparison.verdict != INCONCLUSIVE
    return {"executionSuccessful": done, "toolExecutionNotifications": notes}


def _missed(right: Side, entry: Unexamined) -> dict[str, Any]:
    text = f"not examined: {facts.place(entry.location)}: {printable(entry.reason)}"
    return {**_note("warning", text), "locations": [_location(right, entry.location)]}


def _note(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": text}}


def _properties(comparison: Comparison) -> dict[str, Any]:
    found = comparison.summary
    gate = comparison.gate
    judged = {"gate": {"baseline": gate.baseline, "today": gate.today, "said": gate.word}} if gate else {}
    return {
        **judged,
        "verdict": comparison.verdict,
        "interrupted": comparison.interrupted,
        "entries": found.entries,
        "divergent": found.divergent,
        "bytesDiffering": found.bytes_differing,
        "bytesExplained": found.bytes_explained,
        "tools": {printable(name): printable(version) for name, version in comparison.tools.items()},
    }
