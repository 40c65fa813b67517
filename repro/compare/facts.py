"""What of a member is compared besides its content, and how it is written down."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from repro.formats import base
from repro.formats.base import Member

_SHOWN_VALUE = 256  # bytes of an extended attribute

_BY_KIND = ("device", "link", "mode")  # which only some kinds have: after a change of type, facts but no aspects

_FACTS = slice(Member._fields.index("kind"), Member._fields.index("extra") + 1)  # of a member, all that is a fact

Facts = dict[str, Any]


def properties(member: Member) -> dict[str, Facts]:
    """The facts of `member` by aspect; an aspect that its format or kind does not know is left out."""
    found: dict[str, Facts] = {"type": {"type": member.kind}}
    if member.mode is not None and member.kind != base.SYMLINK:
        found["mode"] = {"mode": f"{member.mode:04o}"}
    if member.uid is not None or member.gid is not None:
        found["owner"] = {"uid": member.uid, "gid": member.gid}
    if member.mtime is not None:
        found["mtime"] = {"mtime": member.mtime}
    link: Facts = {"target": member.target} if member.target is not None else {}
    if member.links:
        link["links"] = list(member.links)
    found["link"] = link
    if member.device is not None:
        found["device"] = {"device": f"{member.device[0]}:{member.device[1]}"}
    found["xattr"] = {name: _value(value) for name, value in member.xattrs}
    for aspect, name, value in member.extra:
        found.setdefault(aspect, {})[name] = value
    return found


def _value(value: bytes) -> str:
    if len(value) > _SHOWN_VALUE:
        return f"{len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()}"
    text = os.fsdecode(value)
    return text if text.isprintable() else "0x" + value.hex()


def differences(left: Member, right: Member) -> tuple[set[str], Facts, Facts]:
    """The aspects in which the members differ, and the differing facts of each side."""
    if left[_FACTS] == right[_FACTS]:  # most members are equal: one comparison for all
        return set(), {}, {}
    ours, theirs = properties(left), properties(right)
    aspects: set[str] = set()
    left_facts: Facts = {}
    right_facts: Facts = {}
    for aspect in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(aspect, {}), theirs.get(aspect, {})
        names = [name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
        if not names:
            continue
        if left.kind == right.kind or aspect not in _BY_KIND or (a and b):
            aspects.add(aspect)
        picked = {name: a[name] for name in names if name in a}, {name: b[name] for name in names if name in b}
        left_facts |= {"xattrs": picked[0]} if aspect == "xattr" else picked[0]
        right_facts |= {"xattrs": picked[1]} if aspect == "xattr" else picked[1]
    return aspects, left_facts, right_facts


def presence(member: Member) -> Facts:
    """What is said of a member that only one side has (its content apart)."""
    merged: Facts = {}
    for aspect, facts in properties(member).items():
        if aspect == "xattr":
            merged |= {"xattrs": facts} if facts else {}
        else:
            merged |= facts
    return merged
