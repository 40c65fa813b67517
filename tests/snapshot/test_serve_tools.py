"""The programs that people use with snapshot.debian.org, as Debian ships them, with `repro serve` in its place.

debootsnap and debuerreotype have the hosts snapshot.debian.org and metasnap.debian.net built in; `http_proxy` leads
them here. All run with real packages from the mirror.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from debian.deb822 import Deb822, Packages

from repro.snapshot.hosts import mirrors
from tests.schemas import check
from tests.snapshot.serving import Served, serving
from tests.snapshot.world import ROOT

pytestmark = [pytest.mark.build, pytest.mark.network, pytest.mark.xdist_group("serve-tools")]
SYSTEM = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"  # of the host: these programs are not of our environment


@dataclass(frozen=True)
class Debian:
    """bookworm, bookworm-updates and bookworm-security served as of their imports; `base` is the archive's root at the
    main suite's time."""

    served: Served
    stamps: dict[str, str]
    folder: Path

    @property
    def base(self) -> str:
        return f"{self.served.base}/archive/debian/{self.stamps['debian']}"

    def run(self, *argv: str, proxy: bool = False, code: int = 0) -> subprocess.CompletedProcess[str]:
        env = {"PATH": SYSTEM, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        if proxy:
            env |= {"http_proxy": self.served.base, "no_proxy": "localhost,127.0.0.1"}
        done = subprocess.run(argv, env=env, cwd=self.folder, capture_output=True, text=True, check=False, timeout=540)
        assert done.returncode == code, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    if os.getuid() != 0:
        pytest.skip("host: debootstrap and debuerreotype need root")
    if not mirrors()["debian"]:
        pytest.skip("host: no source of Debian's packages")
    folder = tmp_path_factory.mktemp("debian")
    with in_memory(folder):
        yield from served_debian(folder)


@contextmanager
def in_memory(folder: Path) -> Iterator[None]:
    """A tmpfs at `folder`, where it can be had: dpkg waits for the disk after every file."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


def served_debian(folder: Path) -> Iterator[Debian]:
    folder.chmod(0o755)
    for name in ("recipes", "snapshots"):
        (folder / name).mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    store = folder / "store"

    def repro(*args: str) -> str:
        argv = [sys.executable, "-m", "repro.cli.main", "-q", "--store", str(store), *args]
        done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for suite in ("bookworm", "bookworm-updates"):
        repro("pin", "add", "debian", "--archive", "debian", "--suite", suite)
    repro("pin", "add", "debian", "--archive", "debian-security", "--suite", "bookworm-security")
    chosen = ("--package", "apt", "--package", "usr-is-merged", "--priority", "required", "--source", "hello")
    imports = check(repro("serve", "import", "debian", *chosen, "--json"))["imports"]
    newest: dict[str, str] = {}
    for row in imports:
        newest[row["archive"]] = max(row["timestamp"], newest.get(row["archive"], ""))
    with serving(store, env, folder) as served:
        yield Debian(served, newest, folder)


def installed(status: str) -> dict[str, str]:
    """Version by package in a file of dpkg's status."""
    stanzas = Deb822.iter_paragraphs(status.splitlines(), use_apt_pkg=False)
    return {each["Package"]: each["Version"] for each in stanzas}


def apt(debian: Debian, name: str, base: str) -> list[str]:
    """apt-get with a state of its own in the folder `name`, updated from `base`."""
    root = debian.folder / name
    for each in ("lists/partial", "cache/archives/partial"):
        (root / each).mkdir(parents=True)
    (root / "status").touch()
    signed = "[check-valid-until=no signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    lines = "".join(f"{kind} {signed} {base} bookworm main\n" for kind in ("deb", "deb-src"))
    (root / "sources.list").write_text(lines)
    command = [
        "apt-get", f"-oDir::Etc::sourcelist={root}/sources.list", "-oDir::Etc::sourceparts=/dev/null",
        f"-oDir::State::lists={root}/lists", f"-oDir::Cache={root}/cache", f"-oDir::State::status={root}/status",
        "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none",
    ]  # fmt: skip
    debian.run(*command, "update", "--error-on=any")
    return command


def test_apt(debian: Debian) -> None:
    """apt updates, verifies, and downloads packages and a source, at a time between imports."""
    command = apt(debian, "apt", debian.base.replace(debian.stamps["debian"], "20991231T000000Z"))
    debian.run(*command, "download", "apt", "libc6")
    debian.run(*command, "--download-only", "source", "hello")
    assert {"apt", "libc6", "hello"} <= {path.name.split("_")[0] for path in debian.folder.glob("*_*")}
    again = debian.run(*command, "update").stdout  # nothing changed: 304
    assert "Hit:" in again
    assert "Get:" not in again


def test_debootstrap(debian: Debian) -> None:
    done = debian.run("debootstrap", "--variant=minbase", "bookworm", "root", debian.base)
    assert "Base system installed successfully" in done.stdout
    assert "apt" in installed((debian.folder / "root/var/lib/dpkg/status").read_text())


def test_debuerreotype(debian: Debian) -> None:
    """It asks snapshot.debian.org for a day, through the proxy: there the archives are as of their last imports."""
    today = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    debian.run("debuerreotype-init", "rootfs", "bookworm", today, proxy=True)
    sources = (debian.folder / "rootfs/etc/apt/sources.list.d/debian.sources").read_text()
    assert {"bookworm", "bookworm-updates", "bookworm-security"} <= set(sources.split())


def test_mmdebstrap(debian: Debian) -> None:
    line = f"deb [check-valid-until=no] {debian.base} bookworm main"
    debian.run("mmdebstrap", "--variant=essential", "bookworm", "essential.tar", line)
    assert "dpkg" in status_of(debian.folder / "essential.tar")


def test_debootsnap(debian: Debian) -> None:
    """It finds packages by name and version at metasnap, and makes a system of exactly them."""
    planned = debian.run(
        *apt(debian, "plan", debian.base), "-s", "--no-install-recommends", "install", "?essential"
    ).stdout
    packages = dict(re.findall(r"(?m)^Inst (\S+) \((\S+) ", planned))
    assert "dpkg" in packages
    wanted = ",".join(f"{name}:amd64={version}" for name, version in sorted(packages.items()))
    listed = debian.run("debootsnap", f"--packages={wanted}", "--sources-list-only", proxy=True).stdout
    line = r"deb \[check-valid-until=no\] http://snapshot.debian.org/archive/debian/\w+/ bookworm main\n"
    assert re.fullmatch(line, listed)
    tar = debian.folder / "snap.tar"
    debian.run("debootsnap", f"--packages={wanted}", str(tar), proxy=True)
    made = status_of(tar)
    assert {name: version for name, version in made.items() if name != "debootsnap-dummy"} == packages


def status_of(tar: Path) -> dict[str, str]:
    with tarfile.open(tar) as archive:
        stream = archive.extractfile("./var/lib/dpkg/status")
        assert stream
        return installed(stream.read().decode())


def test_debrebuild(debian: Debian) -> None:
    """It has debootsnap find what a .buildinfo names, and prints how to build."""
    listed = debian.run("curl", "-s", f"{debian.base}/dists/bookworm/main/binary-amd64/Packages").stdout
    versions = {}
    for stanza in listed.split("\n\n"):
        if stanza.startswith(("Package: base-files\n", "Package: libc6\n", "Package: dpkg\n")):
            fields = Packages(stanza)
            versions[fields["Package"]] = fields["Version"]
    depends = ",\n ".join(f"{name} (= {version})" for name, version in versions.items())
    (debian.folder / "input.buildinfo").write_text(
        "Format: 1.0\nSource: hello\nBinary: hello\nArchitecture: amd64\nVersion: 2.10-3\nBuild-Architecture: amd64\n"
        f"Checksums-Sha256:\n {'0' * 64} 1 hello_2.10-3_amd64.deb\nInstalled-Build-Depends:\n {depends}\n"
        'Environment:\n DEB_BUILD_OPTIONS="parallel=1"\n'
    )
    said = debian.run("debrebuild", "--builder=none", "input.buildinfo", proxy=True).stdout
    assert re.search(r"http://snapshot.debian.org/archive/debian/\w+/ bookworm main", said)
