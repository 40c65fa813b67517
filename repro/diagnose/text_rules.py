"""What two words that differ are: the first rule that knows them says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from repro.diagnose.rule import sides
from repro.diagnose.stamps import zones_apart
from repro.diagnose.words import Change
from repro.model.cause import HIGH, LOW, MEDIUM

Told = tuple[str, str, str]  # label, confidence, evidence

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_KERNEL = re.compile(r"\d+\.\d+\.\d+(?:-[\w.+]+)*")
_TEMPORARY = re.compile(r"(?:^|/)(?:tmp[.A-Za-z0-9_]*|[\w-]+\.)[A-Za-z0-9_]{6,12}(?=[/.]|$)")
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_BLOB = re.compile(r"[A-Za-z0-9+/_=-]{16,}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_LOCALE = re.compile(r"(?:[a-z]{2,3}_[A-Z]{2}(?:[.@][\w-]+)?|C|POSIX|C\.UTF-8)")
_ASSIGNED = re.compile(r"(?:export |declare -x )?[A-Za-z_][A-Za-z0-9_]*=")
_BEFORE = {  # label: what stands before a word of that kind
    "captures_hostname": r"(?:host(?: ?name)?|node(?:name)?|machine|\w@|uname|built on)\W*$",
    "captures_user": r"(?:\buser(?: ?name)?|logname|login|built by|packager|maintained by|\bby|uid|gid|group)\W*$",
    "process_id": r"(?:\bpid|\bprocess(?: id)?)\W*$",
    "captures_parallelism": r"(?:-j ?|jobs?|parallel(?:ism)?|threads|nproc)\W*$",
    "captures_cpu": r"(?:cpus?|processors?|cores|model name|flags|march|mtune)\W*$",
    "captures_memory": r"(?:mem(?:ory)?|memtotal|ram)\W*$",
}
_CONTEXTS = {label: re.compile(pattern, re.IGNORECASE) for label, pattern in _BEFORE.items()}
_NUMERIC = {"process_id", "captures_parallelism", "captures_cpu", "captures_memory"}
_HOST_FILES = re.compile(r"(?:^|/)(?:hostname|mailname|hosts)$")


def told(change: Change, path: str) -> Told | None:
    """What `change` in the file `path` is, None where no rule knows it."""
    for rule in _RULES:
        if said := rule(change, path):
            return said
    return None


def _time(change: Change, path: str) -> Told | None:
    if not change.stamps:
        return None
    left, right = change.stamps
    said = sides(left.text, right.text)
    return ("timezone", HIGH, said) if zones_apart(left, right) else ("timestamps_in_text", HIGH, said)


def _shadow(change: Change, path: str) -> Told | None:
    if path.rsplit("/", 1)[-1].rstrip("-") == "shadow" and _all(change, re.compile(r"[12]\d{4}")):
        return "timestamps_in_text", HIGH, f"days since 1970: {sides(change.left, change.right)}"
    return None


def _uuid(change: Change, path: str) -> Told | None:
    return ("random_uuid", HIGH, sides(change.left, change.right)) if _all(change, _UUID) else None


def _environment(change: Change, path: str) -> Told | None:
    lines = [line for line in change.whole if line]
    if not change.stamps and all(_ASSIGNED.match(line) for line in lines) and len(lines) == 1:
        return "captures_environment", HIGH, f"one side alone has {lines[0]}"
    return None


def _locale(change: Change, path: str) -> Told | None:
    if _all(change, _LOCALE) or re.search(r"\b(?:LC_\w+|LANG(?:UAGE)?)\W*$", change.before):
        return "locale_text", HIGH, sides(change.left, change.right)
    if change.left.isascii() != change.right.isascii() and change.left and change.right:
        return "locale_text", MEDIUM, sides(change.left, change.right)
    return None


def _kernel(change: Change, path: str) -> Told | None:
    near = re.search(r"linux|kernel|uname|release", change.before, re.IGNORECASE)
    if _all(change, _KERNEL) and (near or all("-" in side for side in (change.left, change.right))):
        return "captures_kernel_version", HIGH if near else MEDIUM, sides(change.left, change.right)
    return None


def _paths(change: Change, path: str) -> Told | None:
    left, right = change.left, change.right
    if "/" not in left or "/" not in right:
        return None
    if all(side.startswith(("/home/", "/root")) for side in (left, right)):
        return "captures_home_dir", HIGH, sides(left, right)
    if _TEMPORARY.sub("\0", left) == _TEMPORARY.sub("\0", right):
        return "temporary_name", HIGH, sides(left, right)
    if left.startswith("/") and right.startswith("/"):
        tail = left.rsplit("/", 1)[-1] == right.rsplit("/", 1)[-1]
        return "captures_build_path", HIGH if tail else MEDIUM, sides(left, right)
    return None


def _context(change: Change, path: str) -> Told | None:
    for label, before in _CONTEXTS.items():
        if not before.search(change.before):
            continue
        shape = re.compile(r"[\d.]+\w{0,3}") if label in _NUMERIC else _NAME
        if _all(change, shape):
            return label, HIGH, f"{change.before.strip()[-30:]} {sides(change.left, change.right)}"
    if _HOST_FILES.search(path) and _all(change, _NAME):
        return "captures_hostname", HIGH, sides(change.left, change.right)
    return None


def _random(change: Change, path: str) -> Told | None:
    said = sides(change.left, change.right)
    if _TEMPORARY.sub("\0", change.left) == _TEMPORARY.sub("\0", change.right) and change.left and change.right:
        return "temporary_name", MEDIUM, said
    if _all(change, _HEX) and len(change.left) == len(change.right):
        return "random_identifier", HIGH if len(change.left) >= 16 else MEDIUM, said
    if _all(change, _BLOB) and any(letter.isdigit() for letter in change.left + change.right):
        return "random_identifier", MEDIUM, said
    if _all(change, re.compile(r"\d+")):
        return "random_identifier", LOW, f"numbers without a name: {said}"
    return None


_RULES: tuple[Callable[[Change, str], Told | None], ...] = (
    _time,
    _shadow,
    _uuid,
    _environment,
    _locale,
    _kernel,
    _paths,
    _context,
    _random,
)


def _all(change: Change, shape: re.Pattern[str]) -> bool:
    return bool(shape.fullmatch(change.left) and shape.fullmatch(change.right))


def order(left: list[str], right: list[str]) -> Told | None:
    """The same lines, or the same words, in another order."""
    if left == right:
        return None
    if sorted(left) == sorted(right):
        at = next(number for number, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
        said = f"the same {len(left)} lines; line {at + 1}: {sides(left[at], right[at])}"
        kinds = {_collation(left), _collation(right)}
        if len(kinds) == 2 and "" not in kinds:
            return "locale_order", HIGH, f"{said}; sorted {' and '.join(sorted(kinds))}"
        if all(re.fullmatch(r"[^\s:={}\"']+", line) for line in left):
            return "directory_order", HIGH if len(left) > 2 else MEDIUM, said
        return "hash_order", MEDIUM, said
    ours, theirs = (re.findall(r"[^\s,;:{}()\[\]\"'=]+", "\n".join(side)) for side in (left, right))
    if len(left) == len(right) and ours != theirs and sorted(ours) == sorted(theirs):
        at = next(number for number, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
        return "hash_order", HIGH, f"the same {len(ours)} words; word {at + 1}: {sides(ours[at], theirs[at])}"
    return None


def _collation(lines: list[str]) -> str:
    """By what `lines` are sorted, empty where by nothing that is known."""

    def rises(key: Callable[[str], str]) -> bool:
        return all(key(a) <= key(b) for a, b in pairwise(lines))

    if rises(lambda line: line):
        return "by bytes"
    if rises(lambda line: re.sub(r"[\W_]+", "", line).casefold()) or rises(str.casefold):
        return "as in a dictionary"
    return ""
