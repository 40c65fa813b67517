"""Laying out .debs: what is no package fails, and no name of a member leaves the folder."""

from __future__ import annotations

import io
import lzma
import tarfile
import tempfile
from collections.abc import Iterator

import pytest

from repro.model.errors import BuildFailed
from repro.sandbox.session import Session

INSIDE = "tests.image.inside"


def ar(members: dict[str, bytes]) -> bytes:
    """An ar archive as dpkg-deb writes it."""
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def tar(*members: tuple[str, str, str | bytes]) -> bytes:
    """A tar of members: name, kind (file, dir, link, hard, device), content or target."""
    kinds = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, what in members:
            member = tarfile.TarInfo(name)
            member.type = kinds.get(kind, tarfile.CHRTYPE)
            member.devmajor, member.devminor = (1, 3) if kind == "device" else (0, 0)
            member.mtime, member.mode = 1600000000, 0o755 if kind == "dir" else 0o4750
            if isinstance(what, bytes):
                member.size = len(what)
            else:
                member.linkname = what
            archive.addfile(member, io.BytesIO(what) if isinstance(what, bytes) else None)
    return buffer.getvalue()


def deb(data: bytes, name: str = "data.tar") -> bytes:
    return ar({"debian-binary": b"2.0\n", "control.tar": tar(), name: data})


GOOD = tar(
    ("./", "dir", ""), ("./usr/", "dir", ""), ("./usr/file", "file", b"content" * 5000), ("./usr/link", "link", "file")
)


def unpack(session: Session, package: bytes) -> int:
    with tempfile.TemporaryFile() as stream:
        stream.write(package)
        stream.seek(0)
        return session.unpack(stream, "/work/target")


@pytest.fixture
def target(bare: Session) -> Iterator[Session]:
    bare.call(INSIDE, "plant", tree="/work", entries=[["target", "dir", "", ""], ["outside", "file", "safe", ""]])
    yield bare


def below(session: Session) -> dict[str, list[object]]:
    found: dict[str, list[object]] = session.call(INSIDE, "facts", tree="/work")
    return found


@pytest.mark.parametrize("form", ["plain", "xz"])
def test_a_package(target: Session, form: str) -> None:
    package = deb(GOOD) if form == "plain" else deb(lzma.compress(GOOD), "data.tar.xz")
    assert unpack(target, package) == 4
    found = below(target)
    assert set(found) == {"target", "outside", "target/usr", "target/usr/file", "target/usr/link"}
    assert found["target/usr/file"][:2] == ["0o104750", [0, 0]]
    assert found["target/usr/link"][2] == "file"


@pytest.mark.parametrize(
    "package",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"garbage " * 1000, id="garbage"),
        pytest.param(b"!<arch>\n", id="an empty archive"),
        pytest.param(GOOD, id="a tar"),
        pytest.param(ar({"debian-binary": b"2.0\n", "control.tar": tar()}), id="no data"),
        pytest.param(deb(b"garbage " * 1000), id="data that is garbage"),
        pytest.param(deb(lzma.compress(GOOD)[:-200], "data.tar.xz"), id="data that ends early"),
        pytest.param(deb(b"\xfd7zXY" + lzma.compress(GOOD)[5:], "data.tar.xz"), id="data of no known kind"),
        *(pytest.param(deb(GOOD)[:size], id=f"cut at {size}") for size in (4, 50, 100, 10400, 11000, 20000, 40000)),
    ],
)
def test_what_is_no_package(target: Session, package: bytes) -> None:
    with pytest.raises(BuildFailed, match="in the sandbox"):
        unpack(target, package)
    assert set(below(target)) - {"target/usr", "target/usr/file", "target/usr/link"} == {"target", "outside"}
    assert unpack(target, deb(GOOD)) == 4  # and the sandbox works on


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", "file", b"evil")],
        [("./a/../../evil", "file", b"evil")],
        [("../outside", "file", b"evil")],
        [("/work/evil", "file", b"evil")],
        [("/work/outside", "file", b"evil")],
        [("../evil", "dir", "")],
        [("../evil", "link", "target")],
        [("../evil", "hard", "./x")],
    ],
    ids=lambda members: f"{members[0][1]} {members[0][0]}",
)
def test_names_that_lead_out(target: Session, members: list[tuple[str, str, str | bytes]]) -> None:
    before = below(target)
    with pytest.raises(BuildFailed, match="in the sandbox"):
        unpack(target, deb(tar(("./x", "file", b"x"), *members)))
    after = below(target)
    assert {path for path in after if not path.startswith("target/")} == set(before)
    assert after["outside"] == before["outside"]


def test_a_device_cannot_be_made(target: Session) -> None:
    with pytest.raises(BuildFailed):
        unpack(target, deb(tar(("./null", "device", ""))))
    assert set(below(target)) == {"target", "outside"}
