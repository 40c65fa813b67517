"""What a file that normalizers write anew should be: bytes in, bytes out, and a second time changes nothing.

What is not of the form that its writer gives it stays as it is. Standard library only: it runs inside the sandbox.
"""

from __future__ import annotations

import hashlib
import re
import struct
import time

_JKS = b"\xfe\xed\xfe\xed\0\0\0\2"  # magic and version of a Java key store (sun.security.provider.JavaKeyStore)
_PASSWORD = "changeit"  # of everybody's store of certificates
_TRUSTED = 2  # an entry that is a certificate and no secret


def empty(data: bytes, epoch: int) -> bytes:
    """Nothing."""
    return b""


def stale_bytecode(data: bytes, epoch: int) -> bytes | None:
    """A .pyc checked by source time (PEP 552: flags word 0) carries that time, and goes; one checked by hash stays."""
    return None if len(data) >= 16 and data[4:8] == bytes(4) else data


def shadow_days(data: bytes, epoch: int) -> bytes:
    """The day of the last password change (shadow(5), third field) becomes that of `epoch`."""
    days = str(epoch // 86400).encode()
    return re.sub(rb"(?m)^([^:\n]*:[^:\n]*:)\d+(?=:)", rb"\g<1>" + days, data)


def adjtime(data: bytes, epoch: int) -> bytes:
    """No drift of the hardware clock, never adjusted; whether it runs in UTC stays (adjtime_config(5))."""
    match = re.fullmatch(rb"[-0-9.]+ \d+ [-0-9.]+\n\d+\n(UTC|LOCAL)\n?", data)
    return b"0.0 0 0.0\n0\n" + match[1] + b"\n" if match else data


def mdadm_date(data: bytes, epoch: int) -> bytes:
    """The line in which mkconf says when it ran says `epoch`, as date -R has it."""
    when = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(epoch)).encode()
    return re.sub(rb"(?m)^(# This \S+ was auto-generated on ).*( by mkconf)", rb"\g<1>" + when + rb"\g<2>", data)


def java_keystore(data: bytes, epoch: int) -> bytes:
    """Certificates sorted by alias, each as of `epoch`, and the digest over them; a store with secrets, or with another
    password than everybody's, stays."""
    key = _PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite"
    body, digest = data[:-20], data[-20:]
    if not data.startswith(_JKS) or hashlib.sha1(key + body, usedforsecurity=False).digest() != digest:
        return data
    try:
        entries = sorted(_trusted(body[12:], struct.unpack_from(">I", body, 8)[0]), key=lambda entry: entry[0][2:])
    except (struct.error, ValueError):
        return data
    times = struct.pack(">Q", epoch * 1000)
    body = body[:12] + b"".join(struct.pack(">I", _TRUSTED) + alias + times + rest for alias, rest in entries)
    return body + hashlib.sha1(key + body, usedforsecurity=False).digest()


def _trusted(data: bytes, count: int) -> list[tuple[bytes, bytes]]:
    """Alias and certificate of each of `count` entries. Raises ValueError where one is anything else."""
    found, at = [], 0
    for _ in range(count):
        if struct.unpack_from(">I", data, at)[0] != _TRUSTED:
            raise ValueError("a key")
        named = at + 6 + struct.unpack_from(">H", data, at + 4)[0]
        kind = named + 10 + struct.unpack_from(">H", data, named + 8)[0]
        end = kind + 4 + struct.unpack_from(">I", data, kind)[0]
        found.append((data[at + 4 : named], data[named + 8 : end]))
        at = end
    if at != len(data):
        raise ValueError("more than the entries")
    return found


def gtk2_modules(data: bytes, epoch: int) -> bytes:
    """The comment that says where modules were looked for names root's home (gtk+2.0's queryimmodules.c)."""

    def at_root(match: re.Match[bytes]) -> bytes:
        return match[1] + re.sub(rb"[^:]*(/\.gtk-2\.0/)", rb"/root\1", match[2])

    return re.sub(rb"(?m)^(# ModulesPath = )(.*)$", at_root, data)


def info_directory(data: bytes, epoch: int) -> bytes:
    """The menu of Info's top: sections by title, and the entries of a section, sorted (Texinfo, "Dir Format")."""
    head, menu, rest = data.partition(b"\n* Menu:\n")
    sections = [section for section in re.split(rb"\n\s*\n", rest.strip(b"\n")) if section.strip()]
    if not menu or any(section.startswith(b"*") for section in sections):
        return data
    return head + menu + b"\n" + b"\n\n".join(sorted(map(_section, sections))) + b"\n"


def _section(section: bytes) -> bytes:
    title, *entries = re.split(rb"\n(?=\* )", section.strip(b"\n"))
    return b"\n".join((title, *sorted(entries)))


def sax_parsers(data: bytes, epoch: int) -> bytes:
    """The features of each parser sorted; the order of parsers says which one is used, and stays (XML::SAX)."""
    return b"".join(_features(section) for section in re.split(rb"(?m)^(?=\[)", data))


def _features(section: bytes) -> bytes:
    head, *lines = section.splitlines(keepends=True) or [b""]
    features = sorted(line for line in lines if b"=" in line)
    if not head.startswith(b"[") or any(line.strip() and b"=" not in line for line in lines):
        return section
    return head + b"".join(features) + b"".join(line for line in lines if not line.strip())


def dictionaries(data: bytes, epoch: int) -> bytes:
    """The locales of a dictionary sorted; everything else has an order already (dictionaries-common)."""

    def ordered(match: re.Match[bytes]) -> bytes:
        return match[1] + b",".join(sorted(match[2].split(b","))) + match[3]

    return re.sub(rb"('hunspell-locales' => ')([^'\\]*)(')", ordered, data)
