"""Memory, hashes and the checks of a host."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from repro.model.doctor import BUILD, MISSING, OK, Check, Diagnosis
from repro.system import host, memory
from repro.system.hashing import sha256_file


def test_sha256(tmp_path: Path) -> None:
    for data in (b"", b"a", b"ab" * 1_500_000):
        (tmp_path / "file").write_bytes(data)
        assert sha256_file(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_peak_memory_is_the_furthest_that_available_memory_fell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.available() > 0
    told = iter([1000, 900, 400, 700])
    all_told = threading.Event()

    def available() -> int:
        value = next(told, None)
        if value is None:
            all_told.set()
        return 2000 if value is None else value  # other work gave memory back

    monkeypatch.setattr(memory, "available", available)
    monkeypatch.setattr(memory, "_INTERVAL", 0.001)
    with memory.PeakMemory() as peak:
        assert all_told.wait(10)
    assert peak.bytes == 600


def test_a_library_that_is_not_there() -> None:
    assert not host.can_load("libnothing-of-that-name.so.7")
    assert host.can_load("libc.so.6")


def test_a_store_below_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    check = host._disk(tmp_path / "not" / "there" / "yet")
    assert check.state == OK
    assert not (tmp_path / "not").exists()


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "DISK", 1 << 60)
    check = host._disk(tmp_path)
    assert (check.state, check.purpose) == (MISSING, BUILD)
    assert "--store" in check.remedy


def test_can_build() -> None:
    fine = Check("a", OK, "x", BUILD)
    lost = Check("b", MISSING, "x", "something else")
    fatal = Check("c", MISSING, "x", BUILD)
    assert Diagnosis("root", (fine, lost)).can_build
    assert not Diagnosis("root", (fine, fatal)).can_build
    assert not Diagnosis(None, (fine,)).can_build
