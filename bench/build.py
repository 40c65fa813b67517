"""Time `repro build RECIPE` against Debian's live-build: the same packages, compressor and outputs, warm caches.

Both find every package on this machine (repro in its store, live-build on a mirror on the loopback interface), both
make every stage anew. The last line is `build_ratio=… repro_s=… live_build_s=… peak_mb=…`, of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.mirror import Mirror
from repro.model import lock as locks
from repro.model import recipe as recipes
from repro.model.lock import Lock
from repro.model.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
BASE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}


@dataclass(frozen=True)
class Result:
    """One build: wall `seconds`, peak memory in MB (0: not known), sizes in bytes, `name version` of each package."""

    seconds: float
    peak_mb: int
    iso: int
    squashfs: int
    initrd: int
    packages: frozenset[str]


def main() -> int:
    options = arguments()
    if os.getuid() != 0:
        print("bench/build: live-build needs root; run as root, or with sudo", file=sys.stderr)
        return 2
    name: str = options.recipe
    recipe = recipes.decode(name, (ROOT / f"recipes/{name}/recipe.toml").read_text(), "recipe.toml")
    lock = locks.decode((ROOT / f"recipes/{name}/recipe.lock").read_text(), "recipe.lock")
    work: Path = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    mirror = Mirror(work / "mirror")
    offer_pinned_index(mirror)
    say("warming repro's store")
    command([*repro(), "fetch", name], work / "fetch.log", cwd=ROOT, inherit=True)
    ours: list[Result] = []
    theirs: list[Result] = []
    with mirror.serving() as address:
        while len(theirs) < options.repeats:
            misses = mirror.misses
            built = live_build(recipe, lock, address, work, options.live_build)
            if mirror.misses > misses:
                say(
                    f"live-build fetched {mirror.misses - misses} files: that run warmed its mirror, and does not count"
                )
                continue
            theirs.append(built)
            say(f"live-build: {built.seconds:.1f} s, load {os.getloadavg()[0]:.1f} at its end")
            ours.append(repro_build(name, lock, work))
            say(
                f"repro: {ours[-1].seconds:.1f} s, peak {ours[-1].peak_mb} MB, load {os.getloadavg()[0]:.1f} at its end"
            )
    compare(ours[-1], theirs[-1])
    repro_s, live_build_s = (statistics.median(each.seconds for each in built) for built in (ours, theirs))
    peak = max(each.peak_mb for each in ours)
    ratio = repro_s / live_build_s
    print(f"build_ratio={ratio:.2f} repro_s={repro_s:.1f} live_build_s={live_build_s:.1f} peak_mb={peak}")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/build.sh", description=__doc__)
    parser.add_argument("-r", "--recipe", default="minimal", help="which recipe's image (minimal)")
    parser.add_argument("-n", "--repeats", type=int, default=1, help="timed builds of each, taken in turn (1)")
    parser.add_argument("-w", "--work", type=Path, default=ROOT / "out/bench-build", help="folder to work in")
    parser.add_argument(
        "--live-build", action="append", default=[], metavar="OPTION", help="one more option for `lb config`"
    )
    return parser.parse_args()


def offer_pinned_index(mirror: Mirror) -> None:
    mirror.put("dists/bookworm/InRelease", ROOT / "snapshots/bookworm/debian_bookworm.InRelease")


def repro() -> list[str]:
    return [sys.executable, "-m", "repro.cli.main", "--progress", "plain"]


def repro_build(name: str, lock: Lock, work: Path) -> Result:
    folder = fresh(work / "repro")
    seconds = command(
        [*repro(), "--offline", "build", name, "--output", "iso", "--no-cache", "-o", str(folder)],
        work / "repro.log",
        cwd=ROOT,
        inherit=True,
    )
    record = json.loads((folder / "build.json").read_text())
    iso = folder / f"{name}.iso"
    packages = frozenset(f"{package.name} {package.version}" for package in lock.image)
    peak = round(record["run"]["peak_bytes"] / 1e6)
    return Result(seconds, peak, iso.stat().st_size, *sizes(iso, work), packages)


def live_build(recipe: Recipe, lock: Lock, address: str, work: Path, more: list[str]) -> Result:
    folder = fresh(work / "live-build")
    log = work / "live-build.log"
    # Its own mount and process namespaces: whatever happens, no mount and no process of it stays behind.
    contained = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    seconds = command([*contained, "lb", "config", *lb_options(recipe, address), *more], log, cwd=folder)
    wanted = "\n".join(package.name for package in lock.image) + "\n"
    for default in (folder / "config/package-lists").iterdir():
        default.unlink()
    (folder / "config/package-lists/image.list.chroot").write_text(wanted)
    seconds += command([*contained, "lb", "build"], log, cwd=folder, append=True)
    iso = folder / "live-image-amd64.hybrid.iso"
    listing = (folder / "binary/live/filesystem.packages").read_text().splitlines()
    packages = frozenset(" ".join(line.replace(":amd64", "").split()) for line in listing)
    return Result(seconds, 0, iso.stat().st_size, *sizes(iso, work), packages)


def lb_options(recipe: Recipe, address: str) -> list[str]:
    """live-build told to make what repro makes, and nothing besides."""
    mirrors = [f"--{kind}-{use}" for kind in ("mirror", "parent-mirror") for use in ("bootstrap", "chroot", "binary")]
    off = ("apt-recommends", "apt-source-archives", "security", "updates", "backports", "firmware-chroot")
    off += ("firmware-binary", "apt-indices", "source", "win32-loader", "zsync", "cache")
    none = ("memtest", "debian-installer", "checksums")
    return [
        *("--mode", "debian", "--distribution", "bookworm", "--architecture", recipe.architecture),
        *("--archive-areas", "main", "--parent-archive-areas", "main"),
        *(word for option in mirrors for word in (option, address)),
        *("--binary-images", "iso-hybrid", "--bootloaders", "grub-pc,grub-efi", "--uefi-secure-boot", "enable"),
        *("--chroot-squashfs-compression-type", recipe.compression),
        *("--chroot-squashfs-compression-level", str(recipe.compression_level or "")),
        *("--linux-packages", "linux-image", "--linux-flavours", flavour(recipe)),
        *("--debootstrap-options", "--variant=minbase --include=usr-is-merged"),
        *("--bootappend-live", recipe.cmdline, "--iso-volume", recipe.volume),
        *(word for option in off for word in (f"--{option}", "false")),
        *(word for option in none for word in (f"--{option}", "none")),
    ]


def flavour(recipe: Recipe) -> str:
    """The kernel's, by the name of the recipe's package of it."""
    return next(name for name in recipe.packages if name.startswith("linux-image-")).removeprefix("linux-image-")


def sizes(iso: Path, work: Path) -> tuple[int, int]:
    """The sizes of squashfs and initrd in an ISO."""
    listing = work / "listing"
    command(["xorriso", "-indev", str(iso), "-find", "/live", "-type", "f", "-exec", "lsdl"], listing)
    found = {"filesystem.squashfs": 0, "initrd.img": 0}
    for line in listing.read_text(errors="replace").splitlines():
        for name in found:
            if f"/{name}" in line:
                found[name] = int(line.split()[4])
    return found["filesystem.squashfs"], found["initrd.img"]


def compare(ours: Result, theirs: Result) -> None:
    """Show what each made, so that a reader can judge whether the times may be compared."""
    rows = [("", "repro", "live-build"), ("packages", str(len(ours.packages)), str(len(theirs.packages)))]
    rows += [
        (f"{name}, MB", f"{getattr(ours, name) / 1e6:.1f}", f"{getattr(theirs, name) / 1e6:.1f}")
        for name in ("iso", "squashfs", "initrd")
    ]
    for row in rows:
        print(f"{row[0]:14}{row[1]:>12}{row[2]:>12}")
    print("only in repro's:", ", ".join(sorted(ours.packages - theirs.packages)) or "nothing")
    print("only in live-build's:", ", ".join(sorted(theirs.packages - ours.packages)) or "nothing")


def fresh(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)  # nothing is mounted there: see live_build
    folder.mkdir(parents=True)
    return folder


def command(
    argv: list[str], log: Path, *, cwd: Path | None = None, inherit: bool = False, append: bool = False
) -> float:
    """Run `argv`, what it says in `log`; the seconds that it took. Ends the benchmark where it fails."""
    began = time.monotonic()
    with open(log, "ab" if append else "wb") as file:
        env = dict(os.environ) if inherit else BASE
        done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False)
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise SystemExit(f"{tail}\nbench/build: {argv[0]} exited with {done.returncode}; all of it is in {log}")
    return time.monotonic() - began


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
