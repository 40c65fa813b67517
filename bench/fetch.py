"""Time `repro fetch` of a lock of some 300 packages against `apt-get download` of the same, from the same mirror.

Both know their indexes already (apt its lists, repro its store) and begin with no package; both check every hash. The
snapshot archive that repro could ask is a `repro serve` here, whose log tells how often it did. The last line is
`fetch_ratio=… snapshot_requests=…`, the former of the medians.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from repro.model import lock as locks
from repro.model import recipe as recipes
from repro.model.lock import Lock
from repro.snapshot.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]
REPRO = [sys.executable, "-m", "repro.cli.main", "--progress", "none"]
BESIDES = [
    "build-essential", "curl", "git", "gnupg", "jq", "htop", "lvm2", "nmap", "openssh-client", "python3-requests",
    "rsync", "sqlite3", "strace", "subversion", "tcpdump", "tmux", "vim",
]  # fmt: skip


def main() -> int:
    options = arguments()
    mirrors = load_settings().mirrors["debian"]
    if not mirrors:
        print("bench/fetch: the host's apt sources name no Debian mirror", file=sys.stderr)
        return 4
    with tempfile.TemporaryDirectory(prefix="repro-bench-fetch-", dir=options.work) as name:
        work = Path(name)
        project(work)
        env = {"PATH": os.environ["PATH"], "HOME": str(work), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
        env |= {"REPRO_MIRROR_DEBIAN": f"- {mirrors[0]}"}
        run([*REPRO, "--store", str(work / "indexes"), "lock", "bench"], work, env)
        lock = locks.decode((work / "recipes/bench/recipe.lock").read_text(), "recipe.lock")
        apt = apt_command(work, mirrors[0], env)
        wanted = [f"{package.name}={package.version}" for package in lock.packages]
        size = sum(package.size for package in lock.packages) / 1e6
        say(f"{len(wanted)} packages, {size:.0f} MB, from {mirrors[0]}")
        ours, theirs = [], []
        with snapshot_archive(work, env) as (address, log):
            env["REPRO_SNAPSHOT_URL"] = address
            for number in range(options.repeats + 1):
                one = time_apt(work, [*apt, "download", *wanted], env, lock)
                other = time_repro(work, env, lock)
                say(f"apt-get download {one:.2f} s, repro fetch {other:.2f} s{'' if number else ' (to warm up)'}")
                if number:
                    theirs.append(one)
                    ours.append(other)
            requests = len(log.read_text().splitlines()) if log.exists() else 0
    ratio = statistics.median(ours) / statistics.median(theirs)
    say(f"medians: apt-get download {statistics.median(theirs):.2f} s, repro fetch {statistics.median(ours):.2f} s")
    print(f"fetch_ratio={ratio:.2f} snapshot_requests={requests}")
    return 0


def project(work: Path) -> None:
    """The pins of this project, and a recipe on them with some 300 packages."""
    shutil.copytree(ROOT / "snapshots", work / "snapshots")
    text = (ROOT / "recipes/minimal/recipe.toml").read_text(encoding="utf-8")
    minimal = recipes.decode("minimal", text, "recipe.toml")
    packages = ", ".join(f'"{each}"' for each in sorted({*minimal.packages, *BESIDES}))
    (work / "recipes/bench").mkdir(parents=True)
    (work / "recipes/bench/recipe.toml").write_text(
        'schema = "repro/recipe/v1"\nsummary = "Some 300 packages to fetch"\npins = "bookworm"\n'
        f'architecture = "amd64"\npackages = [{packages}]\noutputs = ["squashfs"]\n'
    )


def apt_command(work: Path, mirror: str, env: Mapping[str, str]) -> list[str]:
    """apt-get with a state of its own, which knows bookworm as `mirror` serves it."""
    state = work / "apt"
    for each in ("lists/partial", "cache/archives/partial"):
        (state / each).mkdir(parents=True)
    (state / "status").touch()
    keys = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
    (state / "sources.list").write_text(f"deb [{keys}] {mirror} bookworm main\n")
    command = [
        "apt-get", "-q", f"-oDir::Etc::sourcelist={state}/sources.list", "-oDir::Etc::sourceparts=/dev/null",
        f"-oDir::State::lists={state}/lists", f"-oDir::Cache={state}/cache", f"-oDir::State::status={state}/status",
        "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none",
    ]  # fmt: skip
    run([*command, "update"], work, env)
    return command


def time_apt(work: Path, command: Sequence[str], env: Mapping[str, str], lock: Lock) -> float:
    folder = work / "debs"
    folder.mkdir()
    seconds = run(command, folder, env)
    got = len(list(folder.glob("*.deb")))
    if got != len({package.sha256 for package in lock.packages}):
        raise SystemExit(f"bench/fetch: apt-get brought {got} packages")
    shutil.rmtree(folder)
    return seconds


def time_repro(work: Path, env: Mapping[str, str], lock: Lock) -> float:
    store = work / "store"
    shutil.copytree(work / "indexes", store)
    seconds = run([*REPRO, "--store", str(store), "fetch", "bench"], work, env)
    lost = [
        each.name for each in lock.packages if not (store / "blobs/sha256" / each.sha256[:2] / each.sha256).exists()
    ]
    if lost:
        raise SystemExit(f"bench/fetch: repro did not bring {', '.join(lost[:5])}")
    shutil.rmtree(store)
    return seconds


@contextmanager
def snapshot_archive(work: Path, env: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """A snapshot archive that has nothing; its address and its log."""
    log = work / "snapshot.log"
    serve = [*REPRO, "--store", str(work / "none"), "serve", "--bind", "127.0.0.1:0", "--access-log", str(log)]
    with subprocess.Popen(
        serve, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip(), log
        finally:
            process.terminate()


def run(argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> float:
    """Run a command that has to succeed; the seconds that it took."""
    started = time.monotonic()
    done = subprocess.run(argv, cwd=folder, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench/fetch: {' '.join(argv[:6])} …: exit {done.returncode}\n{done.stderr[-2000:]}")
    return time.monotonic() - started


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/fetch", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-n", "--repeats", type=int, default=5, help="runs of each, taken in turn")
    parser.add_argument("--work", type=Path, help="folder for temporary files")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
