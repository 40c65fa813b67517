"""A hostile hook gets at nothing of the host: neither files nor processes, devices, networks or kernel settings."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.attacks import ATTACKS, program
from tests.sandbox.world import Sandbox

TREE = "/tree"


@dataclass
class Host:
    """Things on the host that an attack would get at, all of them open to every user of the host."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="repro-host-")))
    mark: str = field(default_factory=lambda: f"mark-{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        self.folder.chmod(0o777)
        (self.folder / "secret").write_text("the secret\n")
        (self.folder / "secret").chmod(0o644)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.abstract, self.file = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0{self.mark}")
        self.file.bind(str(self.folder / "socket"))
        (self.folder / "socket").chmod(0o777)
        for listening in (self.tcp, self.abstract, self.file):
            listening.listen()
        for each in self.sockets:
            each.setblocking(False)
        wait = "import sys; sys.stdin.read()"  # as long as these tests live, however long that is
        self.process = subprocess.Popen([sys.executable, "-c", wait, self.mark], stdin=subprocess.PIPE)
        self.key = uuid.uuid4().int & 0x7FFFFFFF
        self.shm = ctypes.CDLL(None).shmget(self.key, 4096, 0o1666)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return (self.tcp, self.udp, self.abstract, self.file)

    def facts(self) -> dict[str, Any]:
        home = Path.home()
        disk, number = disk_of_the_host()
        return {
            "secret": str(self.folder / "secret"),
            "marker": str(self.folder / "marker"),
            "home": str(home),
            "home_names": [name for name in sorted(os.listdir(home)) if name not in (".bashrc", ".profile")],
            "root_entry": shadow_of_root(),
            "mark": self.mark,
            "pid": self.process.pid,
            "shm": self.key,
            "disk": disk,
            "disk_number": number,
            "tcp": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "abstract": self.mark,
            "socket": str(self.folder / "socket"),
            "dns": "1.1.1.1",
        }

    def touched(self) -> list[str]:
        """What an attack left on the host."""
        found = [str(path) for path in self.folder.iterdir() if path.name not in ("secret", "socket")]
        found += [str(path) for path in (Path("/tmp/escaped"), Path("/tmp/disk"), Path("/tmp/jail")) if path.exists()]
        found += [str(one.getsockname()) for one in self.sockets if knocked(one)]
        return found if self.process.poll() is None else [*found, "the process was killed"]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        ctypes.CDLL(None).shmctl(self.shm, 0, None)
        for each in self.sockets:
            each.close()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def knocked(listening: socket.socket) -> bool:
    """Whether a connection or a datagram came in."""
    try:
        if listening.type == socket.SOCK_DGRAM:
            listening.recv(100)
        else:
            listening.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def disk_of_the_host() -> tuple[str, tuple[int, int]]:
    number = os.stat("/").st_dev
    for line in Path("/proc/partitions").read_text().splitlines()[2:]:
        major, minor, _, name = line.split()
        if not name.startswith(("ram", "loop")):
            return f"/dev/{name}", (int(major), int(minor))
    return "/dev/sda", (os.major(number), os.minor(number))


def shadow_of_root() -> str:
    try:
        return Path("/etc/shadow").read_text().splitlines()[0]
    except OSError:
        return "root:"


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


@pytest.fixture(scope="session")
def tree(sandbox: Sandbox) -> str:
    """A tree in the sandbox in which programs run as hooks do."""
    parts = "/usr /etc /bin /sbin /lib /lib64 /root"
    make = f"mkdir -p {TREE}/tmp {TREE}/mnt /mnt && chmod 1777 {TREE}/tmp && cp -al {parts} {TREE}"
    sandbox.run(["/bin/sh", "-c", make])
    sandbox.populate(TREE)
    return TREE


def test_the_host_is_open_to_those_outside(host: Host) -> None:
    """Else an attack that fails would say nothing."""
    fact = host.facts()
    assert Path(fact["secret"]).read_text() == "the secret\n"
    socket.create_connection(("127.0.0.1", fact["tcp"]), 2).close()
    for address in (f"\0{fact['abstract']}", fact["socket"]):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.1", fact["udp"]))
    assert all(knocked(one) for one in host.sockets)
    assert ctypes.CDLL(None).shmget(host.key, 0, 0) >= 0
    assert host.touched() == []


def test_the_attacks_get_through_where_nothing_is_in_their_way(host: Host) -> None:
    """Some of them, run outside: they are attacks, and say so."""
    for name in ("files: a secret that all may read", "network: connect", "processes: a process of the host by name"):
        ran = subprocess.run(
            [sys.executable, "-c", program(ATTACKS[name]), json.dumps(host.facts())],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.startswith("GOT THROUGH"), name
    assert knocked(host.tcp)


@pytest.mark.parametrize("place", ["toolchain", "tree"])
@pytest.mark.parametrize("attack", list(ATTACKS))
def test_no_attack_gets_through(sandbox: Sandbox, host: Host, tree: str, attack: str, place: str) -> None:
    root = tree if place == "tree" else None
    said = sandbox.python(program(ATTACKS[attack]), json.dumps(host.facts()), root=root)
    assert said.startswith("denied: "), said
    assert host.touched() == []


@pytest.mark.parametrize("place", ["toolchain", "tree"])
def test_the_way_out_of_a_chroot_ends_in_the_sandbox(sandbox: Sandbox, host: Host, tree: str, place: str) -> None:
    root = tree if place == "tree" else None
    sandbox.python(program(ATTACKS["files: out of a chroot"]), json.dumps(host.facts()), root=root)
    assert sandbox.get("/tmp/escaped") == b""
    sandbox.run(["rm", "/tmp/escaped"])


def test_powers(sandbox: Sandbox) -> None:
    lines = sandbox.python("print(open('/proc/self/status').read())").splitlines()
    status = dict(line.split(":\t") for line in lines if line)
    expected = sum(1 << number for number in (0, 1, 2, 3, 4, 5, 6, 7, 18, 31))
    assert int(status["CapBnd"], 16) == expected
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == expected
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert status["Seccomp"] == "2"
    assert sandbox.python("print(open('/proc/self/oom_score_adj').read())").split() == ["1000"]
    for name in ("SigBlk", "SigIgn"):
        assert int(status[name], 16) & ~(1 << 12 | 1 << 24) == 0, name  # Python itself ignores SIGPIPE and SIGXFSZ
