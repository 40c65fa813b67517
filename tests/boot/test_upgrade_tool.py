"""The program of the amnesic system that takes upgrade kits, on a folder in the place of a stick: what it refuses."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.users import ROOT

TOOL = ROOT / "recipes/amnesic/overlay/usr/local/sbin/amnesic-upgrade"
OLD, NEW = "a" * 64, "b" * 64
LAYER = f"live/{NEW[:16]}.squashfs"
FILES = {LAYER: b"layer", "live/vmlinuz": b"new kernel", ".disk/info": f"amnesic 2 {NEW}\n".encode()}


@dataclass
class Place:
    """A medium, the keys that are trusted, and a kit beside them."""

    tool: ModuleType
    medium: Path
    kit: Path
    key: Ed25519PrivateKey

    def write(self, held: dict[str, bytes] = FILES, **changes: Any) -> None:
        """The kit, signed; `changes` are other values of its control file."""
        rows = [{"path": p, "size": len(d), "sha256": hashlib.sha256(d).hexdigest()} for p, d in FILES.items()]
        fields = {"schema": "repro/kit/v1", "name": "amnesic", "layer": LAYER, "files": rows}
        fields |= {"old": {"build": OLD}, "new": {"build": NEW}} | changes
        control = json.dumps(fields).encode()
        with tarfile.open(self.kit, "w") as tar:
            for path, data in {"control.json": control, **{f"files/{p}": d for p, d in held.items()}}.items():
                member = tarfile.TarInfo(f"./{path}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        Path(f"{self.kit}.sig").write_bytes(self.key.sign(control))

    def run(self, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
        monkeypatch.setattr("sys.argv", ["amnesic-upgrade", str(self.kit), *more])
        code = self.tool.main()
        assert isinstance(code, int)
        return code

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.medium)): p.read_bytes() for p in self.medium.rglob("*") if p.is_file()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    loader = importlib.machinery.SourceFileLoader("amnesic_upgrade", str(TOOL))
    spec = importlib.util.spec_from_loader("amnesic_upgrade", loader)
    assert spec
    tool = importlib.util.module_from_spec(spec)
    loader.exec_module(tool)
    medium, keys = tmp_path / "medium", tmp_path / "keys"
    for path, text in ((".disk/info", f"amnesic 1 {OLD}\n"), ("live/vmlinuz", "old"), ("live/filesystem.squashfs", "")):
        (medium / path).parent.mkdir(parents=True, exist_ok=True)
        (medium / path).write_text(text)
    keys.mkdir()
    key = Ed25519PrivateKey.generate()
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (keys / "release.pub").write_bytes(b"# the release key\n" + pem)
    monkeypatch.setattr(tool, "MEDIUM", medium)
    monkeypatch.setattr(tool, "KEYS", keys)
    ran: Callable[..., Any] = subprocess.run
    there = {"mount": "true", "sync": "true"}  # a folder is not remounted
    monkeypatch.setattr(tool.subprocess, "run", lambda argv, **more: ran([there[argv[0]]], **more))
    made = Place(tool, medium, tmp_path / "amnesic.kit", key)
    made.write()
    return made


def test_a_kit_is_laid_over_what_is_there(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place.files()
    assert place.run(monkeypatch, "--check") == 0
    assert place.files() == before
    assert place.run(monkeypatch) == 0
    modules = f"filesystem.squashfs\n{NEW[:16]}.squashfs\n".encode()
    assert place.files() == {**before, **FILES, "live/filesystem.module": modules}


def test_layers_add_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.medium / "live/filesystem.module").write_text("filesystem.squashfs\nfirst.squashfs\n")
    assert place.run(monkeypatch) == 0
    assert place.files()["live/filesystem.module"].decode().split()[1:] == ["first.squashfs", f"{NEW[:16]}.squashfs"]


REFUSED: dict[str, tuple[Callable[[Place], None], str]] = {
    "another key": (lambda p: Path(f"{p.kit}.sig").write_bytes(Ed25519PrivateKey.generate().sign(b"x")), "has signed"),
    "no signature": (lambda p: Path(f"{p.kit}.sig").unlink(), "No such file"),
    "no key": (lambda p: (p.tool.KEYS / "release.pub").unlink(), "has signed"),
    "another build": (lambda p: p.write(old={"build": NEW}), "here is aaaa"),
    "another system": (lambda p: p.write(name="minimal"), "here is"),
    "another schema": (lambda p: p.write(schema="repro/kit/v9"), "of another kind"),
    "another content": (lambda p: p.write({**FILES, "live/vmlinuz": b"NEW KERNEL"}), "another hash"),
    "another size": (lambda p: p.write({**FILES, "live/vmlinuz": b"x"}), "is not what the control file says"),
    "a file is missing": (lambda p: p.write({LAYER: FILES[LAYER]}), "not found"),
    "no layer": (lambda p: p.write(layer="live/other.squashfs"), "its layer is missing"),
    "out of the medium": (
        lambda p: p.write({**FILES, "../x": b""}, files=[{"path": "../x", "size": 0, "sha256": ""}]),
        "is not what the control file says",
    ),
    "no room": (lambda p: setattr(p.tool.shutil, "disk_usage", lambda _: type("U", (), {"free": 5})), "are free"),
    "no kit": (lambda p: p.kit.write_text("x" * 2000) and None, "not taken"),
}


@pytest.mark.parametrize("what", list(REFUSED))
def test_what_is_not_taken_changes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    monkeypatch.setattr(place.tool.shutil, "disk_usage", place.tool.shutil.disk_usage)
    spoil, words = REFUSED[what]
    before = place.files()
    spoil(place)
    assert place.run(monkeypatch) == 1
    assert words in capsys.readouterr().err
    assert place.files() == before
