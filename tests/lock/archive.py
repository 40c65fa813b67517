"""A small archive, as Packages indexes, and what of it apt chooses."""

from __future__ import annotations

import hashlib


def stanza(name: str, version: str = "1", **fields: str) -> str:
    """A stanza of Packages; `Pre_Depends` and the like with an underscore."""
    given = {key.replace("_", "-"): value for key, value in fields.items()}
    architecture = given.get("Architecture", "amd64")
    digest = hashlib.sha256(f"{name} {version} {architecture}".encode()).hexdigest()
    rows = {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "Maintainer": "Nobody <nobody@example.org>",
        **given,
        "Filename": f"pool/{name}_{version}_{architecture}.deb",
        "Size": str(1000 + len(name)),
        "SHA256": digest,
        "Description": f"the package {name}\n SHA256: not a field of its own\n .\n more",
    }
    return "".join(f"{key}: {value}\n" for key, value in rows.items())


def index(*stanzas: str) -> bytes:
    return "\n".join(stanzas).encode()


def names(hashes: list[str], *indexes: bytes) -> list[str]:
    """`name version` of each hash, sorted."""
    known = {}
    for text in indexes:
        for part in text.decode().split("\n\n"):
            rows = dict(line.split(": ", 1) for line in part.splitlines() if not line.startswith(" ") and ": " in line)
            known[rows["SHA256"]] = f"{rows['Package']} {rows['Version']}"
    return sorted(known[digest] for digest in hashes)


BASE = stanza("base", Essential="yes", Pre_Depends="libc (>= 1)")
LIBC = stanza("libc", "2")
SMALL = index(
    BASE,
    LIBC,
    stanza("app", Depends="lib (>= 2), tool | other-tool", Recommends="nice", Suggests="extra"),
    stanza("lib", "1"),
    stanza("lib", "2", Depends="libc"),
    stanza("tool", Depends="virtual"),
    stanza("other-tool"),
    stanza("provider", Provides="virtual"),
    stanza("nice"),
    stanza("extra"),
    stanza("unrelated"),
    stanza("broken", Depends="nowhere"),
    stanza("fighter", Conflicts="app"),
    stanza("foreign", Architecture="arm64"),
)
