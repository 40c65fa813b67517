"""Loop devices are taken by many at once, and each gets one of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from repro.sandbox import variations

_TAKE = """
import os
from repro.sandbox import blocks
image = os.memfd_create("image", 0)
os.truncate(image, 1 << 20)
for _ in range(20):
    path, device = blocks._loop(image)
    print(path)
    os.close(device)
"""


@pytest.mark.skipif(bool(variations.unavailable("filesystem")), reason="host: no loop devices")
def test_many_at_once() -> None:
    takers = [
        subprocess.Popen([sys.executable, "-c", _TAKE], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(8)
    ]
    for taker in takers:
        said, complaint = taker.communicate(timeout=120)
        assert taker.returncode == 0, os.fsdecode(complaint)
        assert len(said.split()) == 20
