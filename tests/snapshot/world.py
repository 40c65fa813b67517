"""A small signed archive, a server for it that misbehaves on demand, and a project that locks its packages."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import random
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pysequoia import ArmorKind, Cert, SignatureMode, Tsk, armor, sign
from pysequoia.packet import PacketPile

from repro.lock.resolve import inputs_digest
from repro.model.lock import Lock, LockedIndex, LockedPackage
from repro.model.lock import encode as encode_lock
from repro.model.pin import TIMESTAMP, Pin, PinSet
from repro.model.recipe import decode
from repro.sandbox.toolchain import PACKAGES
from repro.snapshot.pins import Evidence, save_pin_set

ROOT = Path(__file__).resolve().parents[2]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def clear_sign(key: Tsk, text: bytes) -> bytes:
    return bytes(sign(key.signer(), text, mode=SignatureMode.CLEAR))


def sign_by_all(keys: list[Tsk], text: bytes) -> bytes:
    """One clear-signed message with a signature by each of `keys`."""
    messages = [clear_sign(key, text) for key in keys]
    start = messages[0].index(b"-----BEGIN PGP SIGNATURE")
    packets = b"".join(
        bytes(packet)
        for message in messages
        for packet in PacketPile.from_bytes(message[message.index(b"-----BEGIN PGP SIGNATURE") :])
    )
    return messages[0][:start] + armor(packets, ArmorKind.Signature).encode()


def release_text(date: datetime, files: dict[str, bytes], codename: str = "tiny", extra: str = "") -> bytes:
    rows = "".join(f" {sha256(data)} {len(data):8} {path}\n" for path, data in sorted(files.items()))
    when = format_datetime(date.replace(tzinfo=None)).replace("-0000", "UTC")
    return f"Origin: Test\nSuite: oldtiny\nCodename: {codename}\nDate: {when}\n{extra}SHA256:\n{rows}".encode()


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class Server:
    """Serves `files` by URL path. `faults[path]` is a list of behaviours, the first is used up by the next request:
    ("status", code, headers), ("cut", bytes_sent), ("bytes", body), ("bytes-cut", body, bytes_sent), ("no-range",),
    ("slow", bytes_per_second). With `tags` it sends ETags and heeds If-Range. `times` are those of `log`."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    log: list[tuple[str, str | None, int]] = field(default_factory=list)
    heads: list[tuple[str, str | None, int]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    tags: bool = False

    def __enter__(self) -> Server:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}"
        return self

    def __exit__(self, *args: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def asked(self, path: str) -> list[tuple[str, str | None, int]]:
        """(path, Range header, status) of each request of `path`."""
        return [row for row in self.log if row[0] == path]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (Handler,), {"serves": self})


class Handler(BaseHTTPRequestHandler):
    """Answers for the Server `serves`."""

    serves: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # header and body are two packets, and the second would wait for 40 ms

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        faults = self.serves.faults.get(self.path, [])
        fault = faults.pop(0) if faults else ("good",)
        status, extra, body = self._answer(fault)
        if self.command == "GET":
            self.serves.times.append(time.monotonic())
        log = self.serves.log if self.command == "GET" else self.serves.heads
        log.append((self.path, self.headers.get("Range"), status))
        self.send_response(status)
        for key, value in extra.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self._send(fault, body)

    def _answer(self, fault: tuple[Any, ...]) -> tuple[int, dict[str, str], bytes]:
        if fault[0] == "status":
            return fault[1], fault[2], b"told to"
        body = fault[1] if fault[0] in ("bytes", "bytes-cut") else self.serves.files.get(self.path)
        if body is None:
            return 404, {}, b"nothing here"
        wanted = self.headers.get("Range") if fault[0] != "no-range" else None
        if not self.serves.tags:
            return ranged(wanted, body)
        tag = f'"{sha256(body)}"'
        status, extra, part = ranged(wanted if self.headers.get("If-Range", tag) == tag else None, body)
        return status, extra | {"ETag": tag}, part

    def _send(self, fault: tuple[Any, ...], body: bytes) -> None:
        if fault[0] in ("cut", "bytes-cut"):
            self.wfile.write(body[: fault[-1]])
            self.close_connection = True
        elif fault[0] == "slow":
            step = max(1, fault[1] // 20)
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                time.sleep(0.05)
        else:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def ranged(header: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
    match = re.fullmatch(r"bytes=(\d+)-", header or "")
    if not match:
        return 200, {}, body
    start = int(match[1])
    if start >= len(body):
        return 416, {}, b""
    return 206, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, body[start:]


class World:
    """A project in `folder` with the recipe `tiny`, whose lock names the packages of a signed archive: some of random
    bytes, or `debs` by path."""

    def __init__(
        self, folder: Path, sizes: tuple[int, ...] = (3000, 20000, 70000), debs: dict[str, bytes] | None = None
    ) -> None:
        self.folder = folder
        self.key = Tsk.generate("Archive <archive@example.org>")
        self.store = folder / "store"
        self.indexes: dict[str, bytes] = {}
        self.bodies = debs or {
            f"pool/main/p/pkg{number}/pkg{number}_1.0+b{number}_amd64.deb": random.Random(number).randbytes(size)
            for number, size in enumerate(sizes)
        }
        self.date = now() - timedelta(seconds=5)
        self._index()
        self.timestamp = self.date.strftime(TIMESTAMP)
        self._write_project()

    def change_first_package(self, body: bytes) -> None:
        """Let the archive have other bytes of pkg0 under the same name and version."""
        self.bodies[next(iter(self.bodies))] = body
        self._index()

    def _index(self) -> None:
        rows = (
            f"Package: {name}\nSource: {name} (1.0)\nVersion: {version}\nArchitecture: {architecture}\n"
            f"Filename: {path}\nSize: {len(body)}\nSHA256: {sha256(body)}\n\n"
            for path, body in self.bodies.items()
            for name, version, architecture in [named(path)]
        )
        self.packages = "".join(rows).encode() * 50
        self.indexes |= {
            "main/binary-amd64/Packages": self.packages,
            "main/binary-amd64/Packages.gz": gzip.compress(self.packages),
            "main/binary-amd64/Packages.xz": lzma.compress(self.packages),
        }
        self.inrelease = clear_sign(self.key, release_text(self.date, self.indexes))

    @property
    def certificate(self) -> Cert:
        return self.key.extract_certificate()

    def tree(self, root: str = "/debian") -> dict[str, bytes]:
        """What a mirror of the archive serves, by URL path; indexes by hash and by name, compressed only."""
        files = {f"{root}/{path.replace('+', '%2B')}": body for path, body in self.bodies.items()}
        files[f"{root}/dists/tiny/InRelease"] = self.inrelease
        for path, body in self.indexes.items():
            if path.endswith("z"):
                files[f"{root}/dists/tiny/{path}"] = body
                files[f"{root}/dists/tiny/main/binary-amd64/by-hash/SHA256/{sha256(body)}"] = body
        return files

    def url_path(self, number: int, root: str = "/debian") -> str:
        return f"{root}/{list(self.bodies)[number]}".replace("+", "%2B")

    def environment(self, *mirrors: str, snapshot: str = "http://127.0.0.1:9") -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "REPRO_MIRROR_DEBIAN": " ".join(("-", *mirrors)),
            "REPRO_SNAPSHOT_URL": snapshot,
        }

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "repro.cli.main", "--store", str(self.store), "--progress", "plain", *args]

    def run(self, *args: str, env: dict[str, str], code: str | None = None) -> subprocess.CompletedProcess[str]:
        """`repro ARGS`; `code` is Python to run instead of the module, before which sys.argv is set."""
        argv = self.command(*args)
        if code:
            argv = [sys.executable, "-c", code, *argv[3:]]
        return subprocess.run(argv, env=env, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)

    def stored(self) -> set[str]:
        return {path.name for path in (self.store / "blobs").rglob("*") if path.is_file()}

    def _write_project(self) -> None:
        pin = Pin(
            "debian", "tiny", ("main",), ("amd64",), self.timestamp, sha256(self.inrelease),
            (self.certificate.fingerprint.upper(),),
        )  # fmt: skip
        pins = PinSet("tiny", (pin,))
        save_pin_set(self.folder / "snapshots", pins, {"debian/tiny": Evidence(self.inrelease)}, [self.certificate])
        locked = tuple(
            LockedPackage(*named(path), f"{named(path)[0]} 1.0", path, len(body), sha256(body), "debian/tiny")
            for path, body in self.bodies.items()
        )
        index = LockedIndex("debian/tiny", "main/binary-amd64/Packages", len(self.packages), sha256(self.packages))
        recipe = self.folder / "recipes" / "tiny"
        recipe.mkdir(parents=True)
        text = (
            'schema = "repro/recipe/v1"\nsummary = "A test"\npins = "tiny"\narchitecture = "amd64"\n'
            f'packages = ["{named(next(iter(self.bodies)))[0]}"]\noutputs = ["iso"]\n'
        )
        (recipe / "recipe.toml").write_text(text)
        inputs = inputs_digest(decode("tiny", text, "recipe.toml"), pins, PACKAGES)
        (recipe / "recipe.lock").write_text(encode_lock(Lock("tiny", inputs, 1, (index,), locked, ())))


def named(path: str) -> tuple[str, str, str]:
    """Name, version (without its epoch) and architecture of the .deb at `path`."""
    name, version, architecture = path.rpartition("/")[2].removesuffix(".deb").split("_")
    return name, version, architecture


def needed(world: World) -> set[str]:
    """The SHA-256 of all that the lock of `world` names."""
    return {sha256(data) for data in (world.packages, *world.bodies.values())}
