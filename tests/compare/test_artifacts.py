"""Two artifacts end to end: where each difference is found, and what it is called."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import zstandard

from repro.compare import Limits, compare_artifacts, compare_with_digest
from repro.model.comparison import Comparison, Divergence, decode, encode
from repro.model.errors import InvalidInput
from tests.formats import samples

SCHEMA = Path(__file__).parents[2] / "reports/schema/comparison.v1.schema.json"
Compare = Callable[..., Comparison]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Compares two byte strings, and checks what must hold of every comparison."""

    def run(left: bytes, right: bytes, *, deep: bool = False, limits: Limits | None = None) -> Comparison:
        for name, data in (("left", left), ("right", right)):
            (tmp_path / name).write_bytes(data)
        found = compare_artifacts(tmp_path / "left", tmp_path / "right", deep=deep, limits=limits)
        assert found.verdict == ("identical" if left == right else "different")
        assert bool(found.divergences) == (left != right)
        assert found.summary.divergent == len(found.divergences)
        assert decode(encode(found)) == found
        jsonschema.validate(json.loads(encode(found)), json.loads(SCHEMA.read_bytes()))
        locations = [d.location for d in found.divergences]
        assert locations == sorted(set(locations))
        return found

    return run


def by_location(found: Comparison) -> dict[tuple[str, ...], Divergence]:
    return {d.location: d for d in found.divergences}


def changed(**files: bytes) -> dict[str, bytes]:
    return {**samples.FILES, **{name.replace("__", "/"): data for name, data in files.items()}}


def test_identical(compare: Compare) -> None:
    found = compare(b"same", b"same")
    assert (found.verdict, found.divergences, found.summary.bytes_differing) == ("identical", (), 0)


def test_plain_bytes(compare: Compare) -> None:
    (only,) = compare(b"x" * 100, b"x" * 50 + b"y" + b"x" * 49).divergences
    assert (only.location, only.aspects) == ((), ("content",))
    assert [(r.start, r.end) for r in only.ranges] == [(50, 51)]


def test_empty_against_not(compare: Compare) -> None:
    assert compare(b"", b"x").summary.bytes_differing == 1


def live_image(folder: Path, marker: bytes) -> bytes:
    """An ISO with a squashfs, an initrd of two segments and a FAT image, `marker` somewhere in each."""
    folder.mkdir()
    files = changed(etc__hostname=marker)
    stamp = gzip.compress(b"text" * 9, mtime=marker[0])
    root = samples.squashfs(folder / "a", {**files, "usr/stamp.gz": stamp, "usr/m.pyc": pyc(marker)})
    initrd, esp = samples.initrd(folder / "b", files), samples.fat(folder / "c", files, serial=f"123456{marker[0]}")
    return samples.iso(folder / "d", {"live/root.squashfs": root, "live/initrd.img": initrd, "efi.img": esp})


def pyc(marker: bytes) -> bytes:
    return b"\xa7\r\r\n" + bytes(4) + marker[:1] * 4 + b"\1\0\0\0" + b"code" * 20


def test_live_image(compare: Compare, tmp_path: Path) -> None:
    found = by_location(compare(live_image(tmp_path / "1", b"1\n"), live_image(tmp_path / "2", b"2\n")))
    assert {location: d.aspects for location, d in found.items()} == {
        ("efi.img",): ("structure",),
        ("efi.img", "etc/hostname"): ("content",),
        ("live/initrd.img", "main", "etc/hostname"): ("content",),
        ("live/root.squashfs", "etc/hostname"): ("content",),
        ("live/root.squashfs", "usr/m.pyc"): ("content",),
        ("live/root.squashfs", "usr/stamp.gz"): ("content",),
    }
    assert [r.structure for r in found["efi.img",].ranges] == ["boot sector serial number"]
    stamp, module = found["live/root.squashfs", "usr/stamp.gz"], found["live/root.squashfs", "usr/m.pyc"]
    assert [(r.structure, r.start, r.end) for r in stamp.ranges] == [("gzip header MTIME", 4, 8)]
    assert [(r.structure, r.start, r.end) for r in module.ranges] == [("pyc header mtime", 8, 12)]
    assert stamp.left and stamp.left["size"] == len(gzip.compress(b"text" * 9))
    assert "gzip header MTIME" in (stamp.detail or "")


def test_everything_differing_in_a_live_image_has_a_name(compare: Compare, tmp_path: Path) -> None:
    summary = compare(live_image(tmp_path / "1", b"1\n"), live_image(tmp_path / "2", b"2\n")).summary
    assert summary.bytes_differing == summary.bytes_explained > 0


def test_mode_and_owner_of_one_file(compare: Compare, tmp_path: Path) -> None:
    images = []
    for name, mode in (("a", 0o644), ("b", 0o600)):
        root = samples.tree(tmp_path / name, {"etc/foo": b"x"})
        (root / "etc/foo").chmod(mode)
        samples.tool("mksquashfs", root, tmp_path / f"{name}.img", "-quiet", "-no-progress", "-all-root")
        images.append((tmp_path / f"{name}.img").read_bytes())
    (only,) = compare(*images).divergences
    assert (only.location, only.aspects) == (("etc/foo",), ("mode",))
    assert (only.left, only.right) == ({"mode": "0644"}, {"mode": "0600"})


def test_volume_dates_are_structure_of_the_artifact(compare: Compare, tmp_path: Path) -> None:
    options = ("--modification-date=2020010100000000", "--modification-date=2020010200000000")
    images = [samples.iso(tmp_path / str(n), samples.FILES, option) for n, option in enumerate(options)]
    found = by_location(compare(*images))
    assert found[()].aspects == ("structure",)
    assert {r.structure for r in found[()].ranges} >= {"primary volume creation time"}


def test_a_byte_that_nothing_names_is_reported(compare: Compare, tmp_path: Path) -> None:
    image = samples.iso(tmp_path / "iso")
    at = len(image) - 5000  # in the padding at the end
    (only,) = compare(image, image[:at] + b"!" + image[at + 1 :]).divergences
    assert (only.location, only.aspects) == ((), ("structure",))
    assert [(r.side, r.start, r.end, r.structure) for r in only.ranges] == [("right", at, at + 1, "unmapped")]


def test_bytes_after_the_end(compare: Compare, tmp_path: Path) -> None:
    for name in ("squashfs", "iso", "fat", "cpio", "deb", "tar"):
        image = samples.SAMPLES[name](tmp_path / name)
        found = compare(image, image + bytes(4096))
        assert [d.location for d in found.divergences] == [()], name


def test_a_package(compare: Compare, tmp_path: Path) -> None:
    packages = [samples.deb(tmp_path, files) for files in (samples.FILES, changed(etc__hostname=b"dead\n"))]
    found = by_location(compare(*packages))
    assert found["data.tar.xz", "etc/hostname"].aspects == ("content",)
    assert ("data.tar.xz",) not in found


@pytest.mark.parametrize("pack", [lambda d: gzip.compress(d, mtime=0), lzma.compress, zstandard.compress])
def test_a_compressed_archive_adds_no_component(
    compare: Compare, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    archives = [pack(samples.tar(tmp_path, files)) for files in (samples.FILES, changed(etc__hostname=b"x"))]
    found = compare(*archives)
    assert ("etc/hostname",) in by_location(found)
    assert found.summary.bytes_explained == found.summary.bytes_differing


def test_another_compression_of_the_same_archive(compare: Compare, tmp_path: Path) -> None:
    archive = samples.cpio(tmp_path)
    (only,) = compare(gzip.compress(archive), zstandard.compress(archive)).divergences
    assert (only.location, only.aspects) == ((), ("content",))
    assert "the decompressed bytes are the same" in (only.detail or "")


def test_order_of_entries_is_told_once(compare: Compare, tmp_path: Path) -> None:
    files = {f"f{n}": b"%d" % n for n in range(20)}
    backwards = dict(reversed(files.items()))
    for make in (samples.cpio, samples.tar):
        (only,) = compare(make(tmp_path, files), make(tmp_path, backwards)).divergences
        assert (only.location, only.aspects) == ((), ("order",))


def test_presence_and_digest_of_the_side_that_has_it(compare: Compare, tmp_path: Path) -> None:
    found = by_location(compare(samples.cpio(tmp_path), samples.cpio(tmp_path, changed(new=b"x"))))
    assert found["new",].aspects == ("presence",)
    assert found["new",].left is None and (found["new",].right or {})["size"] == 1


def test_truncation_is_not_called_absence(compare: Compare, tmp_path: Path) -> None:
    image = samples.cpio(tmp_path)
    found = compare(image, image[: len(image) // 2])
    assert not [d for d in found.divergences if "presence" in d.aspects]
    assert found.unexamined


def test_depth_is_limited(compare: Compare, tmp_path: Path) -> None:
    left, right = b"a", b"b"
    for _ in range(6):
        left, right = samples.cpio(tmp_path, {"x": left}), samples.cpio(tmp_path, {"x": right})
    assert max(len(d.location) for d in compare(left, right).divergences) == 6
    found = compare(left, right, limits=Limits(depth=3))
    assert max(len(d.location) for d in found.divergences) == 3
    assert [u.location for u in found.unexamined] == [("x", "x", "x")]


def test_a_bomb_stops_at_the_limit(compare: Compare) -> None:
    bombs = [gzip.compress(bytes(8 << 20) + end) for end in (b"a", b"b")]
    found = compare(*bombs, limits=Limits(spooled=5 << 20))
    assert any("expands to more" in u.reason for u in found.unexamined)
    found = compare(*bombs, limits=Limits(expanded=5 << 20))
    assert any("would have to be decompressed" in u.reason for u in found.unexamined)


def test_time_runs_out(compare: Compare, tmp_path: Path) -> None:
    files = {f"f{n}": b"x" for n in range(200)}
    archives = samples.cpio(tmp_path, files), samples.cpio(tmp_path, {**files, "f7": b"y"})
    found = compare(*archives, limits=Limits(seconds=0))
    assert any("seconds" in u.reason for u in found.unexamined)


def test_same_inputs_same_bytes(compare: Compare, tmp_path: Path) -> None:
    pair = samples.deb(tmp_path), samples.deb(tmp_path, changed(etc__hostname=b"x", new=b"y"))
    assert encode(compare(*pair)) == encode(compare(*pair))


def test_deep_adds_text_and_changes_nothing_else(compare: Compare, tmp_path: Path) -> None:
    pair = samples.cpio(tmp_path), samples.cpio(tmp_path, changed(etc__hostname=b"dead\n"))
    shallow, deep = compare(*pair), compare(*pair, deep=True)
    assert "-live\n+dead" in (deep.divergences[0].detail or "")
    assert deep.tools["diffoscope"] and "diffoscope" not in shallow.tools
    assert [d.aspects for d in deep.divergences] == [d.aspects for d in shallow.divergences]


def test_what_diffoscope_did_not_explain_is_unexamined(compare: Compare, tmp_path: Path) -> None:
    pair = [samples.cpio(tmp_path, {"a": side, "b": side * 3000}) for side in (b"1\n", b"2\n")]
    found = compare(*pair, deep=True, limits=Limits(leaves=1))
    assert [u.location for u in found.unexamined] == [("b",)]
    found = compare(*pair, deep=True, limits=Limits(leaf=10))
    assert [u.location for u in found.unexamined] == [("b",)]
    found = compare(*pair, deep=True, limits=Limits(text=4))
    assert "cut at 4 characters" in found.unexamined[0].reason


def test_a_hostile_name_stays_in_the_scratch_folder(compare: Compare, tmp_path: Path) -> None:
    pair = [samples.cpio(tmp_path, {"../../escape": side, "a/../..": side}) for side in (b"1\n", b"2\n")]
    found = compare(*pair, deep=True)
    assert len(found.divergences) == 2 and not found.unexamined


def test_only_a_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    same = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert compare_with_digest(tmp_path / "a", same).verdict == "identical"
    other = compare_with_digest(tmp_path / "a", "0" * 64)
    assert other.verdict == "different" and other.unexamined and other.right.size is None


def test_inputs_that_are_not_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    for wrong in (tmp_path, tmp_path / "missing", Path("/dev/null")):
        with pytest.raises(InvalidInput):
            compare_artifacts(tmp_path / "a", wrong)


def test_large_members_are_spooled(compare: Compare, tmp_path: Path) -> None:
    big = bytes(range(256)) * (5 << 12)
    pair = [samples.deb(tmp_path, {"big": big + end}) for end in (b"1", b"2")]
    assert ("data.tar.xz", "big") in by_location(compare(*pair))


def test_another_type_is_one_aspect(compare: Compare, tmp_path: Path) -> None:
    sides = []
    for name, linked in (("a", False), ("b", True)):
        root = samples.tree(tmp_path / name, {"etc/real": b"x"})
        (root / "etc/foo").symlink_to("real") if linked else (root / "etc/foo").write_bytes(b"x")
        os.utime(root / "etc/foo", (1, 1), follow_symlinks=False)
        os.utime(root / "etc", (1, 1))
        samples.tool("mksquashfs", root, tmp_path / f"{name}.img", "-quiet", "-no-progress", "-all-root")
        sides.append((tmp_path / f"{name}.img").read_bytes())
    (only,) = compare(*sides).divergences
    assert (only.location, only.aspects) == (("etc/foo",), ("type",))
    assert only.right == {"type": "symlink", "target": "real"}


def test_fat_order_and_attributes(compare: Compare, tmp_path: Path) -> None:
    images = []
    for name, order in (("a", "xy"), ("b", "yx")):
        image = tmp_path / f"{name}.img"
        image.write_bytes(bytes(720 * 1024))
        samples.tool("mformat", "-i", image, "-N", "12345678", "-f", "720", "::")
        for letter in order:
            (tmp_path / letter).write_text(letter)
            os.utime(tmp_path / letter, (1_000_000_000, 1_000_000_000))
            samples.tool("mcopy", "-m", "-i", image, tmp_path / letter, f"::{letter}")
        if order == "yx":
            samples.tool("mattrib", "-i", image, "+r", "::x")
        images.append(image.read_bytes())
    found = by_location(compare(*images))
    assert found[()].aspects == ("order",)
    assert "order of entries of ." in (found[()].left or {})
    assert "mode" in found["x",].aspects
    assert (found["x",].right or {})["attributes"] == "read-only+archive"


def test_microcode_on_one_side_alone(compare: Compare, tmp_path: Path) -> None:
    both = samples.initrd(tmp_path)
    alone = zstandard.compress(samples.cpio(tmp_path, changed(init=b"other")))
    found = by_location(compare(both, alone))
    assert found["early-1",].aspects == ("presence",)
    assert found["main", "init"].aspects == ("content",)
