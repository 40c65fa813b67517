"""Blobs of OCI layouts are called by what they are to the image; a layout that lies is a tar like any other."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from repro import formats
from repro.formats.oci import Oci
from repro.formats.tar import Tar


def layout(manifest: Any, index: Any = None, more: dict[str, bytes] | None = None) -> bytes:
    blobs = {"config": b"{}", "layer": b"layer", "manifest": json.dumps(manifest).encode()}
    found = index if index is not None else {"manifests": [described(blobs["manifest"])]}
    files = {f"blobs/sha256/{hashlib.sha256(data).hexdigest()}": data for data in blobs.values()}
    files |= {"index.json": json.dumps(found).encode(), "oci-layout": b"{}", **(more or {})}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def described(data: bytes) -> dict[str, Any]:
    return {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}


def names(data: bytes) -> tuple[str, set[str]]:
    container = formats.opened(memoryview(data))
    assert container is not None
    found = {member.name for member in container.members()}
    assert not container.problems.found
    return container.format, found


GOOD = {"config": described(b"{}"), "layers": [described(b"layer")]}


def test_blobs_by_their_roles() -> None:
    kind, found = names(layout(GOOD))
    assert kind == Oci.format
    assert found == {"blobs/[config]", "blobs/[layer 1]", "blobs/[manifest]", "index.json", "oci-layout"}


def test_every_byte_has_a_name() -> None:
    view = memoryview(layout(GOOD))
    container = Oci(view)
    covered = sum(content.size for content in (member.content for member in container.members()) if content)
    covered += sum(part.end - part.start for part in container.structures())
    assert covered == len(view)


@pytest.mark.parametrize(
    "index",
    [[], {}, {"manifests": 5}, {"manifests": [5, {}, {"digest": 5}, {"digest": "sha256:" + "0" * 64}]}, "x" * 10],
)
def test_an_index_that_does_not_read_names_nothing(index: Any) -> None:
    found = names(layout(GOOD, index))[1]
    assert len([name for name in found if name.startswith("blobs/sha256/")]) == 3


@pytest.mark.parametrize(
    "manifest", [[], {"layers": [{"digest": "../../x"}], "config": []}, {"config": {"digest": None}}]
)
def test_a_manifest_that_does_not_read_names_itself_alone(manifest: Any) -> None:
    found = names(layout(manifest))[1]
    assert "blobs/[manifest]" in found and len([name for name in found if name.startswith("blobs/sha256/")]) == 2


def test_another_tar_is_one() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for number in range(20):
            tar.addfile(tarfile.TarInfo(f"a{number}"))
        tar.addfile(tarfile.TarInfo("index.json"))
    assert names(stream.getvalue())[0] == Tar.format
