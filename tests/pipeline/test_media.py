"""What is made besides the ISO, held against the tools of others; and upgrade kits, against the kernel's overlayfs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from repro.model import kit as kits
from tests.pipeline.bench import Bench, Clone, Person, digest, record
from tests.pipeline.conftest import Built
from tests.schemas import check

pytestmark = [pytest.mark.build, pytest.mark.network]

SYSTEM = 4096 * 512  # where the system's partition begins
CHANGES = """\
#!/bin/sh
set -e
umask 022
rm -r /usr/share/doc/dpkg /etc/issue.net
rm -r /usr/share/doc/grep; echo a file now > /usr/share/doc/grep
rm /etc/issue; mkdir /etc/issue; echo a folder now > /etc/issue/text
chmod 700 /usr/games
echo changed >> /etc/profile
ln /etc/profile /etc/profile.link
"""


def said(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def build_id(out: Path) -> str:
    with tarfile.open(out / "tiny.oci.tar") as tar:
        return oci(tar)[0]["annotations"]["org.opencontainers.image.revision"]


def blob(tar: tarfile.TarFile, descriptor: dict[str, str | int]) -> bytes:
    file = tar.extractfile(f"./blobs/{str(descriptor['digest']).replace(':', '/')}")
    assert file
    data = file.read()
    assert len(data) == descriptor["size"] and f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
    return data


def oci(tar: tarfile.TarFile) -> tuple[dict, dict]:
    """Manifest and configuration."""
    index = tar.extractfile("./index.json")
    assert index
    manifest = json.loads(blob(tar, json.load(index)["manifests"][0]))
    return manifest, json.loads(blob(tar, manifest["config"]))


def unpacked(path: Path) -> str:
    """SHA-256 of what a zstd or gzip stream holds."""
    program = "zstd" if path.suffix == ".zst" else "gzip"
    with subprocess.Popen([program, "-dc", str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        return hashlib.file_digest(process.stdout, "sha256").hexdigest()  # type: ignore[arg-type]


def test_a_usb_image_is_a_disk_as_others_read_it(built: Built, tmp_path: Path) -> None:
    image = built.out / "tiny.img"
    assert "No problems found" in said("sgdisk", "--verify", image)
    table = said("sgdisk", "--print", image)
    assert [line.split()[5] for line in table.splitlines()[-2:]] == ["EF02", "EF00"]
    system = tmp_path / "system"
    size = int(table.splitlines()[-1].split()[2]) * 512 + 512 - SYSTEM
    with open(image, "rb") as source:
        source.seek(SYSTEM)
        system.write_bytes(source.read(size))
    said("fsck.vfat", "-n", system)
    serial = build_id(built.out)[:8].upper()
    assert f"{serial[:4]}-{serial[4:]}" in said("mdir", "-i", system, "::")
    listed = said("mdir", "-/", "-b", "-i", system, "::").splitlines()
    files = [line.removeprefix("::/") for line in listed]
    folders: dict[str, list[str]] = {}
    for name in files:
        above, _, own = name.rstrip("/").rpartition("/")
        folders.setdefault(above, []).append(own)
    assert folders["live"] == ["filesystem.packages", "filesystem.squashfs", "initrd.img", "vmlinuz"]
    assert all(names == sorted(names) for names in folders.values()), folders
    said("mcopy", "-i", system, "::/live/filesystem.squashfs", tmp_path / "squashfs")
    assert digest(tmp_path / "squashfs") == built.digests()["tiny.squashfs"]


def test_identities_of_a_disk_follow_from_the_build(built: Built, bench: Bench, changed: Changed) -> None:
    def guids(image: Path) -> list[str]:
        told = said("sgdisk", "-i", "1", image) + said("sgdisk", "-i", "2", image) + said("sgdisk", "-p", image)
        return [line.split()[-1] for line in told.splitlines() if "unique GUID" in line or "identifier (GUID)" in line]

    mine, other = guids(built.out / "tiny.img"), guids(changed.out / "tiny.img")
    assert len(set(mine + other)) == 6


def test_the_tarball_is_the_tree(built: Built) -> None:
    with tarfile.open(built.out / "tiny.oci.tar") as tar:
        config = oci(tar)[1]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{unpacked(built.out / 'tiny.tar.zst')}"]
    names = said("tar", "--zstd", "-tf", built.out / "tiny.tar.zst").splitlines()
    assert names[0] == "./" and "./usr/bin/dpkg" in names and "./var/lib/dpkg/status" in names


def test_skopeo_reads_the_oci_image(built: Built, tmp_path: Path) -> None:
    source = f"oci-archive:{built.out / 'tiny.oci.tar'}"
    told = json.loads(said("skopeo", "inspect", source))
    assert (told["Os"], told["Architecture"], len(told["Layers"])) == ("linux", "amd64", 1)
    said("skopeo", "copy", "--quiet", source, f"dir:{tmp_path / 'copy'}")  # checks every hash on the way
    layer = next(path for path in (tmp_path / "copy").iterdir() if path.stat().st_size > 1 << 20)
    assert unpacked(layer) == told_diff(built)


def told_diff(built: Built) -> str:
    with tarfile.open(built.out / "tiny.oci.tar") as tar:
        return oci(tar)[1]["rootfs"]["diff_ids"][0].removeprefix("sha256:")


@dataclass(frozen=True)
class Changed:
    """The tiny recipe with changes of every kind, and a kit to it."""

    clone: Clone
    out: Path
    store: Path
    said: str


@pytest.fixture(scope="module")
def changed(bench: Bench, built: Built) -> Changed:
    clone = bench.clone("changed")
    clone.write("recipes/tiny/recipe.lock", (built.clone.folder / "recipes/tiny/recipe.lock").read_text())
    clone.write("recipes/tiny/overlay/etc/new-file", "new\n")
    clone.write("recipes/tiny/hooks/10-changes", CHANGES, 0o755)
    args = ("build", "tiny", "--output", "kit,squashfs,usb", "--kit-from", str(built.out / "tiny.img"))
    done = bench.run("--offline", *args, clone=clone, store=built.store)
    assert done.returncode == 0, done.stderr
    return Changed(clone, clone.folder / "out/tiny", built.store, done.stdout)


def control(kit: Path) -> kits.Control:
    with tarfile.open(kit) as tar:
        file = tar.extractfile(f"./{kits.CONTROL}")
        assert file
        data = file.read()
    check(data)
    return kits.decode(data, "control.json")


def test_a_kit_says_what_it_is_and_is_small(built: Built, changed: Changed) -> None:
    kit = changed.out / "tiny.kit"
    found = control(kit)
    assert (found.name, found.old.build) == ("tiny", build_id(built.out))
    assert found.old.squashfs_sha256 == built.digests()["tiny.squashfs"]
    assert found.new.squashfs_sha256 == digest(changed.out / "tiny.squashfs")
    paths = [file.path for file in found.files]
    assert found.layer in paths and ".disk/info" in paths and "live/filesystem.squashfs" not in paths
    assert "live/vmlinuz" not in paths, "the same in both"
    assert kit.stat().st_size * 20 < (changed.out / "tiny.squashfs").stat().st_size
    with tarfile.open(kit) as tar:
        for file in found.files:
            member = tar.extractfile(f"./files/{file.path}")
            assert member
            data = member.read()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


# Mounted in namespaces of its own: whatever happens, nothing stays mounted. What is listed: every fact of every file.
_UNION = """
set -e
mount -t tmpfs none "$1"; cd "$1"; mkdir old layer new union
mount -o loop,ro "$2" old; mount -o loop,ro "$3" layer; mount -o loop,ro "$4" new
mount -t overlay -o ro,lowerdir=layer:old overlay union
for tree in union new; do
  (cd $tree
   find . -printf '%p %y %m %U %G %T@ %l\\n' | LC_ALL=C sort
   find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) > "$5/$tree"
done
"""


@pytest.mark.skipif(os.getuid() != 0, reason="host: mounting needs root")
def test_the_union_of_the_old_system_and_the_kit_is_the_new_system(
    built: Built, changed: Changed, tmp_path: Path
) -> None:
    found = control(changed.out / "tiny.kit")
    said("tar", "-C", tmp_path, "-xf", changed.out / "tiny.kit")
    (tmp_path / "mounts").mkdir()
    trees = (built.out / "tiny.squashfs", tmp_path / "files" / found.layer, changed.out / "tiny.squashfs")
    said("unshare", "--mount", "sh", "-c", _UNION, "sh", tmp_path / "mounts", *trees, tmp_path)
    union, new = ((tmp_path / name).read_text() for name in ("union", "new"))
    assert union == new
    assert "./etc/issue/text" in new and "./usr/share/doc/dpkg/" not in new


def test_a_kit_is_the_same_for_an_ordinary_user_and_from_the_iso(
    built: Built, bench: Bench, changed: Changed, ordinary: Person
) -> None:
    """From the ISO too: the medium of both images has the same files."""
    store = bench.clone_store(built.store, "kit-store", ordinary.uid)
    out = bench.new_folder("kit-out", ordinary.uid)
    args = ("build", "tiny", "--output", "kit", "--kit-from", str(built.out / "tiny.iso"), "-o", str(out))
    how = ("--backend", "fakeroot", "--vary", "timezone", "--vary", "umask")
    done = bench.run("--offline", *args, *how, clone=changed.clone, store=store, person=ordinary)
    assert done.returncode == 0, done.stderr
    assert digest(out / "tiny.kit") == digest(changed.out / "tiny.kit")
    assert [artifact["kind"] for artifact in record(out)["claim"]["artifacts"]] == ["kit"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--output", "kit"), "--output kit and --kit-from IMAGE belong together"),
        (("--kit-from", "IMAGE"), "--output kit and --kit-from IMAGE belong together"),
        (("--output", "kit", "--kit-from", "recipes/tiny/recipe.toml"), "is no image of repro's"),
        (("--output", "floppy"), "'floppy' is none; there are: iso, usb, squashfs, tar, oci, kit"),
    ],
)
def test_what_cannot_be_made(bench: Bench, built: Built, args: tuple[str, ...], words: str) -> None:
    given = [str(built.out / "tiny.iso") if word == "IMAGE" else word for word in args]
    done = bench.run("--offline", "build", "tiny", *given, clone=built.clone, store=built.store)
    assert done.returncode == 2 and words in done.stderr, done.stderr


def test_compare_calls_the_parts_of_images_by_what_they_are(built: Built, bench: Bench, changed: Changed) -> None:
    done = bench.run("--offline", "build", "tiny", "--output", "oci", clone=changed.clone, store=built.store)
    assert done.returncode == 0, done.stderr
    for name, places in (
        ("tiny.img", {("[partition 2]", "live/filesystem.squashfs", "etc/profile"), ("[partition 2]", ".disk/info")}),
        ("tiny.oci.tar", {("blobs/[layer 1]", "etc/profile"), ("blobs/[manifest]",), ("blobs/[config]",)}),
    ):
        report = bench.folder / f"{name}.json"
        args = ("compare", "--shallow", str(built.out / name), str(changed.out / name), "--report", f"json={report}")
        assert bench.run(*args, clone=built.clone).returncode == 1
        found = json.loads(report.read_text())
        assert places <= {tuple(each["location"]) for each in found["divergences"]}
        assert found["summary"]["bytes_explained"] == found["summary"]["bytes_differing"] > 0
