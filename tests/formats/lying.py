"""Containers of `crafted` with fields chosen at random from those that readers trip over."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.formats import crafted as c

_NAMES = (b"a", b"a", b"b", b"dir/x", b"..", b".", b"/", b"../x", b"", b"\xff", b"\x1b[2J", b"n" * 300, b"TRAILER!!!")


def number(rng: random.Random, usual: int) -> int:
    """Mostly `usual`, now and then a value at some edge."""
    if rng.random() < 0.6:
        return usual
    edge = rng.choice((0, 1, 2, 3, 96, 512, 2048, 8192, 1 << 15, 1 << 16, 1 << 20, 1 << 31, 1 << 32, 1 << 63, 1 << 64))
    return rng.choice((usual + 1, usual - 1, edge, edge - 1, -edge, rng.randrange(5000)))


def _content(rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        return MAKERS[rng.choice(("ar", "cpio", "tar"))](rng) if rng.random() < 0.3 else b""
    if kind == 1:
        return c.packed(bytes(rng.randrange(100_000)))
    return rng.randbytes(rng.randrange(60)) * rng.choice((1, 1, 100))


def cpio(rng: random.Random) -> bytes:
    made = []
    for _ in range(rng.randrange(1, 8)):
        name, data = rng.choice(_NAMES), _content(rng)
        lies = {"size": number(rng, len(data)), "namesize": number(rng, len(name) + 1), "mtime": number(rng, 1)}
        mode = rng.choice((0o100644, 0o040755, 0o120777, 0o020600, 0, 0o177777))
        made.append(c.cpio_entry(name, data, mode=mode, links=number(rng, 1), inode=rng.randrange(3), **lies))
    return c.cpio(made)


def tar(rng: random.Random) -> bytes:
    made = []
    for _ in range(rng.randrange(1, 8)):
        data = _content(rng)
        size = number(rng, len(data))
        wide = b"\x80" + (size % (1 << 88)).to_bytes(11, "big")
        field = rng.choice((None, None, b"%011o\0" % abs(size), wide, b"\xff" * 12, b"-1", b"9" * 12))
        if rng.random() < 0.3:
            data = b"%d %s=%d\n" % (
                rng.randrange(40),
                rng.choice((b"size", b"path", b"GNU.sparse.map", b"mtime")),
                size,
            )
            field = None
        kind = rng.choice((b"0", b"0", b"1", b"2", b"5", b"L", b"K", b"x", b"g", b"S", b"\0", b"\xff"))
        made.append(c.tar_entry(rng.choice(_NAMES), data, kind=kind, target=rng.choice(_NAMES), size=field))
    return c.tar(made)


def ar(rng: random.Random) -> bytes:
    made = []
    for _ in range(rng.randrange(1, 8)):
        data = _content(rng)
        name = rng.choice(
            (b"a/", b"//", b"/", b"/0", b"/%d" % number(rng, 3), b"#1/%d" % number(rng, 3), b"debian-binary")
        )
        made.append(c.ar_entry(name, data, rng.choice((None, None, b"%d" % number(rng, len(data)), b"x"))))
    return c.ar(made)


def iso(rng: random.Random) -> bytes:
    folders = []
    for _ in range(rng.randrange(1, 5)):
        rows = []
        for _ in range(rng.randrange(9)):
            name = rng.choice((b"\0", b"\1", b"A.;1", b"B", b"", b"\x1b", b"N" * 60))
            uses = (
                b"",
                c.susp(b"SP", b"\xbe\xef\0"),
                c.susp(b"NM", bytes((rng.randrange(8),)) + rng.choice(_NAMES)[:100]),
                c.susp(b"CE", b"".join((number(rng, v) % 2**32).to_bytes(4, "little") * 2 for v in (20, 0, 60))),
                c.susp(b"SL", rng.randbytes(rng.randrange(12))),
                c.susp(b"PX", rng.randbytes(40)),
                c.susp(b"CL", (number(rng, 20) % 2**32).to_bytes(4, "little") * 2),
                rng.randbytes(rng.randrange(30)),
            )
            use = b"".join(rng.choice(uses) for _ in range(rng.randrange(3)))
            length = number(rng, 40) if rng.random() < 0.1 else None
            at, size, flags = number(rng, 20 + rng.randrange(5)), number(rng, 2048), rng.choice((0, 2, 2, 0x80, 0xFF))
            rows.append(c.iso_record(name, at, size, flags=flags, use=use[:180], length=length))
        folders.append(b"".join(rows))
    return c.iso(folders, root=number(rng, 20), root_size=number(rng, 2048), tail=bytes(rng.randrange(9000)))


def fat(rng: random.Random) -> bytes:
    def entries() -> bytes:
        names = (b"A       TXT", b"B          ", b".          ", b"..         ", b"\xe5GONE", b"\0", b"\x1b[2J", b"/")
        return b"".join(
            c.fat_entry(
                rng.choice(names), number(rng, rng.randrange(2, 9)), number(rng, 900), rng.choice((0x20, 0x10, 8, 0x0F))
            )
            for _ in range(rng.randrange(12))
        )

    usual = {"sector": 512, "cluster": 2, "reserved": 1, "tables": 1, "root": 112, "table": 3}
    lies = {name: number(rng, value) for name, value in usual.items() if rng.random() < 0.3}
    chain = [rng.choice((0xFFF, 0xFF7, 0, 1, *range(2, 9))) for _ in range(9)]
    image = bytearray(c.fat(entries(), chain=chain, sectors=number(rng, 1440), **lies))
    inside = entries()
    image[7680 : 7680 + len(inside)] = inside
    return bytes(image[: rng.choice((len(image), len(image), 9000))])


def mbr(rng: random.Random) -> bytes:
    kinds = (0x83, 0xEF, 0x05, 0x0F, 0xEE, 0)
    return c.mbr([(rng.choice(kinds), number(rng, n * 63), number(rng, 100)) for n in range(4)], 65536)


def gpt(rng: random.Random) -> bytes:
    usual = {"mine": 1, "other": 127, "first": 34, "last": 94, "table": 2, "count": 128, "entry": 128}
    lies = {name: number(rng, value) for name, value in usual.items() if rng.random() < 0.4}
    return c.gpt([(number(rng, 40), number(rng, 60)) for _ in range(rng.randrange(6))], 65536, **lies)


def squashfs(rng: random.Random) -> bytes:
    inodes = b"".join(
        c.squashfs_file(
            n,
            number(rng, 300),
            [number(rng, 1 << 24 | 40) for _ in range(rng.randrange(3))],
            fragment=number(rng, -1),
            offset=number(rng, 0),
        )
        if rng.random() < 0.6
        else c.squashfs_inode(rng.randrange(16), n, rng.randbytes(rng.randrange(60)))
        for n in range(rng.randrange(1, 6))
    )
    rows = [
        (rng.choice(_NAMES)[:200] or b"e", number(rng, 36 * n), rng.randrange(16), number(rng, n)) for n in range(5)
    ]
    lies = {
        name: number(rng, value) for name, value in (("count", 4), ("start", 0), ("inode", 2)) if rng.random() < 0.2
    }
    listing = c.squashfs_directory(rows, **lies)
    folder = c.squashfs_folder(9, size=number(rng, len(listing) + 3), offset=number(rng, 0), block=number(rng, 0))
    usual = {
        **{"count": 6, "block": 131072, "log": 17, "compressor": 1, "flags": 0x0B, "id_count": 1, "fragment_count": 0},
        **{"used": 700, "ids": 500, "inodes": 96, "directories": 300, "fragments": -1, "exports": -1, "xattrs": -1},
    }
    chosen = {name: number(rng, value) for name, value in usual.items() if rng.random() < 0.12}
    fragments = b"".join(
        (number(rng, 96) % 2**64).to_bytes(8, "little") + (number(rng, 40) % 2**32).to_bytes(8, "little")
        for _ in range(rng.randrange(3))
    )
    root = len(inodes) if rng.random() < 0.9 else number(rng, len(inodes))
    return c.squashfs(inodes + folder, listing, rows=fragments, data=rng.randbytes(64), root=root, **chosen)


MAKERS: dict[str, Callable[[random.Random], bytes]] = {
    **{"lying-ar": ar, "lying-cpio": cpio, "lying-fat": fat, "lying-gpt": gpt, "lying-iso": iso},
    **{"lying-mbr": mbr, "lying-squashfs": squashfs, "lying-tar": tar, "ar": ar, "cpio": cpio, "tar": tar},
}
