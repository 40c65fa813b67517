"""Members whose paths differ by a version: still absent on one side each, but they name each other."""

from __future__ import annotations

from pathlib import Path

from repro.compare import compare_artifacts
from tests.formats import samples


def test_paths_that_differ_by_a_version_name_each_other(tmp_path: Path) -> None:
    for name, version, data in (("a", "6.1.0-37", b"x"), ("b", "6.1.0-38", b"y")):
        files = {f"m/{version}-amd64/e.ko": data, f"m/{version}-amd64/f.ko": b"same", f"{name}.txt": b"z"}
        files |= {"v1": b"", "v2": b""} if name == "a" else {"v3": b""}
        (tmp_path / name).write_bytes(samples.cpio(tmp_path, files))
    found = compare_artifacts(tmp_path / "a", tmp_path / "b", deep=False)
    notes = {d.location[-1]: d.detail for d in found.divergences if d.aspects == ("presence",)}
    assert notes["m/6.1.0-37-amd64/e.ko"] == "on the other side as m/6.1.0-38-amd64/e.ko, different bytes"
    assert notes["m/6.1.0-38-amd64/e.ko"] == "on the other side as m/6.1.0-37-amd64/e.ko, different bytes"
    assert (notes["m/6.1.0-37-amd64/f.ko"] or "").endswith("f.ko, same bytes")
    assert notes["a.txt"] is notes["b.txt"] is notes["v1"] is notes["v3"] is None


def test_the_text_of_such_a_pair_is_on_the_left_side(tmp_path: Path) -> None:
    for name, version in (("a", "6.1.0-37"), ("b", "6.1.0-38")):
        files = {f"m/{version}-amd64/notes": f"made for {version}\n".encode(), f"{name}.txt": b"z"}
        (tmp_path / name).write_bytes(samples.cpio(tmp_path, files))
    found = compare_artifacts(tmp_path / "a", tmp_path / "b", deep=True)
    details = {d.location[-1]: d.detail or "" for d in found.divergences}
    assert "-made for 6.1.0-37\n+made for 6.1.0-38" in details["m/6.1.0-37-amd64/notes"]
    assert "made for" not in details["m/6.1.0-38-amd64/notes"]
    assert not [u for u in found.unexamined if "text diff" in u.reason]
