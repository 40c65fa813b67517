"""Which Debian package owns a path of a root file system, by dpkg's own database inside it.

Each `var/lib/dpkg/info/NAME[:ARCH].list` names the paths of a package, one a line and absolute, as the package spelled
them; `var/lib/dpkg/diversions` has three lines a diversion: the path, where it went, and who moved it (dpkg-divert(1)).
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping

from repro.formats.base import FILE, SYMLINK, Member

INFO = "var/lib/dpkg/info"
STATUS = "var/lib/dpkg/status"  # whose presence tells such a root
_DIVERSIONS = "var/lib/dpkg/diversions"
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian policy 5.6.1
_LONGEST = 16 << 20  # bytes of one list
_ALL = 256 << 20  # bytes of all lists together

Read = Callable[[Member], bytes | None]  # a member's bytes, None where they cannot be had


def owners(paths: Iterable[str], members: Mapping[str, Member], read: Read) -> dict[str, str]:
    """The package that owns each of `paths`, without its architecture; only those that exactly one package owns.

    `paths` and the keys of `members` go from the root without a leading slash, `os.fsdecode` strings. A list that
    cannot be read, or is larger than any real one, is passed over. Raises only what `read` raises.
    """
    found: dict[str, set[str]] = {}
    wanted: dict[bytes, set[str]] = {}  # a path as a list may spell it: the paths that it stands for
    links = _links(members)
    diversions = _diversions(members, links, read)
    for path in paths:
        if package := _of_database(path):
            found[path] = {package}
        else:
            for spelling in _spellings(diversions.origin(_canonical(path, links)), links):
                wanted.setdefault(b"/" + os.fsencode(spelling), set()).add(path)
    for package, lines in _lists(members, read) if wanted else ():
        for line in wanted.keys() & lines:
            for path in wanted[line]:
                if diversions.may_own(package, _canonical(path, links)):
                    found.setdefault(path, set()).add(package)
    return {path: packages.pop() for path, packages in found.items() if len(packages) == 1}


class _Diversions:
    """Where packages moved each other's files: (path, new path, who moved it), canonical."""

    def __init__(self, rows: Iterable[tuple[str, str, str]]) -> None:
        self._by_source: dict[str, str] = {}
        self._by_target: dict[str, tuple[str, str]] = {}
        for source, target, package in rows:
            self._by_source[source] = package
            self._by_target[target] = source, package

    def origin(self, path: str) -> str:
        """The name under which a package ships what lies at `path`."""
        return self._by_target[path][0] if path in self._by_target else path

    def may_own(self, package: str, path: str) -> bool:
        """Whether what `package` ships under the name of origin of `path` lies at `path`."""
        if path in self._by_target:
            return package != self._by_target[path][1]
        return self._by_source.get(path, package) == package


def _diversions(members: Mapping[str, Member], links: Mapping[str, str], read: Read) -> _Diversions:
    lines = [os.fsdecode(line) for line in _lines(members.get(_DIVERSIONS), read)]
    rows = zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    return _Diversions(
        (_canonical(source[1:], links), _canonical(target[1:], links), package.partition(":")[0])
        for source, target, package in rows
    )


def _links(members: Mapping[str, Member]) -> dict[str, str]:
    """Folders at the root that are links to others, as `lib` to `usr/lib`: the target by the name."""
    found = {}
    for name, member in members.items():
        if "/" not in name and member.kind == SYMLINK and member.target:
            target = posixpath.normpath(posixpath.join("/", member.target))[1:]
            if target and not target.startswith("/"):
                found[name] = target
    return found


def _canonical(path: str, links: Mapping[str, str]) -> str:
    first, slash, rest = path.partition("/")
    return f"{links[first]}/{rest}" if slash and first in links else path


def _spellings(path: str, links: Mapping[str, str]) -> list[str]:
    """`path`, which is canonical, and the names that it has by way of links."""
    by_links = [f"{name}{path[len(to) :]}" for name, to in links.items() if path.startswith(f"{to}/")]
    return [path, *by_links]


def _of_database(path: str) -> str | None:
    """The package whose own file in the database `path` is."""
    folder, _, name = path.rpartition("/")
    return _package(name) if folder == INFO else None


def _package(name: str) -> str | None:
    stem = name.rpartition(".")[0].partition(":")[0]
    return stem if _PACKAGE.fullmatch(stem) else None


def _lists(members: Mapping[str, Member], read: Read) -> Iterable[tuple[str, set[bytes]]]:
    """Each package with the lines of its list, which are absolute paths."""
    left = _ALL
    for name, member in members.items():
        if not name.startswith(f"{INFO}/") or not name.endswith(".list"):
            continue
        package = _of_database(name)
        if package and member.content and member.content.size <= left:
            left -= min(member.content.size, _LONGEST)
            yield package, set(_lines(member, read))


def _lines(member: Member | None, read: Read) -> list[bytes]:
    if member is None or member.kind != FILE or member.content is None or member.content.size > _LONGEST:
        return []
    return (read(member) or b"").split(b"\n")
