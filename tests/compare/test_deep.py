"""Deep explanations through the command line, by the real diffoscope: in shards, within limits, one bad leaf or not."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.compare.test_cli import repro
from tests.formats import samples
from tests.schemas import check

PROGRAM = Path("/bin/true").read_bytes()


def side(marker: bytes, count: int = 6) -> dict[str, bytes]:
    """Text, compressed text, a program and a name that has to be escaped, all with `marker` in them."""
    files = {f"etc/{n}.conf": b"same\n%d " % n + marker + b"\n" for n in range(count)}
    at = PROGRAM.index(b"GNU coreutils")
    return files | {
        "usr/share/doc/a/changelog.gz": gzip.compress(b"one\n" + marker + b"\n", mtime=0),
        "usr/bin/true": PROGRAM[:at] + marker + PROGRAM[at + len(marker) :],
        "srv/odd \t na\u00efme.gz": gzip.compress(marker * 3 + b"\n", mtime=0),
    }


def archives(folder: Path, left: dict[str, bytes], right: dict[str, bytes]) -> None:
    (folder / "a").write_bytes(samples.cpio(folder, left))
    (folder / "b").write_bytes(samples.cpio(folder, right))


def deep(folder: Path, *options: str) -> dict[str, Any]:
    done = repro("compare", *options, "--report", "json=d.json", "a", "b", cwd=folder)
    assert done.returncode == 1, done.stderr
    found: dict[str, Any] = check((folder / "d.json").read_bytes())
    return found


def details(found: dict[str, Any]) -> dict[str, str]:
    return {d["location"][-1]: d["detail"] or "" for d in found["divergences"]}


def test_every_kind_of_leaf_is_explained_and_the_number_of_jobs_changes_no_byte(tmp_path: Path) -> None:
    archives(tmp_path, side(b"old"), side(b"new"))
    found = deep(tmp_path, "--jobs", "2")
    first = (tmp_path / "d.json").read_bytes()
    deep(tmp_path, "--jobs", "1")
    assert (tmp_path / "d.json").read_bytes() == first
    texts = details(found)
    assert len(texts) == 9 and not found["unexamined"]
    assert "-3 old\n+3 new" in texts["etc/3.conf"]
    assert "--- changelog\n" in texts["usr/share/doc/a/changelog.gz"]
    assert "-old\n+new" in texts["usr/share/doc/a/changelog.gz"]
    assert "readelf" in texts["usr/bin/true"] or "strings" in texts["usr/bin/true"]
    assert "-oldoldold" in texts["srv/odd \t na\u00efme.gz"]
    assert str(tmp_path) not in first.decode() and "repro-compare-" not in first.decode()


def test_a_leaf_that_takes_too_much_memory_is_named_and_its_neighbours_are_explained(tmp_path: Path) -> None:
    rows = [json.dumps([{f"k{n}": [n, "v" * 9, {}]} for n in range(60_000)] + [end]).encode() for end in "ab"]
    archives(tmp_path, {**side(b"old", 2), "var/big.json": rows[0]}, {**side(b"new", 2), "var/big.json": rows[1]})
    found = deep(tmp_path, "--memory-limit", "96", "--jobs", "1")
    texts, left_out = details(found), {u["location"][-1]: u["reason"] for u in found["unexamined"] if u["location"]}
    assert left_out == {"var/big.json": "no text diff: diffoscope ran out of memory"}
    assert all("@@" in text for name, text in texts.items() if name != "var/big.json")


def test_limits_of_text_are_told(tmp_path: Path) -> None:
    lines = [b"".join(b"%s %d\n" % (word, n) for n in range(40_000)) for word in (b"old", b"new")]
    archives(tmp_path, {"long.txt": lines[0]}, {"long.txt": lines[1]})
    found = deep(tmp_path)
    (cut,) = found["unexamined"]
    assert cut["reason"] == "text diff cut at 262144 characters"
    assert len(details(found)["long.txt"]) == 262_145


def test_shallow_asks_nobody(tmp_path: Path) -> None:
    archives(tmp_path, side(b"old"), side(b"new"))
    found = deep(tmp_path, "--shallow")
    assert "diffoscope" not in found["tools"] and not any("@@" in text for text in details(found).values())


def test_progress_tells_what_is_found_and_how_far_it_is(tmp_path: Path) -> None:
    archives(tmp_path, side(b"old", 2), side(b"new", 2))
    done = repro("--progress", "json", "compare", "a", "b", cwd=tmp_path)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    found = [event["text"] for event in events if event["event"] == "found"]
    assert len(found) == 5 and "etc/0.conf" in found
    assert {"event": "note", "text": "5 divergent, explaining 5 files with diffoscope"} in events
    advances = [event["done"] for event in events if event["event"] == "advance" and event["task"] == "explaining"]
    assert advances[-1] == 5


def full_run(folder: Path) -> dict[str, list[str]]:
    """The unified diffs of a full diffoscope run on two ISOs, by the path in the innermost file system."""
    report = folder / "full.json"
    argv = [sys.executable, "-m", "diffoscope.main", "--no-progress", "--json", report, folder / "a", folder / "b"]
    subprocess.run(argv, check=False, stderr=subprocess.DEVNULL)
    found: dict[str, list[str]] = {}

    def walk(node: dict[str, Any], place: str) -> None:
        for below in node.get("details") or []:
            name = below["source1"]
            inside = name.lstrip("./") if name.endswith((".conf", "true", "changelog.gz")) else place
            if inside and below["unified_diff"]:
                found.setdefault(inside, []).append(below["unified_diff"].rstrip("\n"))
            walk(below, inside)

    walk(json.loads(report.read_bytes()), "")
    return found


def test_leaf_diffs_are_those_of_a_full_run(tmp_path: Path) -> None:
    for name, marker in (("a", b"old"), ("b", b"new")):
        (tmp_path / f"{name}-made").mkdir()
        files = {path: data for path, data in side(marker, 3).items() if path.isascii() and "\t" not in path}
        root = samples.squashfs(tmp_path / f"{name}-made" / "1", {**samples.FILES, **files})
        image = samples.iso(tmp_path / f"{name}-made" / "2", {"live/root.squashfs": root, "boot/grub.conf": marker})
        (tmp_path / name).write_bytes(image)
    ours, theirs = details(deep(tmp_path)), full_run(tmp_path)
    leaves = {name for name, text in ours.items() if "@@" in text}
    assert leaves == set(theirs) and len(leaves) == 6
    for name, diffs in theirs.items():
        assert all(diff in ours[name] for diff in diffs), name
