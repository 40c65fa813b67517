"""Names from archives as a person may safely see them, and canonical JSON as machines sign it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}


def printable(name: str) -> str:
    """`name` (an `os.fsdecode` string) with control, format and undecodable characters escaped."""
    if name.isprintable() and "\\" not in name:  # as most are
        return name
    return "".join(_escape(c) if _unsafe(c) else c for c in name)


def still_printable(text: str) -> str:
    """`text`, which somebody else says is escaped already: what he left unescaped is, and nothing is escaped twice."""
    return "\\".join(map(printable, text.split("\\")))


def _unsafe(char: str) -> bool:
    return char == "\\" or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, carried by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # never \\x: from 80 on that is a byte


def canonical_json(value: Any) -> bytes:
    """`value` as JSON with sorted keys, no white space, ASCII only: the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def readable_json(value: Any) -> bytes:
    """`value` as indented JSON with sorted keys, deterministic, for files that people read too."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def listed_json(value: Mapping[str, Any]) -> bytes:
    """As `readable_json`, with a line for each item of a list at the top: short and quick where there are thousands."""
    parts = (f'"{key}": {_lines(value[key])}' for key in sorted(value))
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _lines(value: Any) -> str:
    if not isinstance(value, (list, tuple)) or not value:
        return _compact(value)
    return "[\n" + ",\n".join(map(_compact, value)) + "\n]"


_compact = json.JSONEncoder(sort_keys=True, ensure_ascii=True, allow_nan=False).encode


def human_size(size: float) -> str:
    """`size` in bytes as `999 B`, `1.5 kB`, `163.0 MB`, `1.2 GB`, … `1.0 EB` (powers of 1000)."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        size /= 1000
        if round(size, 1) < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} EB"
