"""What the bytes of two leaves show: compressed streams, zip, PNG, PE, .pyc, keys, texts, numbers that are times."""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from repro.diagnose import stamps, text_rules, words
from repro.diagnose.known import Known
from repro.diagnose.registry import RULES
from repro.diagnose.rule import sides
from repro.diagnose.words import Change
from repro.formats.base import Malformed
from repro.formats.codec import stream
from repro.formats.streams import compression
from repro.model.cause import HIGH, LOW, MEDIUM, UNKNOWN, Cause

LARGEST = 4 << 20  # bytes of a leaf that are looked at, also after decompressing
_DEPTH = 3  # compressed files in each other
_MEMBERS = 2000  # of a zip file
_RUNS = 64  # of differing bytes
_DIFFERING = 1 << 16  # bytes that differ, counted from the first one
_NEAR = 48  # bytes around one that are taken for its text
_PLAIN = frozenset(range(0x20, 0x7F)) | {9}
_STRINGS = re.compile(rb"[\x20-\x7e\t]{5,}")
_MANY = 20_000  # strings of a binary file
_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE)[A-Z ]*-----|^ssh-(?:rsa|ed25519|ecdsa) ", re.MULTILINE)
# OBJECT IDENTIFIER of RSA, elliptic curve, X25519 and Ed25519 keys (RFC 8017, 5480, 8410)
_KEY_OIDS = (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", b"\x2a\x86\x48\xce\x3d\x02\x01", b"\x2b\x65\x6e", b"\x2b\x65\x70")
_MACRO = re.compile(r"(?:[A-Z][a-z]{2} [ \d]\d \d{4}|\d\d:\d\d:\d\d)")  # C11 6.10.8.1
_CODE = (b"\x7fELF", b"!<arch>", b"MZ")

Views = tuple[bytes, bytes]
Telling = dict[str, list[tuple[str, str]]]  # by label: confidence and evidence


@dataclass(frozen=True)
class At:
    """How many files in each other led here, and the words that are known."""

    known: Known
    depth: int = 0

    def deeper(self) -> At:
        return At(self.known, self.depth + 1)


def content_causes(path: str, left: bytes, right: bytes, at: At | None = None) -> list[Cause]:
    """Why the contents of the file at `path`, which differ, do; empty where no rule knows. Never raises."""
    at = at or At(Known())
    if at.depth > _DEPTH or left == right:
        return []
    pair = left, right
    for rule in (_streams, _zip, _png, _headers, _symbols, _ogg, _keys):
        if found := list(rule(path, pair, at)):
            return found
    texts = _text(left), _text(right)
    if texts[0] is not None and texts[1] is not None:
        return list(_of_lines(path, texts[0].splitlines(), texts[1].splitlines(), at.known))
    return list(_binary(path, pair, at.known))


def _streams(path: str, pair: Views, at: At) -> Iterator[Cause]:
    inner = _inflated(pair[0]), _inflated(pair[1])
    if inner[0] is None or inner[1] is None:
        return
    if pair[0][:3] == pair[1][:3] == b"\x1f\x8b\x08" and pair[0][4:8] != pair[1][4:8]:
        times = [stamps.shown(int.from_bytes(side[4:8], "little")) for side in pair]
        yield RULES["timestamps_in_gzip_headers"].found(HIGH, f"MTIME: {sides(*times)}")
    if inner[0] != inner[1]:
        yield from content_causes(path.removesuffix(".gz"), inner[0], inner[1], at.deeper())
    elif _body(pair[0]) != _body(pair[1]):
        yield RULES["compressor"].found(HIGH, f"the same content, compressed to {sides(*map(len, pair))} bytes")


def _body(stream: bytes) -> bytes:
    """A gzip stream without MTIME; of others all."""
    return stream[:4] + stream[8:] if stream[:2] == b"\x1f\x8b" else stream


def _inflated(data: bytes) -> bytes | None:
    """What a compressed stream holds, None where `data` is none or holds too much."""
    kind = compression(memoryview(data))
    if kind is None:
        return None
    found = bytearray()
    try:
        for piece in stream(kind, memoryview(data)):
            found += piece
            if len(found) >= LARGEST:
                return None
    except Malformed:
        return None
    return bytes(found)


def _zip(path: str, pair: Views, at: At) -> Iterator[Cause]:
    if not pair[0].startswith(b"PK\x03\x04") or not pair[1].startswith(b"PK\x03\x04"):
        return
    try:
        opened = [zipfile.ZipFile(io.BytesIO(side)) for side in pair]
        lists = [archive.infolist()[:_MEMBERS] for archive in opened]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OSError):
        return
    names = [[info.filename for info in infos] for infos in lists]
    by_name = [{info.filename: info for info in infos} for infos in lists]
    shared = [name for name in by_name[0] if name in by_name[1]]
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        first = next(n for n, (a, b) in enumerate(zip(*names, strict=True)) if a != b)
        yield RULES["member_order"].found(HIGH, f"member {first + 1}: {sides(names[0][first], names[1][first])}")
    times = [(name, by_name[0][name].date_time, by_name[1][name].date_time) for name in shared]
    apart = [(name, a, b) for name, a, b in times if a != b]
    if apart:
        label, confidence = "timestamps_in_jar" if path.endswith((".jar", ".war")) else "timestamps_in_zip", HIGH
        if all(stamps.quarters_apart(_seconds(a), _seconds(b)) for _, a, b in apart):  # one by chance: 1 in 450
            label, confidence = "timezone", HIGH if len(apart) > 1 else MEDIUM
        yield RULES[label].found(confidence, *(f"{name}: {sides(_dos(a), _dos(b))}" for name, a, b in apart))
    for name in shared:
        if by_name[0][name].CRC != by_name[1][name].CRC:
            contents = [_member(archive, infos[name]) for archive, infos in zip(opened, by_name, strict=True)]
            if contents[0] is not None and contents[1] is not None:
                yield from content_causes(name, contents[0], contents[1], at.deeper())
                return


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | None:
    try:
        with archive.open(info) as stream:
            found = stream.read(LARGEST)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError, EOFError, OSError):
        return None
    return found if len(found) < LARGEST else None


def _seconds(time: tuple[int, ...]) -> float:
    """A DOS time in seconds, as if it were UTC; 0 for one that is none, such as month 0."""
    year, month, day, hour, minute, second = time
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _dos(time: tuple[int, ...]) -> str:
    return "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*time)


def _png(path: str, pair: Views, at: At) -> Iterator[Cause]:
    if not all(side.startswith(b"\x89PNG\r\n\x1a\n") for side in pair):
        return
    ours, theirs = (dict(_chunks(side)) for side in pair)
    apart = [kind for kind in ours if kind in theirs and ours[kind] != theirs[kind]]
    if b"tIME" in apart and all(len(each[b"tIME"]) == 7 for each in (ours, theirs)):
        times = [_dos(struct.unpack(">H5B", each[b"tIME"])) for each in (ours, theirs)]
        yield RULES["timestamps_in_png"].found(HIGH, f"tIME: {sides(*times)}")
    for kind in (b"tEXt", b"iTXt"):
        if kind in apart:
            texts = [each[kind].replace(b"\0", b" ").decode("latin-1") for each in (ours, theirs)]
            for cause in _of_lines(path, [texts[0]], [texts[1]], at.known):
                timed = cause.label == "timestamps_in_text"
                yield RULES["timestamps_in_png"].found(HIGH, *cause.evidence) if timed else cause
    if b"IDAT" in apart and _same_pixels(ours[b"IDAT"], theirs[b"IDAT"]):
        yield RULES["compressor"].found(HIGH, "IDAT: the same pixels, compressed otherwise")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and bytes of each chunk of a PNG (its specification, 5.3); chunks of one type are joined."""
    at, found = 8, defaultdict[bytes, bytes](bytes)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found[data[at + 4 : at + 8]] += data[at + 8 : at + 8 + size]
        at += 12 + size
    yield from found.items()


def _same_pixels(left: bytes, right: bytes) -> bool:
    try:
        inner = [zlib.decompressobj().decompress(side, LARGEST) for side in (left, right)]
    except zlib.error:
        return False
    return inner[0] == inner[1]


def _headers(path: str, pair: Views, at: At) -> Iterator[Cause]:
    """The time in the header of a .pyc (PEP 552), a PE file, a U-Boot image (its include/image.h)."""
    uboot = 8 if all(side.startswith(b"\x27\x05\x19\x56") for side in pair) else None
    for label, place, order in (
        ("timestamps_in_pyc", _pyc(pair), "little"),
        ("timestamps_in_pe_binaries", _pe(pair), "little"),
        ("timestamps_in_binary", uboot, "big"),
    ):
        if place is not None and pair[0][place : place + 4] != pair[1][place : place + 4]:
            times = [stamps.shown(int.from_bytes(side[place : place + 4], order)) for side in pair]  # type: ignore[arg-type]
            yield RULES[label].found(HIGH, f"bytes {place} to {place + 4}: {sides(*times)}")


def _pyc(pair: Views) -> int | None:
    alike = all(side[2:4] == b"\r\n" and side[4:8] == b"\0\0\0\0" and len(side) > 16 for side in pair)
    return 8 if alike and pair[0][:2] == pair[1][:2] else None


def _pe(pair: Views) -> int | None:
    if not all(side[:2] == b"MZ" and len(side) > 0x40 for side in pair) or pair[0][0x3C:0x40] != pair[1][0x3C:0x40]:
        return None
    at = int.from_bytes(pair[0][0x3C:0x40], "little")
    return at + 8 if all(side[at : at + 4] == b"PE\0\0" for side in pair) else None


def _symbols(path: str, pair: Views, at: At) -> Iterator[Cause]:
    """The symbol table of an ar archive (ar(5), member `/`), which follows the members."""
    if path != "/":
        return
    ours, theirs = (side[4 + 4 * int.from_bytes(side[:4], "big") :].split(b"\0") for side in pair)
    if ours != theirs and sorted(ours) == sorted(theirs):
        yield RULES["member_order"].found(HIGH, "the symbol table names the same symbols in another order")


def _ogg(path: str, pair: Views, at: At) -> Iterator[Cause]:
    """The serial number of an Ogg stream (RFC 3533, 6)."""
    if all(side.startswith(b"OggS") for side in pair) and pair[0][14:18] != pair[1][14:18]:
        said = sides(*(side[14:18].hex() for side in pair))
        yield RULES["random_identifier"].found(HIGH, f"serial number of the Ogg stream: {said}")


def _keys(path: str, pair: Views, at: At) -> Iterator[Cause]:
    oids = [next((oid for oid in _KEY_OIDS if oid in side[:48]), b"") for side in pair]
    if all(side.startswith(b"0") for side in pair) and oids[0] == oids[1] != b"":
        yield RULES["random_key"].found(HIGH, "both are keys in DER, with other bytes")
        return
    found = [_KEY.search(side[: 1 << 16]) for side in pair]
    if found[0] and found[1]:
        what = [each.group().decode("ascii").strip("- ") for each in found if each]
        yield RULES["random_key"].found(HIGH, f"both have {what[0]}, with other bytes")


def _text(data: bytes) -> str | None:
    """`data` as text; what is not UTF-8 is read byte by byte, where it has no control characters."""
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        few = sum(byte < 32 and byte not in (9, 10, 12, 13) for byte in data[: 1 << 16])
        return None if few else data.decode("latin-1")


def _of_lines(path: str, left: list[str], right: list[str], known: Known) -> Iterator[Cause]:
    """The causes of what differs between two texts: the one of most changes first; and what none explains."""
    if ordered := text_rules.accounts(left, right) or text_rules.order(left, right):
        label, confidence, said = ordered
        yield RULES[label].found(confidence, said)
        return
    told, unknown = defaultdict[str, list[tuple[str, str]]](list), list[str]()
    for change in words.changes(left, right):
        _tell(change, path, known, told, unknown)
    yield from _weighed(told, unknown)


def _tell(change: Change, path: str, known: Known, told: Telling, unknown: list[str]) -> None:
    """Put `change` to what is told, or to what is unknown."""
    found = known.told(change.left, change.right)
    if not found and (found := text_rules.told(change, path)) and found[1] == HIGH:
        known.learn(change.left, change.right, found[0])
    if found:
        told[found[0]].append(found[1:])
    else:
        known.unexplained(change.left, change.right)
        unknown.append(sides(change.left or "(nothing)", change.right or "(nothing)"))


def _weighed(told: Telling, unknown: list[str]) -> Iterator[Cause]:
    if "timezone" in told and "timestamps_in_text" in told:  # times that differ otherwise too: not the zone alone
        told["timestamps_in_text"] += told.pop("timezone")
    for label in sorted(told, key=lambda label: (-len(told[label]), label)):
        confidences = Counter(confidence for confidence, _ in told[label])
        surest = next(each for each in (HIGH, MEDIUM, LOW) if confidences[each])
        yield RULES[label].found(MEDIUM if unknown and surest == HIGH else surest, *(said for _, said in told[label]))
    if unknown and told:
        yield RULES[UNKNOWN].found(LOW, *unknown)


def _binary(path: str, pair: Views, known: Known) -> Iterator[Cause]:
    """Of two binary files: the texts around what differs, then numbers that are times, then padding."""
    left, right = pair
    told, unknown = defaultdict[str, list[tuple[str, str]]](list), list[str]()
    if len(left) != len(right):
        ours, theirs = (_strings(side) for side in pair)
        for cause in _of_lines(path, ours, theirs, known):
            yield _in_code(cause, pair)
        return
    for start, end in (piece for run in _runs(left, right) for piece in _pieces(pair, *run)):
        if b"GNU\0" in left[max(0, start - 24) : start] and left.startswith(b"\x7fELF"):
            continue  # the build-id (NT_GNU_BUILD_ID): it follows from the rest
        a, b = (_around(side, start, end) for side in pair)
        if a is not None and b is not None:
            for change in words.changes([a], [b]):
                _tell(change, path, known, told, unknown)
        elif found_times := next(stamps.numbers(left, right, start, end), None):
            *times, surely = found_times
            told["timestamps_in_binary"].append((surely, f"at {start}: {sides(*map(stamps.shown, times))}"))
        elif found_addresses := stamps.addresses(left, right, start, end):
            told["uninitialized_memory"].append((MEDIUM, f"at {start}: addresses {sides(*map(hex, found_addresses))}"))
        else:
            unknown.append(f"bytes {start} to {end}")
    for cause in _weighed(told, unknown):
        yield _in_code(cause, pair)


def _pieces(pair: Views, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A run of differing bytes, cut where both sides have the same zero: there a text or a number ends."""
    first: int | None = None
    for at in range(start, end):
        if pair[0][at] == pair[1][at] == 0:
            if first is not None:
                yield first, at
            first = None
        elif first is None and pair[0][at] != pair[1][at]:
            first = at
    if first is not None:
        yield first, end


def _in_code(cause: Cause, pair: Views) -> Cause:
    """A time in machine code, as the preprocessor writes it, is its own cause."""
    code = all(side.startswith(_CODE) for side in pair)
    if cause.label == "timestamps_in_text" and code and all(_MACRO.match(said) for said in cause.evidence):
        return RULES["timestamps_from_cpp_macros"].found(cause.confidence, *cause.evidence)
    return cause


def _runs(left: bytes, right: bytes) -> list[tuple[int, int]]:
    """Where the bytes differ, from and to; runs less than eight bytes apart are one; at most so many."""
    size, seen, found = 4096, 0, list[tuple[int, int]]()
    for base in range(0, len(left), size):
        if left[base : base + size] == right[base : base + size]:
            continue
        if seen > _DIFFERING:
            break
        for at in range(base, min(base + size, len(left))):
            if left[at] != right[at]:
                seen += 1
                if found and at - found[-1][1] < 8:
                    found[-1] = found[-1][0], at + 1
                elif len(found) == _RUNS:
                    return found
                else:
                    found.append((at, at + 1))
    return found


def _around(data: bytes, start: int, end: int) -> str | None:
    """The text in which `start` to `end` lies, None where that is no text."""
    if not all(byte in _PLAIN for byte in data[start:end]):
        return None
    first, last = start, end
    while first > max(0, start - _NEAR) and data[first - 1] in _PLAIN:
        first -= 1
    while last < min(len(data), end + _NEAR) and data[last] in _PLAIN:
        last += 1
    return data[first:last].decode("ascii") if last - first >= 5 else None


def _strings(data: bytes) -> list[str]:
    return [found.group().decode("ascii") for _, found in zip(range(_MANY), _STRINGS.finditer(data), strict=False)]
