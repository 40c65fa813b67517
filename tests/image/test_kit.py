"""What a kit's layer holds, laid over the old tree as overlayfs does, is the new tree: random trees and an oracle."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from repro.image import kit_inside

# path → what is there: a folder, a file's content, a link's target, or "=PATH", another name of that file
FOLDER = None
Tree = dict[str, "tuple[str, str, int] | None"]
_NAMES = st.sampled_from("abc")


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    tree: Tree = {}
    for parts in draw(st.lists(st.lists(_NAMES, min_size=1, max_size=3), max_size=8)):
        path = "/".join(parts)
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        if any(tree.get(folder, FOLDER) is not FOLDER for folder in above) or tree.get(path, "") is FOLDER:
            continue
        tree |= {folder: FOLDER for folder in above if folder not in tree}
        kind = draw(st.sampled_from(["folder", "file", "symlink", "link"]))
        files = [name for name, what in tree.items() if what and what[0] == "file" and name != path]
        if kind == "folder":
            tree[path] = FOLDER
        elif kind == "link" and files:
            tree[path] = ("link", draw(st.sampled_from(files)), 0)
        else:
            made = "file" if kind == "link" else kind
            tree[path] = (made, draw(st.sampled_from(["", "x", "y"])), draw(st.sampled_from([0o644, 0o755])))
    files = {path for path, what in tree.items() if what and what[0] == "file"}
    return {path: what for path, what in tree.items() if what is FOLDER or what[0] != "link" or what[1] in files}


def written(tree: Tree, path: Path) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        root = tarfile.TarInfo(".")
        root.type, root.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(root)
        links_last = sorted(tree, key=lambda name: (bool(tree[name]) and tree[name][0] == "link", name))  # type: ignore[index]
        for name in links_last:
            what = tree[name]
            member = tarfile.TarInfo(f"./{name}")
            data = b""
            if what is FOLDER:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif what[0] == "file":
                data, member.mode = what[1].encode(), what[2]
                member.size = len(data)
            elif what[0] == "symlink":
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, what[1] or "z", 0o777
            else:
                member.type, member.linkname = tarfile.LNKTYPE, f"./{what[1]}"
            tar.addfile(member, io.BytesIO(data))
    return path


def read(path: Path) -> dict[str, tuple[bytes, int, str]]:
    """Every member by path: type, mode, and content or target."""
    found: dict[str, tuple[bytes, int, str]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.islnk():
                found[name] = found[member.linkname.removeprefix("./")]
                continue
            file = tar.extractfile(member) if member.isreg() else None
            found[name] = (member.type, member.mode, file.read().decode() if file else member.linkname)
    return found


def laid_over(lower: dict[str, tuple[bytes, int, str]], upper: dict[str, tuple[bytes, int, str]]):
    """overlayfs: folders merge, anything else hides what is below, a character device 0:0 hides and is not seen."""
    merged = dict(lower)
    for path, what in upper.items():
        if what[0] != tarfile.DIRTYPE or merged.get(path, what)[0] != tarfile.DIRTYPE:
            merged = {name: kept for name, kept in merged.items() if not name.startswith(f"{path}/")}
            merged.pop(path, None)
        if what[0] != tarfile.CHRTYPE:
            merged[path] = what
    return merged


@given(trees(), trees())
def test_the_union_is_the_new_tree(old: Tree, new: Tree) -> None:
    with tempfile.TemporaryDirectory() as name:  # a fixture would be shared by all examples
        folder = Path(name)
        before, after = written(old, folder / "old.tar"), written(new, folder / "new.tar")
        kit_inside.delta(str(before), str(after), str(folder / "delta.tar"))
        delta = read(folder / "delta.tar")
        assert laid_over(read(before), delta) == read(after)
        if old == new:
            assert not delta
        for path in delta:  # mksquashfs makes up what it is not given
            assert path == "." or "/" not in path or path.rpartition("/")[0] in delta


def test_a_layer_holds_what_changed_alone(tmp_path: Path) -> None:
    old: Tree = {"a": FOLDER, "a/same": ("file", "x", 0o644), "a/gone": ("file", "x", 0o644), "b": FOLDER}
    new: Tree = {"a": FOLDER, "a/same": ("file", "x", 0o644), "a/mode": ("file", "x", 0o755), "b": ("file", "", 0o644)}
    before, after = written(old, tmp_path / "old.tar"), written(new, tmp_path / "new.tar")
    kit_inside.delta(str(before), str(after), str(tmp_path / "delta.tar"))
    with tarfile.open(tmp_path / "delta.tar") as tar:
        assert {member.name: member.type for member in tar} == {
            "./a": tarfile.DIRTYPE,
            "./a/mode": tarfile.REGTYPE,
            "./b": tarfile.REGTYPE,
            "./a/gone": tarfile.CHRTYPE,
        }


def test_hard_links_come_together(tmp_path: Path) -> None:
    old: Tree = {"a": ("file", "x", 0o644), "b": ("link", "a", 0)}
    new: Tree = {"a": ("file", "x", 0o644), "b": ("link", "a", 0), "c": ("link", "a", 0)}
    before, after = written(old, tmp_path / "old.tar"), written(new, tmp_path / "new.tar")
    kit_inside.delta(str(before), str(after), str(tmp_path / "delta.tar"))
    assert set(read(tmp_path / "delta.tar")) == {"a", "b", "c"}


def test_what_goes_into_a_kit(tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    for path, text in (("live/vmlinuz", "new"), ("live/initrd.img", "same"), ("live/filesystem.squashfs", "all")):
        (medium / path).parent.mkdir(parents=True, exist_ok=True)
        (medium / path).write_text(text)
    (tmp_path / "layer").write_text("layer")
    same = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"  # of "same"
    rows = kit_inside.gather(
        str(medium), {"live/initrd.img": same}, str(tmp_path / "layer"), "live/x.squashfs", str(tmp_path / "kit")
    )
    assert [(path, size) for path, size, _ in rows] == [("live/vmlinuz", 3), ("live/x.squashfs", 5)]
    assert (tmp_path / "kit/files/live/x.squashfs").read_text() == "layer"
