"""Names from archives as a person may safely see them, and canonical JSON as machines sign it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}
_ESCAPED = {shown: char for char, shown in _ESCAPES.items()}
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.?)", re.DOTALL)


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


def unescaped(shown: str) -> str:
    """The name that `printable` shows as `shown`. Raises ValueError where there is no such name."""
    name = _ESCAPE.sub(_char, shown)
    if printable(name) != shown:
        raise ValueError(f"no name is shown as {shown!r}")
    return name


def _char(escape: re.Match[str]) -> str:
    found = escape[0]
    if found in _ESCAPED:
        return _ESCAPED[found]
    if found[1:2] not in ("x", "u", "U") or len(found) < 4:
        return ""  # none of ours, so that it is not shown again as it was
    code = int(found[2:], 16)
    if code > 0x10FFFF:
        return ""
    return chr(code + 0xDC00 if found[1] == "x" and code >= 0x80 else code)


def is_utf8(text: str) -> bool:
    """Whether `text` can be written as UTF-8: no half of a surrogate pair, and no byte that was not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
