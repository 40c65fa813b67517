"""Damaged artifacts against sound ones: the verdict holds, something is always said, and nothing is raised."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from repro.compare import Limits, compare_artifacts
from tests.formats.samples import SAMPLES
from tests.formats.test_hostile import damaged, sample

LIMITS = Limits(expanded=1 << 28, spooled=1 << 26, seconds=20)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_damage(name: str, tmp_path: Path) -> None:
    rng = random.Random(f"compare {name}")
    sound, broken = tmp_path / "sound", tmp_path / "broken"
    sound.write_bytes(sample(name))
    for _ in range(40):
        data = damaged(sample(name), rng)
        broken.write_bytes(data)
        found = compare_artifacts(*rng.sample((sound, broken), 2), deep=False, limits=LIMITS)
        assert found.verdict == ("identical" if data == sample(name) else "different")
        assert bool(found.divergences) == (data != sample(name))
        assert found.summary.bytes_explained <= found.summary.bytes_differing


@pytest.mark.parametrize("name", ["ar", "cpio", "fat", "gzip", "pyc", "squashfs", "tar"])
def test_every_byte_of_the_head(name: str, tmp_path: Path) -> None:
    sound, broken = tmp_path / "sound", tmp_path / "broken"
    sound.write_bytes(sample(name))
    for at in range(min(96, len(sample(name)))):
        data = bytearray(sample(name))
        data[at] ^= 0xFF
        broken.write_bytes(data)
        found = compare_artifacts(sound, broken, deep=False, limits=LIMITS)
        assert found.verdict == "different" and found.divergences
