"""A server of an archive that misbehaves by a plan, as real mirrors, proxies and snapshot archives do."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ALWAYS = 1 << 30


@dataclass(frozen=True)
class Fault:
    """`kind` happens to the first `times` requests of a path; `number` is its parameter: of how many bytes, at which
    place."""

    kind: str
    times: int = ALWAYS
    number: int = 0


@dataclass
class FaultServer:
    """Serves `files` by URL path, `faults` by the same. `elsewhere` is the base address that redirects lead to."""

    files: dict[str, bytes]
    faults: dict[str, Fault]
    elsewhere: str = ""
    requests: list[tuple[float, str, str | None]] = field(default_factory=list)
    most_at_once: int = 0

    def __enter__(self) -> FaultServer:
        self._counts: Counter[str] = Counter()
        self._lock, self._running = threading.Lock(), 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that went away
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}"
        return self

    def __exit__(self, *args: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def asked(self, path: str) -> list[str | None]:
        """The Range header of each request of `path`."""
        return [wanted for _, each, wanted in self.requests if each == path]

    @contextlib.contextmanager
    def counted(self, path: str, wanted: str | None):  # type: ignore[no-untyped-def]  # a fault or none
        with self._lock:
            self.requests.append((time.monotonic(), path, wanted))
            self._counts[path] += 1
            fault = self.faults.get(path)
            now = fault if fault and self._counts[path] <= fault.times else None
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        try:
            yield now
        finally:
            with self._lock:
                self._running -= 1


STATUS = {"404": 404, "429": 429, "429-later": 429, "500": 500, "503": 503, "509": 509}
KINDS = (
    *STATUS, "reset", "silence", "truncated", "short", "overlong", "more-than-said", "wrong-bytes", "drip",
    "range-elsewhere", "range-lies", "no-range", "loop", "moved", "moved-wrong",
)  # fmt: skip
WRONG = ("wrong-bytes", "short", "overlong", "moved-wrong", "range-lies")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: FaultServer

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        with self.owner.counted(self.path, wanted) as fault:
            body = self.owner.files.get(self.path)
            kind = fault.kind if fault else ""
            if kind in STATUS:
                later = {"Retry-After": "1"} if kind == "429-later" else {}
                self._send(STATUS[kind], later, b"as planned")
            elif body is None:
                self._send(404, {}, b"nothing here")
            elif kind in ("loop", "moved", "moved-wrong"):
                there = {"loop": self.path, "moved": f"{self.owner.elsewhere}/right{self.path}"}
                self._send(302, {"Location": there.get(kind, f"{self.owner.elsewhere}/wrong{self.path}")}, b"")
            else:
                self._serve(kind, fault.number if fault else 0, body, wanted)

    def _serve(self, kind: str, number: int, body: bytes, wanted: str | None) -> None:
        if kind == "wrong-bytes":
            at = number % len(body)
            body = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        elif kind == "short":
            body = body[: number % len(body)]
        elif kind == "overlong":
            body += b"more" * (1 + number % 9)
        start = _start(wanted if kind != "no-range" else None, len(body))
        if start is None:
            self._send(416, {}, b"")
            return
        headers, status = {}, 200
        if start or (wanted and kind != "no-range"):
            said = start + (1 + number % 100 if kind == "range-elsewhere" else 0)
            total = len(body) + (7 if kind == "range-lies" else 0)
            headers, status = {"Content-Range": f"bytes {said}-{len(body) - 1}/{total}"}, 206
        self._send(status, headers, body[start:], kind, number)

    def _send(self, status: int, headers: dict[str, str], body: bytes, kind: str = "", number: int = 0) -> None:
        if kind == "silence":
            self._hang_up(reset=False)
            return
        self.send_response(status)
        for key, text in headers.items():
            self.send_header(key, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        part = body[: number % max(1, len(body))]
        if kind in ("reset", "truncated"):
            self.wfile.write(part)
            self._hang_up(reset=kind == "reset")
        elif kind == "drip":
            for start in range(0, len(body), 64):
                self.wfile.write(body[start : start + 64])
                time.sleep(0.02)
        else:
            self.wfile.write(body + (b"surplus" * 50 if kind == "more-than-said" else b""))
            self.close_connection = kind == "more-than-said" or self.close_connection

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def log_message(self, *args: object) -> None:
        pass


def _start(header: str | None, size: int) -> int | None:
    match = re.fullmatch(r"bytes=(\d+)-", header or "")
    if not match:
        return 0
    return int(match[1]) if int(match[1]) < size else None


def elsewhere(files: dict[str, bytes]) -> dict[str, bytes]:
    """What another host serves, to which redirects lead: below /right what should be there, below /wrong not."""
    right = {f"/right{path}": body for path, body in files.items()}
    return right | {f"/wrong{path}": random.Random(path).randbytes(len(body)) for path, body in files.items()}


def blobs(store: Path) -> list[Path]:
    return [path for path in (store / "blobs").rglob("*") if path.is_file()]
