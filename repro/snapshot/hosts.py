"""Where archives may be had: the host's own apt sources, what the user configures, the snapshot archive.

No mirror's host name is written anywhere in this program. Formats: sources.list(5), deb822 and one-line form.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from debian.deb822 import Deb822

from repro.model.errors import InvalidInput

ARCHIVES = ("debian", "debian-security")
SNAPSHOT = "https://snapshot.debian.org"
_VARIABLE = "REPRO_MIRROR_"
Mirrors = Mapping[str, tuple[str, ...]]


def mirrors(
    environment: Mapping[str, str] = os.environ,
    apt: Path = Path("/etc/apt"),
    configured: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Mirrors:
    """Base addresses (no slash at the end) by archive, in the order in which they are to be asked.

    First those of the host's apt sources, then REPRO_MIRROR_DEBIAN, REPRO_MIRROR_DEBIAN_SECURITY and the like for any
    archive (several split by spaces; a leading `-` drops what the host names), then those `configured`.
    Raises InvalidInput where a variable is not valid.
    """
    variables = sorted(key.removeprefix(_VARIABLE) for key in environment if key.startswith(_VARIABLE))
    found: dict[str, list[str]] = {archive: [] for archive in (*ARCHIVES, *configured)}
    known = {_variable(archive) for archive in found}
    found |= {name.lower().replace("_", "-"): [] for name in variables if name and _VARIABLE + name not in known}
    for uri in apt_uris(apt):
        if (archive := _archive_of(uri)) in found:
            found[archive].append(uri)
    for archive in found:
        variable = _variable(archive)
        given = environment.get(variable, "").split()
        if given[:1] == ["-"]:
            found[archive], given = [], given[1:]
        found[archive] += [*(base_address(uri, variable) for uri in given), *configured.get(archive, ())]
    return {archive: tuple(dict.fromkeys(uri.rstrip("/") for uri in uris)) for archive, uris in found.items()}


def _variable(archive: str) -> str:
    return _VARIABLE + archive.upper().replace("-", "_")


def snapshot_url(archive: str, timestamp: str, path: str, base: str = SNAPSHOT) -> str:
    """Where the snapshot archive at `base` serves `path` of `archive` as of `timestamp`. Raises as `quoted` does."""
    return f"{base}/archive/{archive}/{timestamp}/{quoted(path)}"


def quoted(path: str) -> str:
    """`path` below an archive's root as it stands in an address. Raises InvalidInput where it leaves the archive."""
    if ".." in path.split("/"):
        raise InvalidInput(f"{path!r} leaves the archive")
    return quote(path, safe="/")


def apt_uris(apt: Path) -> list[str]:
    """Every enabled http or https address in the apt sources below `apt`; what cannot be read is passed over,
    because those files are the host's business and a mirror less is no error."""
    uris: list[str] = []
    lists = [apt / "sources.list", *_listing(apt / "sources.list.d", "*.list")]
    for path in lists:
        uris += _one_line(_text(path).splitlines())
    for path in _listing(apt / "sources.list.d", "*.sources"):
        uris += _deb822(_text(path))
    return [uri for uri in uris if re.match(r"https?://[^/\s@]+/", uri)]


def _archive_of(uri: str) -> str:
    """The archive that a base address serves by its last path component, the custom of all Debian mirrors."""
    return urlsplit(uri).path.rstrip("/").rsplit("/", 1)[-1]


def _one_line(lines: Iterable[str]) -> list[str]:
    uris = []
    for line in lines:
        match = re.match(r"\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)\s+\S+", line)
        if match:
            uris.append(match[1])
    return uris


def _deb822(text: str) -> list[str]:
    uris: list[str] = []
    try:
        for stanza in Deb822.iter_paragraphs(text.splitlines(), use_apt_pkg=False):
            if stanza.get("Enabled", "yes").strip().lower() not in ("no", "false", "0", "without", "off", "disable"):
                uris += stanza.get("URIs", "").split()
    except ValueError:
        pass
    return uris


def _listing(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def base_address(uri: object, where: str) -> str:
    """`uri` where it can be the base of an archive. Raises InvalidInput, naming `where` it stands."""
    if not isinstance(uri, str) or not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", uri):
        raise InvalidInput(
            f"{where}: {uri!r} is not a http or https base address", hint="such as https://mirror.example.org/debian"
        )
    return uri
