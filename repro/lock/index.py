"""Packages indexes: finding the stanzas that a lock names, as the very bytes of the archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from debian.deb822 import Packages, Sources

from repro.model.errors import IntegrityFailure
from repro.model.lock import LockedPackage

_HASH = b"\nSHA256: "


def stanzas(index: bytes, hashes: Iterable[str]) -> dict[str, bytes]:
    """For each SHA-256 in `hashes` that `index` (an uncompressed Packages file) has: its stanza's bytes.

    Where one .deb is listed twice the first stanza counts, as it does for apt.
    """
    asked = set(hashes)
    found: dict[str, bytes] = {}
    for digest, stanza in every_stanza(index):
        if digest in asked:
            found.setdefault(digest, stanza)
    return found


def every_stanza(index: bytes) -> Iterator[tuple[str, bytes]]:
    """SHA-256 and bytes of each stanza of `index` (an uncompressed Packages file), in its order."""
    for stanza in index.split(b"\n\n"):
        at = stanza.find(_HASH) + len(_HASH)
        if at >= len(_HASH):
            yield stanza[at : at + 64].decode("ascii", "replace"), stanza.strip(b"\n")


def source_stanzas(index: bytes, names: Iterable[str]) -> Iterator[Sources]:
    """The stanzas of the source packages `names` in `index` (an uncompressed Sources file), in its order."""
    asked = {f"Package: {name}".encode() for name in names}
    for text in index.split(b"\n\n"):
        if text.strip(b"\n").partition(b"\n")[0] in asked:
            yield Sources(text)


def locked(stanza: bytes, pin: str) -> LockedPackage:
    """What the lock keeps of a Packages stanza (deb822) from the index of `pin`.

    Raises IntegrityFailure where a field that every archive has is missing.
    """
    fields = Packages(stanza)
    try:
        source, version = fields.get("Source", fields["Package"]), fields["Version"]
        if "(" in source:
            source, _, version = source.rstrip(")").partition(" (")
        return LockedPackage(
            name=fields["Package"],
            version=fields["Version"],
            arch=fields["Architecture"],
            source=f"{source} {version}",
            path=fields["Filename"].removeprefix("./"),
            size=int(fields["Size"]),
            sha256=fields["SHA256"],
            pin=pin,
        )
    except (KeyError, ValueError) as error:
        raise IntegrityFailure(f"Packages of {pin}: a stanza without a valid {error}") from error


def subset(index_of: dict[str, bytes], packages: Iterable[LockedPackage]) -> bytes:
    """A Packages file with exactly `packages`, in their order, from the whole indexes (`index_of`: by pin).

    Raises IntegrityFailure where an index does not have a package that the lock says is from there.
    """
    wanted = list(packages)
    found: dict[str, bytes] = {}
    for pin, index in index_of.items():
        found |= stanzas(index, (package.sha256 for package in wanted if package.pin == pin))
    if lost := [package.name for package in wanted if package.sha256 not in found]:
        raise IntegrityFailure(
            f"the pinned Packages does not have {', '.join(lost[:5])} as the lock names it",
            hint="write the lock again with `repro lock`",
        )
    return b"".join(found[package.sha256] + b"\n\n" for package in wanted)
