"""What every container format tells about itself: members, their bytes as they lie on disk, named structures.

A format is one module with a class that satisfies `Container`. It works on a memoryview of the container's raw
bytes, trusts nothing in them, allocates nothing because a header says so, and raises only `Malformed`.

Members, pieces and contents are named tuples rather than dataclasses: an image has them by the hundred thousand, and
a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from repro.model.errors import Inconclusive

FILE, DIRECTORY, SYMLINK = "file", "directory", "symlink"
CHARACTER, BLOCK, FIFO, SOCKET, UNKNOWN = "character device", "block device", "fifo", "socket", "unknown"
KINDS_BY_MODE = {
    0o100000: FILE,
    0o040000: DIRECTORY,
    0o120000: SYMLINK,
    0o020000: CHARACTER,
    0o060000: BLOCK,
    0o010000: FIFO,
    0o140000: SOCKET,
}

# What a structure is to the question "why do these bytes differ?"
IDENTITY = "identity"  # stands for itself: times of the container, serials, labels, options; reported where it differs
FACT = "fact"  # a member's metadata, decoded into a `Member`: reported with that member where it differs
DERIVED = "derived"  # follows from members or other structures: sizes, offsets, checksums, tables, padding

CHUNK = 1 << 20
MEMBERS = 1_000_000  # entries that one container may have
_SHOWN_LINKS = 32
PROBLEMS = 1000  # unreadable members before the whole container counts as broken


class Malformed(Inconclusive):
    """Bytes that do not read as the format that they announce, or that need more than a limit allows."""

    reason = "malformed"


class Piece(NamedTuple):
    """A run of `size` bytes of a content, as stored.

    Two pieces of equal `size` and `coding` whose `raw` bytes are equal hold equal bytes, without decoding them.
    `read` decodes, from any thread; it raises Malformed. `place` tells stored bytes apart that many contents of a
    container share. `parts` gives the same bytes as smaller pieces, for where the whole is not equal or is too much
    to be decoded at once.
    """

    size: int
    coding: Hashable
    raw: memoryview
    read: Callable[[], bytes | memoryview]
    place: Hashable = None
    parts: Callable[[], Iterator[Piece]] | None = None


class Content(Protocol):
    """The bytes of a member: `size` as announced, streamed as pieces, and where they lie in the container."""

    @property
    def size(self) -> int: ...

    def pieces(self) -> Iterator[Piece]:
        """The stored pieces in order. Raises Malformed, also midway."""
        ...

    def extents(self) -> Iterable[tuple[int, int]]:
        """The (start, end) byte ranges of the container that hold these bytes.

        Contents may share ranges; blocks that hold bits of many contents are not theirs but structures.
        """
        ...

    def view(self) -> memoryview | None:
        """All bytes without a copy, where they lie in one run as they are; else None."""
        ...


class Stored(NamedTuple):
    """Content that lies in the container as it is, in one run from `start` on."""

    bytes: memoryview
    start: int

    @property
    def size(self) -> int:
        return len(self.bytes)

    def pieces(self) -> Iterator[Piece]:
        for offset in range(0, len(self.bytes), CHUNK):
            yield stored_piece(self.bytes[offset : offset + CHUNK])

    def extents(self) -> Iterable[tuple[int, int]]:
        return ((self.start, self.start + len(self.bytes)),) if len(self.bytes) else ()

    def view(self) -> memoryview | None:
        return self.bytes


@dataclass(frozen=True)
class Scattered:
    """Content that lies in the container as it is, in several runs."""

    container: memoryview
    runs: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        return sum(end - start for start, end in self.runs)

    def pieces(self) -> Iterator[Piece]:
        for start, end in self.runs:
            yield from Stored(self.container[start:end], start).pieces()

    def extents(self) -> Iterable[tuple[int, int]]:
        return self.runs

    def view(self) -> memoryview | None:
        return None


def stored_piece(raw: memoryview) -> Piece:
    """A piece whose bytes are stored as they are."""
    return Piece(len(raw), "stored", raw, lambda: raw)


def content_of(container: memoryview, runs: Iterable[tuple[int, int]]) -> Stored | Scattered:
    """The content made of `runs` (start, end) of `container`, adjacent runs joined."""
    joined: list[tuple[int, int]] = []
    for start, end in runs:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        elif end > start:
            joined.append((start, end))
    if len(joined) > 1:
        return Scattered(container, tuple(joined))
    start, end = joined[0] if joined else (0, 0)
    return Stored(container[start:end], start)


def link_group(paths: Iterable[str]) -> tuple[str, ...]:
    """`paths` of one file as `Member.links`: sorted, empty for one path, a digest in place of very many."""
    group = sorted(set(paths))
    if len(group) <= _SHOWN_LINKS:
        return tuple(group) if len(group) > 1 else ()
    joined = hashlib.sha256("\0".join(group).encode("utf-8", "surrogateescape")).hexdigest()
    return (*group[:_SHOWN_LINKS], f"… {len(group)} in all, sha256 {joined}")


class Member(NamedTuple):
    """One entry of a container; None where the format does not know the property.

    `name`: path from the container's root without leading slash, an `os.fsdecode` string; the root is `.`.
    `mode`: permission bits with setuid, setgid and sticky. `mtime`: seconds since 1970 (text where finer).
    `links`: its hard-link group as `link_group` writes it, itself included; empty where it stands alone.
    `extra`: further facts as (aspect, fact name, value). `positions`: where it comes in each order that the
    container has, by the order's name. `content` is None for anything but a regular file with readable bytes;
    `problem` says why it could not be read.
    """

    name: str
    kind: str
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime: int | str | None = None
    target: str | None = None
    device: tuple[int, int] | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()
    links: tuple[str, ...] = ()
    extra: tuple[tuple[str, str, Any], ...] = ()
    positions: tuple[tuple[str, int], ...] = ()
    content: Content | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """Bytes `start` to `end` (exclusive) of the container that are not a member's content, by name.

    `name` is the kind of structure, of which one container may have thousands (`directory record extent location`);
    `of` says which one (a member's path, a number), empty where there is one alone. The two together match structures
    of two containers; bytes are summed by `name`. `role` is IDENTITY, FACT or DERIVED. `value` is the decoded field
    where that reads better than bytes. `holds`, for a DERIVED one, computes it anew and says whether it is right; it
    is called only where the structure differs, and without it, decoding it on the way to the members is the proof.
    Structures may overlap contents (which lose those bytes) and each other (the one that begins later wins).
    `parts`, for a region that is tedious to name field by field (a directory of an ISO), gives the finer structures
    in it; it is called only where the region differs, and what they leave uncovered stays with the region.
    """

    start: int
    end: int
    name: str
    role: str = DERIVED
    value: Any = None
    of: str = ""
    holds: Callable[[], bool] | None = None
    parts: Callable[[], Iterable[Structure]] | None = None

    @property
    def label(self) -> str:
        """Name and which one, for people."""
        return f"{self.name} of {self.of}" if self.of else self.name


@dataclass
class Problems:
    """What a container could not read of itself: (member name or empty, reason)."""

    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, reason: str) -> None:
        """Note that `name` could not be read. Raises Malformed where too much cannot."""
        if len(self.found) >= PROBLEMS:
            raise Malformed(f"more than {PROBLEMS} members cannot be read")
        self.found.append((name, reason))


class Container(Protocol):
    """A container on its raw bytes. Constructing one reads only its head, and raises Malformed."""

    format: ClassVar[str]
    problems: Problems

    def members(self) -> Iterator[Member]:
        """Every entry, the root's own first where it has one. Raises Malformed where reading cannot go on."""
        ...

    def structures(self) -> Iterator[Structure]:
        """Named byte ranges, member contents excluded; call after `members` was exhausted. Raises Malformed."""
        ...


def unpack(layout: str, view: memoryview, offset: int) -> tuple[Any, ...]:
    """`struct.unpack_from` that raises Malformed where the bytes do not suffice."""
    if offset < 0:
        raise Malformed(f"negative offset {offset}")
    try:
        return struct.unpack_from(layout, view, offset)
    except (struct.error, OverflowError) as error:
        raise Malformed(f"truncated at offset {offset}") from error


def cut(view: memoryview, start: int, size: int) -> memoryview:
    """`size` bytes from `start` on. Raises Malformed where they do not lie within `view`."""
    if start < 0 or size < 0 or start + size > len(view):
        raise Malformed(f"{size} bytes at offset {start} reach beyond the end ({len(view)} bytes)")
    return view[start : start + size]


def fields(base: int, layout: Iterable[tuple[str, int, str]], prefix: str = "") -> Iterator[Structure]:
    """Consecutive fields (name, size in bytes, role) from `base` on as structures; a nameless one is constant."""
    for name, size, role in layout:
        yield Structure(base, base + size, prefix + (name or "magic"), role or DERIVED)
        base += size
