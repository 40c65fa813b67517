"""What the squashfs holds is what the tar holds: every member with its metadata, the root folder included."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repro import formats
from repro.formats.base import SYMLINK, Member
from repro.image import root, squash
from repro.model.lock import Lock
from repro.sandbox import toolchain
from repro.sandbox.backend import choose
from repro.sandbox.environment import Environment
from repro.sandbox.session import Session, open_session
from repro.store import Store
from repro.system.progress import Null
from tests.sandbox.fixtures import lock, store

__all__ = ["lock", "store"]

EPOCH = 1_700_000_000


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "", owner: tuple[int, int] = (0, 0)):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.size, info.linkname = kind, mode, EPOCH, len(data), link
            info.uid, info.gid = owner
            tar.addfile(info, io.BytesIO(data))

        add(".", tarfile.DIRTYPE, 0o755)
        add("./bin", tarfile.SYMTYPE, 0o777, link="usr/bin")
        add("./tmp", tarfile.DIRTYPE, 0o1777)
        add("./usr", tarfile.DIRTYPE, 0o755)
        add("./usr/big", tarfile.REGTYPE, 0o644, data=bytes(range(256)) * 2000)
        add("./usr/setuid", tarfile.REGTYPE, 0o4755, data=b"run me")
        add("./usr/secret", tarfile.REGTYPE, 0o640, data=b"hush", owner=(7, 42))
        add("./usr/same", tarfile.LNKTYPE, 0o644, link="./usr/big")
    return stream.getvalue()


@pytest.fixture(scope="module")
def session(lock: Lock, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    blobs = Store(store)
    preload = (toolchain.MODULE, toolchain.UNPACK)
    with (
        open(tmp_path_factory.mktemp("log") / "log", "wb") as log,
        open_session(Environment(EPOCH), choose("auto"), log=log, preload=preload) as session,
    ):
        toolchain.install(session, lock.toolchain, lambda p: blobs.open_verified(p.sha256, p.size), Null())
        yield session


@pytest.mark.parametrize("compression", ["zstd", "xz", "gzip"])
def test_squashfs_holds_what_the_tar_holds(session: Session, tmp_path: Path, compression: str) -> None:
    source = _tar()
    session.put_bytes(source, f"{root.OUTPUT}/root.tar")
    squash.make_squashfs(session, f"{root.OUTPUT}/root.tar", f"{root.OUTPUT}/made.squashfs", compression)
    with open(tmp_path / "image", "wb") as target:
        session.get(f"{root.OUTPUT}/made.squashfs", target)
    assert _members((tmp_path / "image").read_bytes()) == _members(source)


def _members(data: bytes) -> dict[str, tuple[Any, ...]]:
    container = formats.opened(memoryview(data))
    assert container is not None
    return {member.name: _facts(member) for member in container.members()}


def _facts(member: Member) -> tuple[Any, ...]:
    content = b"".join(bytes(piece.read()) for piece in member.content.pieces()) if member.content else b""
    mode = None if member.kind == SYMLINK else member.mode
    return member.kind, mode, member.uid, member.gid, member.mtime, member.target, content
