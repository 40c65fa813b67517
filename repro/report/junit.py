"""A comparison as JUnit XML, for GitLab and Jenkins: a case for the bytes as a whole, and one a group of members.

The shape is what both read (Jenkins' junit-10.xsd; GitLab's parser takes `name`, `classname`, `time`, and of a case
that is not green the text of `failure` or `error`). There is no time and no host in it: the same comparison gives the
same bytes. What was not examined is an `error`, never a case that was skipped: GitLab and Jenkins call those green.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from repro.model.comparison import DIFFERENT, IDENTICAL, Comparison, Unexamined
from repro.model.gate import KNOWN, STATES
from repro.model.text import printable
from repro.report import facts, standings, totals
from repro.report.groups import Group, grouped

_MEMBERS = 50  # of a group, in the text of a failure
_FACTS = 6  # lines of one member
_WIDTH = 160


def render(comparison: Comparison) -> bytes:
    """`comparison` as an XML document in UTF-8."""
    cases = list(_apart(_cases(comparison)))
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
    }
    sides = f"{printable(comparison.left.name)} | {printable(comparison.right.name)}"
    root = ET.Element("testsuites", {"name": "repro compare", **counts, "time": "0"})
    suite = ET.SubElement(root, "testsuite", {"name": f"repro: {sides}", **counts, "skipped": "0", "time": "0"})
    suite.extend(cases)
    ET.indent(root, " ")
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _cases(comparison: Comparison) -> Iterator[ET.Element]:
    yield _whole(comparison)
    if comparison.interrupted:
        message = "PARTIAL: interrupted"
        yield _case((), "comparison runs to its end", "error", message, f"{message}; what was found up to then is here")
    if comparison.gate:
        yield from _judged(comparison)
    for group in grouped(d for d in comparison.divergences if d.standing is None or d.standing.state != KNOWN):
        count = len(group.members)
        message = f"{count} {'divergence' if count == 1 else 'divergences'}: {group.aspects}{_states(group)}"
        yield _case(group.container, f"{group.where}: {group.what}", "failure", message, "\n".join(_body(group)))
    entries = sorted(comparison.unexamined, key=lambda entry: (entry.location[:-1], entry.location, entry.reason))
    for container, found in groupby(entries, key=lambda entry: entry.location[:-1]):
        missed = list(found)
        name = f"{facts.place(container, 'artifact')}: examined to the end"
        yield _case(container, name, "error", f"NOT EXAMINED: {len(missed)}", "\n".join(_missed(missed)))


def _whole(comparison: Comparison) -> ET.Element:
    """The one case that says what the bytes say: green where they are identical, and only there.

    Where a baseline was asked, what that says stands in its place: green where the gate holds, with the verdict in it.
    """
    kind = {IDENTICAL: "", DIFFERENT: "failure"}.get(comparison.verdict, "error")
    said, unexplained = totals.summary(comparison)
    if unexplained:
        said.append(f"unexplained: {unexplained:,} bytes")
    sides = (f"{side.sha256}  {printable(side.name)}" for side in (comparison.left, comparison.right))
    gate = comparison.gate
    if gate is None:
        return _case((), "same bytes", kind, comparison.verdict.upper(), "\n".join((*said, *sides)))
    body = "\n".join((standings.line(gate), comparison.verdict.upper(), *said, *sides))
    if gate.holds:
        return _passed((), "baseline holds", body)
    return _case((), "baseline holds", "failure" if gate.failing else "error", standings.line(gate), body)


def _judged(comparison: Comparison) -> Iterator[ET.Element]:
    """What a baseline adds: bytes that nothing explains fail; what an entry knows passes, and so does what is gone."""
    for stand in standings.unexplained(comparison):
        if stand.standing.state != KNOWN:
            name = f"{facts.place(stand.location)}: bytes that nothing explains"
            because = standings.because(stand.standing)
            yield _case(stand.location, name, "failure", f"{stand.standing.state}: {stand.what}", because)
    for entry, count in standings.folded(comparison):
        said = f"{count} known: {standings.owned(entry)}"
        yield _passed(entry.place[:-1], f"known: {standings.place_of(entry)}: {', '.join(entry.aspects)}", said)
    for entry in comparison.gate.gone if comparison.gate else ():
        said = f"gone, {standings.REMOVE}: {standings.named(entry)}: {standings.owned(entry)}"
        yield _passed(entry.place[:-1], f"gone: {standings.place_of(entry)}: {', '.join(entry.aspects)}", said)


def _apart(cases: Iterable[ET.Element]) -> Iterator[ET.Element]:
    """`cases`, where those that would bear the same name are numbered: both servers go by the name."""
    seen: Counter[tuple[str | None, str | None]] = Counter()
    for case in cases:
        name = case.get("classname"), case.get("name")
        seen[name] += 1
        if seen[name] > 1:
            case.set("name", f"{name[1]} ({seen[name]})")
        yield case


def _passed(container: tuple[str, ...], name: str, said: str) -> ET.Element:
    """A case that passes, and what there is to say nevertheless."""
    case = _case(container, name, "", "", "")
    ET.SubElement(case, "system-out").text = said
    return case


def _case(container: tuple[str, ...], name: str, kind: str, message: str, body: str) -> ET.Element:
    """A case called `name`; `kind` is `failure`, `error`, or empty where it passes.

    Jenkins takes what precedes the last dot of a class name for its package, so there is one dot in it.
    """
    inside = facts.place(container, "artifact").replace(".", "_")
    case = ET.Element("testcase", {"classname": f"repro.{inside}", "name": name, "time": "0"})
    if kind:
        ET.SubElement(case, kind, {"message": message, "type": kind}).text = body
    return case


def _states(group: Group) -> str:
    """How many are new, worse and expired, where a baseline was asked."""
    found = Counter(member.standing.state for member in group.members if member.standing)
    said = ", ".join(f"{found[state]} {state}" for state in STATES if found[state])
    return f"; {said}" if said else ""


def _body(group: Group) -> Iterator[str]:
    for member in group.members[:_MEMBERS]:
        size = facts.size(member)
        yield f"{facts.place(member.location)}: {', '.join(member.aspects)}" + (f" ({size})" if size else "")
        if member.standing:
            yield f"    {'; '.join(filter(None, (member.standing.state, standings.because(member.standing))))}"
        lines = list(facts.lines(member, _WIDTH))
        yield from (f"    {line}" for line in lines[:_FACTS])
        if len(lines) > _FACTS:
            yield f"    … {len(lines) - _FACTS} more lines in the JSON report"
    if len(group.members) > _MEMBERS:
        yield f"… and {len(group.members) - _MEMBERS} more; the JSON report has all of them"


def _missed(entries: Sequence[Unexamined]) -> Iterator[str]:
    for entry in entries[:_MEMBERS]:
        yield f"{facts.place(entry.location)}: {printable(entry.reason)}"
    if len(entries) > _MEMBERS:
        yield f"… and {len(entries) - _MEMBERS} more; the JSON report has all of them"
