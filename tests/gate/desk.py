"""Small artifacts to compare, a baseline for them as text, and running `repro` on both."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from tests.users import ROOT

TODAY = "2026-06-01"
HEAD = 'schema = "repro/baseline/v1"\n'


def known(*location: str, aspects: str = "content", expires: str = "2026-12-31", **more: Any) -> str:
    """An entry as text; `glob=True` makes a pattern of `location`, other keys are TOML as they are."""
    place = "glob" if more.pop("glob", False) else "location"
    lines = [f"{place} = {list(location)}", f"aspects = {aspects.split()}"]
    lines += [f"{key} = {value}" for key, value in more.items()]
    lines += ['reason = "it is so"', 'owner = "us"', f"expires = {expires}"]
    return "\n[[known]]\n" + "\n".join(lines) + "\n"


def archive(files: dict[str, bytes], modes: dict[str, int] | None = None) -> bytes:
    """A tar archive of `files`, with nothing in it that depends on the host."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), (modes or {}).get(name, 0o644)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def gzipped(data: bytes, mtime: int) -> bytes:
    return gzip.compress(data, mtime=mtime)


class Desk:
    """A folder with the artifacts `a` and `b`, and `known.toml`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, left: dict[str, bytes], right: dict[str, bytes], **modes: dict[str, int]) -> None:
        """Two archives; `modes` of the right one's members."""
        self.artifacts(archive(left), archive(right, modes.get("modes")))

    def artifacts(self, left: bytes, right: bytes) -> None:
        (self.folder / "a").write_bytes(left)
        (self.folder / "b").write_bytes(right)

    def baseline(self, *entries: str) -> Path:
        path = self.folder / "known.toml"
        path.write_text(HEAD + "".join(entries))
        return path

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "repro.cli.main", "--progress", "none", *args]

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.folder)}

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`repro ARGS`, to its end."""
        return subprocess.run(
            self.argv(*args), cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )

    def compare(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`repro compare a b` without texts, by the baseline where there is one, as of `TODAY`."""
        given = ["--baseline", "known.toml"] if (self.folder / "known.toml").exists() else []
        return self.run("compare", "--shallow", "--today", TODAY, *given, *args, "a", "b")
