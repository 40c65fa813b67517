"""What one lock has that another has not: packages added, removed, upgraded, downgraded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from debian.debian_support import NativeVersion

from repro.model.lock import Lock, LockedPackage

ADDED, REMOVED, UPGRADED, DOWNGRADED = "added", "removed", "upgraded", "downgraded"
REPLACED = "replaced"  # other bytes under the same version
PARTS = ("image", "toolchain")


@dataclass(frozen=True)
class Change:
    """A package of a lock's `part` that changed; `old` and `new` are versions, empty where there was or is none.

    `name` has the architecture behind a colon where the part has the name in several.
    """

    part: str
    kind: str
    name: str
    old: str
    new: str

    def __str__(self) -> str:
        if self.kind == ADDED:
            return f"{self.part}: + {self.name} {self.new}"
        if self.kind == REMOVED:
            return f"{self.part}: - {self.name} {self.old}"
        remark = {DOWNGRADED: " (downgraded)", REPLACED: " (other bytes)"}.get(self.kind, "")
        return f"{self.part}: {self.name} {self.old} → {self.new}{remark}"


def changes(old: Lock | None, new: Lock) -> list[Change]:
    """Image first, then toolchain; in each what is added, removed, and of another version, by name.

    Versions are ordered as Debian does (deb-version(7)).
    """
    found = []
    for part in PARTS:
        parts = [getattr(lock, part) if lock else () for lock in (old, new)]
        several = {name for packages in parts for name, count in Counter(p.name for p in packages).items() if count > 1}
        before, after = ({_name(p, several): p for p in packages} for packages in parts)
        found += [Change(part, ADDED, name, "", after[name].version) for name in sorted(set(after) - set(before))]
        found += [Change(part, REMOVED, name, before[name].version, "") for name in sorted(set(before) - set(after))]
        for name in sorted(set(before) & set(after)):
            was, now = before[name], after[name]
            if (was.version, was.sha256) != (now.version, now.sha256):
                found.append(Change(part, _kind(was.version, now.version), name, was.version, now.version))
    return found


def _name(package: LockedPackage, several: Collection[str]) -> str:
    return f"{package.name}:{package.arch}" if package.name in several else package.name


def _kind(old: str, new: str) -> str:
    if old == new:
        return REPLACED
    return UPGRADED if NativeVersion(old) < NativeVersion(new) else DOWNGRADED
