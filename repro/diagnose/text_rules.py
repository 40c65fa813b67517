"""What two words that differ are: the first rule that knows them says so."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise

from repro.compare.renamed import VERSION
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
_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9][A-Za-z0-9.-]*")
_LOCALE = re.compile(r"(?:[a-z]{2,3}_[A-Z]{2}(?:[.@][\w-]+)?|C|POSIX|C\.UTF-8)")
_ASSIGNED = re.compile(r"(?:export |declare -x )?[A-Za-z_][A-Za-z0-9_]*=")
_HOME = re.compile(r"/home/[^/]+|/root(?=/|$)")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,16}")
_VERSION = re.compile(r"(?:\d+:)?\d+(?:\.\d+)+[A-Za-z0-9.+~]*(?:-[\w.+~]+)?")
_RELEASE = re.compile(r"\d+(?:\.\d+){2,}[A-Za-z0-9.+~]*(?:-[\w.+~]+)?|\d+(?:\.\d+)+[A-Za-z0-9.+~]*-[\w.+~]+")
_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+")
_ABI = re.compile(r"\d+\.\d+\.\d+-\d+-[a-z][\w.-]*")  # as Debian's kernels are called
_YEAR = re.compile(r"(?:19|20)\d\d")
_PART = re.compile(r"(?:19|20)\d\d|[0-6]?\d|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}")
_SIX_DIGITS = re.compile(r"[0-4]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[-_.]?(?:[01]\d|2[0-3])[0-5]\d){0,1}")
_ZONE = re.compile(
    r"UTC|GMT|Z|WES?T|CES?T|EES?T|MSK|IST|JST|KST|HKT|AE[SD]T|[ECMP][SD]T|BST|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?"
)
_CRYPT = re.compile(r"\$(?:1|2[abxy]|5|6|7|y|gy)\$[./A-Za-z0-9$=,]{20,}")  # crypt(5)
_ACCOUNT = re.compile(r"([^:\s]+):[^:\s]*:(\d+):(?:(\d+):[^:]*:[^:]*:[^:]*|[^:\s]*)")  # passwd(5), group(5)
_SUM = re.compile(r"[0-9a-f]{32,128} [ *]\S.*")  # md5sum and its like
_KEYED = re.compile(r"[^\s=:]+ ?[=:].*|.*[{}\"'].*")
_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
        "september october november december mon tue wed thu fri sat sun jan feb mar apr jun jul aug sep oct nov dec",
    )
)
# Variables that say something of the builder alone (environ(7), sudo(8), dpkg-buildpackage(1))
_OWN = re.compile(
    r"(?:export |declare -x )?(?:PATH|EDITOR|VISUAL|PAGER|SHELL|TERM|MAIL|DISPLAY|PS1|TMPDIR|MAKEFLAGS|MFLAGS|"
    r"(?:SUDO|DEB|SSH|XDG|DBUS|CI|GITHUB|GITLAB)_\w+)="
)
_BEFORE = {  # label: what stands before a word of that kind
    "captures_hostname": r"(?:host(?: ?name)?|node(?:name)?|machine|\w@|uname|\bbuil[dt](?:er)?[ _-](?:on|host))\W*$",
    "captures_user": r"(?:\b(?:user(?: ?name)?|author|owner|creator)|logname|login|packager|\bby|group)\W*$",
    "process_id": r"(?:\bpid|\bprocess(?: id)?)\W*$",
    "captures_parallelism": r"(?:-j ?|jobs?|parallel(?:ism)?|threads|nproc)\W*$",
    "captures_cpu": r"(?:cpus?|processors?|cores|model name|flags|march|mtune)\W*$",
    "captures_memory": r"(?:mem(?:ory)?|memtotal|ram)\W*$",
}
_IDS = re.compile(r"\b(?:[ug]id|(?:user|group) id)\W*$", re.IGNORECASE)
_AFTER = {  # label: what stands behind a number of that kind
    "captures_parallelism": r" ?(?:parallel )?(?:jobs?|threads?|workers?)\b",
    "captures_cpu": r" ?(?:cpus?|cores?|processors?)\b",
    "captures_memory": r" ?[kMG]i?B\b.{0,20}\b(?:memory|ram)\b",
}
_CONTEXTS = {label: re.compile(pattern, re.IGNORECASE) for label, pattern in _BEFORE.items()}
_UNITS = {label: re.compile(pattern, re.IGNORECASE) for label, pattern in _AFTER.items()}
_NUMERIC = {"process_id", "captures_parallelism", "captures_cpu", "captures_memory"}
_NUMBER = re.compile(r"[\d.]+\w{0,3}")
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
    if surely := zones_apart(left, right):
        return "timezone", surely, said
    return "timestamps_in_text", HIGH, said


def _shadow(change: Change, path: str) -> Told | None:
    if path.rsplit("/", 1)[-1].rstrip("-") == "shadow" and _all(change, re.compile(r"[12]\d{4}")):
        return "timestamps_in_text", HIGH, f"days since 1970: {sides(change.left, change.right)}"
    return None


def _password(change: Change, path: str) -> Told | None:
    found = [_CRYPT.search(line) for line in change.whole]
    if found[0] and found[1] and found[0].group() != found[1].group():
        return "random_key", HIGH, f"hashes of passwords: {sides(found[0].group(), found[1].group())}"
    return None


def _uuid(change: Change, path: str) -> Told | None:
    return ("random_uuid", HIGH, sides(change.left, change.right)) if _all(change, _UUID) else None


def _environment(change: Change, path: str) -> Told | None:
    lines = [line for line in change.whole if line]
    if len(lines) == 2 and all(_OWN.match(line) for line in lines):
        return "captures_environment", HIGH, sides(*lines)
    if not change.stamps and all(_ASSIGNED.match(line) for line in lines) and len(lines) == 1:
        return "captures_environment", HIGH, f"one side alone has {lines[0]}"
    return None


def _locale(change: Change, path: str) -> Told | None:
    if _all(change, _LOCALE) or re.search(r"\b(?:LC_\w+|LANG(?:UAGE)?)\W*$", change.before):
        return "locale_text", HIGH, sides(change.left, change.right)
    english = [bool(_words(side)) and _words(side) <= _ENGLISH for side in (change.left, change.right)]
    if any(english) and not all(english) and all(map(_words, (change.left, change.right))):
        return "locale_text", MEDIUM, f"a day or month: {sides(change.left, change.right)}"
    if change.left.isascii() != change.right.isascii() and change.left and change.right:
        return "locale_text", MEDIUM, sides(change.left, change.right)
    return None


def _kernel(change: Change, path: str) -> Told | None:
    near = re.search(r"linux|kernel|uname|lib/modules|release", change.before, re.IGNORECASE)
    if _all(change, _KERNEL) and (near or any(_ABI.fullmatch(side) for side in (change.left, change.right))):
        return "captures_kernel_version", HIGH if near else MEDIUM, sides(change.left, change.right)
    return None


def _uname(change: Change, path: str) -> Told | None:
    """The second word of `uname -a` is the name of the host."""
    found = [re.search(r"\bLinux (\S+) \d+\.\d+\.\d+", line) for line in change.whole]
    if found[0] and found[1] and found[0].group(1) == change.left and found[1].group(1) == change.right:
        return "captures_hostname", HIGH, f"uname: {sides(change.left, change.right)}"
    return None


def _version(change: Change, path: str) -> Told | None:
    """Versions of what went in: of a package, of a compiler, or of nothing that is named."""
    said = sides(change.left, change.right)
    if _all(change, _VERSION) and (near := re.search(r"\bversion\W*$|GCC|clang|rustc", change.before, re.IGNORECASE)):
        return "inputs_differ", HIGH, f"{near.group().strip()} {said}"
    if _all(change, _RELEASE) and not _all(change, _IPV4):
        return "inputs_differ", MEDIUM, said
    return None


def _address(change: Change, path: str) -> Told | None:
    if _all(change, _ADDRESS):
        wide = min(len(change.left), len(change.right)) >= 12  # 0x and ten digits: more than 32 bits
        return "captures_memory_address", HIGH if wide else MEDIUM, sides(change.left, change.right)
    return None


def _dated(change: Change, path: str) -> Told | None:
    """Words made of a year and other numbers or months, and days as six digits: forms of dates that are not listed."""
    parts = [re.split(r"[-./_]", side) for side in (change.left, change.right)]
    alike = len(parts[0]) == len(parts[1]) and all(_PART.fullmatch(part) for side in parts for part in side)
    years = any(_YEAR.fullmatch(a) and _YEAR.fullmatch(b) for a, b in zip(*parts, strict=False))
    if alike and years:
        return "timestamps_in_text", HIGH if len(parts[0]) > 2 else MEDIUM, sides(change.left, change.right)
    if _all(change, _SIX_DIGITS) or (alike and len(parts[0]) == 3 and _all(change, re.compile(r"\d\d(\D)\d\d\1\d\d"))):
        return "timestamps_in_text", MEDIUM, sides(change.left, change.right)
    return None


def _zone(change: Change, path: str) -> Told | None:
    """Names of zones, or distances from UTC, beside no time."""
    shown = [bool(_ZONE.fullmatch(side)) for side in (change.left, change.right)]
    if any(shown) and _all(change, re.compile(r"Z|[A-Z]{3,5}|[+-]\d\d(?::?\d\d)?|(?:GMT|UTC)[+-]\d+")):
        return "timezone", HIGH if all(shown) else MEDIUM, sides(change.left, change.right)
    return None


def _paths(change: Change, path: str) -> Told | None:
    (before, slash, left), (other, there, right) = change.left.partition("/"), change.right.partition("/")
    if before != other or not slash or not there:
        return None
    left, right = f"/{left}", f"/{right}"  # without what stands before a path, as -L does
    said = sides(left, right)
    if _homes(left, right, bool(re.search(r"\bHOME\W*$", change.before))):
        return "captures_home_dir", HIGH, said
    if _TEMPORARY.sub("\0", left) == _TEMPORARY.sub("\0", right):
        return "temporary_name", HIGH, said
    if VERSION.sub("", left) == VERSION.sub("", right):
        return "inputs_differ", MEDIUM, said
    tail = left.rsplit("/", 1)[-1] == right.rsplit("/", 1)[-1]
    # behind a word it is a relative path, or no path at all
    return None if before.isalnum() else ("captures_build_path", HIGH if tail else MEDIUM, said)


def _homes(left: str, right: str, named: bool) -> bool:
    """Whether both are home directories, or one is and what follows is the same and a file kept there (`.name`)."""
    found = [_HOME.match(side) for side in (left, right)]
    rests = {side[home.end() :] for side, home in zip((left, right), found, strict=True) if home}
    kept = any(rest.startswith("/.") and left.endswith(rest) and right.endswith(rest) for rest in rests)
    return all(found) or (any(found) and named) or kept


def _context(change: Change, path: str) -> Told | None:
    said = sides(change.left, change.right)
    for label, behind in _UNITS.items():
        if behind.match(change.after) and _all(change, _NUMBER):
            return label, HIGH, f"{said} {change.after.strip()[:30]}"
    for label, before in _CONTEXTS.items():
        if before.search(change.before) and _all(change, _NUMBER if label in _NUMERIC else _NAME):
            return label, HIGH, f"{change.before.strip()[-30:]} {said}"
    if _IDS.search(change.before) and _all(change, re.compile(r"\d+")):
        return "captures_user", HIGH, f"{change.before.strip()[-30:]} {said}"
    if _HOST_FILES.search(path) and _all(change, _NAME):
        return "captures_hostname", HIGH, said
    return None


def _random(change: Change, path: str) -> Told | None:
    said = sides(change.left, change.right)
    if _TEMPORARY.sub("\0", change.left) == _TEMPORARY.sub("\0", change.right) and change.left and change.right:
        return "temporary_name", MEDIUM, said
    if _all(change, _HEX) and _CALLED_DIGEST.search(change.before) and len(change.left) == len(change.right) >= 32:
        return "hash_of_what_differs", HIGH, said
    if _all(change, _HEX) and abs(len(change.left) - len(change.right)) <= 1:
        return "random_identifier", HIGH if len(change.left) >= 16 else MEDIUM, said
    if _all(change, _BLOB) and any(letter.isdigit() for letter in change.left + change.right):
        return "random_identifier", MEDIUM, said
    if _all(change, re.compile(r"\d+")):
        return "random_identifier", LOW, f"numbers without a name: {said}"
    return None


_CALLED_DIGEST = re.compile(r"(?i)\b(sha-?(1|224|256|384|512)|md5)(sum)?\W{1,6}$")

_RULES: tuple[Callable[[Change, str], Told | None], ...] = (
    _time,
    _shadow,
    _password,
    _uuid,
    _environment,
    _locale,
    _uname,
    _kernel,
    _version,
    _address,
    _paths,
    _context,
    _zone,
    _dated,
    _random,
)


def _all(change: Change, shape: re.Pattern[str]) -> bool:
    return bool(shape.fullmatch(change.left) and shape.fullmatch(change.right))


def _words(text: str) -> set[str]:
    return {word.lower().rstrip(".") for word in text.split()}


def accounts(left: list[str], right: list[str]) -> Told | None:
    """Two lists of accounts: the same names with other ids, or in another order."""
    tables = [[found for line in side if (found := _ACCOUNT.fullmatch(line))] for side in (left, right)]
    if any(len(table) < max(1, len(side)) for table, side in zip(tables, (left, right), strict=True)):
        return None
    ours, theirs = ({found[1]: (found[2], found[3]) for found in table} for table in tables)
    if ours.keys() != theirs.keys():
        return None
    if apart := [name for name in ours if ours[name] != theirs[name]]:
        said = (f"{name}: {sides(*(':'.join(filter(None, side[name])) for side in (ours, theirs)))}" for name in apart)
        return "uid_gid_drift", HIGH, ", ".join(said)
    names = [[found[1] for found in table] for table in tables]
    return ("uid_gid_drift", MEDIUM, "accounts in another order") if names[0] != names[1] else None


def order(left: list[str], right: list[str]) -> Told | None:
    """The same lines, or the same words, in another order."""
    if left == right:
        return None
    if sorted(left) == sorted(right):
        at = next(number for number, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
        said = f"the same {len(left)} lines; line {at + 1}: {sides(left[at], right[at])}"
        kinds = {_collation(left), _collation(right)}
        if len(kinds) != 2 or "" in kinds:  # the last words may be what was sorted, as those of checksums
            kinds = {
                _collation([line.rsplit(None, 1)[-1] if line.split() else "" for line in side])
                for side in (left, right)
            }
        if len(kinds) == 2 and "" not in kinds:
            return "locale_order", HIGH, f"{said}; sorted {' and '.join(sorted(kinds))}"
        if all(re.fullmatch(r"[^\s:={}\"']+", line) or _SUM.fullmatch(line) for line in left):
            return "directory_order", HIGH if len(left) > 2 else MEDIUM, said
        return ("hash_order" if any(_KEYED.fullmatch(line) for line in left) else "directory_order"), MEDIUM, said
    ours, theirs = (re.findall(r"[^\s,;:{}()\[\]\"'=]+", "\n".join(side)) for side in (left, right))
    if len(left) == len(right) and ours != theirs and sorted(ours) == sorted(theirs):
        at = next(number for number, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
        return "hash_order", HIGH, f"the same {len(ours)} words; word {at + 1}: {sides(ours[at], theirs[at])}"
    return None


def _collation(lines: list[str]) -> str:
    """By what `lines` are sorted, empty where by nothing that is known."""

    if all(a <= b for a, b in pairwise(lines)):
        return "by bytes"
    plain = [unicodedata.normalize("NFKD", line).casefold() for line in lines]  # ISO 14651: letters first, then case
    for kept in (r"[^\W_]+", r"[^\W_]+|[^\w\s]|_", r".+"):
        keys = ["".join(re.findall(kept, line)) for line in plain]
        if all(a <= b for a, b in pairwise(keys)):
            return "as in a dictionary"
    return ""
