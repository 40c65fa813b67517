"""The HTTP client: offline it opens no socket, online it believes no header."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from repro.model.errors import InvalidInput
from repro.system.http import Http, HttpProblem, Offline, read_bounded

ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/good": (200, {"Content-Length": "5"}, b"bytes"),
    "/gzip": (200, {"Content-Length": "5", "Content-Encoding": "gzip"}, b"bytes"),
    "/short": (200, {"Content-Length": "50"}, b"bytes"),
    "/range": (206, {"Content-Range": "bytes 2-4/5", "Content-Length": "3"}, b"tes"),
    "/other-range": (206, {"Content-Range": "bytes 0-4/5", "Content-Length": "5"}, b"bytes"),
    "/odd-range": (206, {"Content-Length": "5"}, b"bytes"),
    "/busy": (503, {"Retry-After": "7", "Content-Length": "0"}, b""),
    "/busy-until": (503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT", "Content-Length": "0"}, b""),
    "/busy-odd": (503, {"Retry-After": "soon", "Content-Length": "0"}, b""),
    "/moved": (302, {"Location": "/good", "Content-Length": "0"}, b""),
    "/to-file": (302, {"Location": "file:///etc/passwd", "Content-Length": "0"}, b""),
    "/loop": (302, {"Location": "/loop", "Content-Length": "0"}, b""),
}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = ANSWERS.get(self.path, (404, {"Content-Length": "0"}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_offline_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged by the interpreter's own audit events."""
    seen: list[str] = []
    watching = [True]

    def audit(event: str, args: Any) -> None:
        if watching[0] and event.startswith("socket."):
            seen.append(event)

    sys.addaudithook(audit)
    http = Http(offline=True)
    for url in ("http://127.0.0.1:9/x", "https://mirror.example.org/debian", "ftp://x", "nonsense"):
        with pytest.raises(Offline) as caught:
            http.get(url, limit=10)
        assert url in caught.value.message
        assert caught.value.hint
    watching[0] = False
    assert seen == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "/etc/passwd", "", "javascript:1"])
def test_only_web_addresses(url: str) -> None:
    with pytest.raises(InvalidInput, match="not a http or https address"):
        Http().get(url, limit=10)


def test_bytes_come_as_the_server_holds_them(base: str) -> None:
    http = Http()
    assert http.get(f"{base}/good", limit=5) == b"bytes"
    assert http.get(f"{base}/gzip", limit=5) == b"bytes"  # never decoded
    assert http.get(f"{base}/moved", limit=5) == b"bytes"
    with http.stream(f"{base}/moved") as body:
        assert body.url == f"{base}/good"
        assert (body.start, body.total) == (0, 5)


def test_a_range_is_what_was_asked_for_or_refused(base: str) -> None:
    http = Http()
    with http.stream(f"{base}/range", start=2) as body:
        assert (body.start, body.total, read_bounded(body, 10)) == (2, 5, b"tes")
    with http.stream(f"{base}/good", start=2) as body:
        assert body.start == 0  # the server ignored the range
    for path in ("/other-range", "/odd-range"):
        with pytest.raises(HttpProblem) as caught, http.stream(base + path, start=2):
            pass
        assert caught.value.status == 416


@pytest.mark.parametrize(
    ("path", "status", "retry_after"),
    [
        ("/absent", 404, None),
        ("/busy", 503, 7.0),
        ("/busy-until", 503, 0.0),
        ("/busy-odd", 503, None),
        ("/to-file", 400, None),
        ("/loop", 400, None),
        ("/short", 0, None),
    ],
)
def test_problems_have_a_status_and_a_reason(base: str, path: str, status: int, retry_after: float | None) -> None:
    with pytest.raises(HttpProblem) as caught:
        Http().get(base + path, limit=1000)
    assert (caught.value.status, caught.value.retry_after) == (status, retry_after)
    assert base in caught.value.message
    assert "object at 0x" not in caught.value.message


@pytest.mark.parametrize("url", ["http://", "https:///path", f"http://{'a' * 70}/", "http://a..b/", "http://[::1/"])
def test_addresses_with_a_host_that_can_be_none(url: str) -> None:
    with pytest.raises(HttpProblem) as caught:
        Http().get(url, limit=10)
    assert caught.value.status == 400


def test_nobody_there_and_too_much(base: str) -> None:
    with pytest.raises(HttpProblem) as caught:
        Http().get("http://127.0.0.1:9/x", limit=10)
    assert caught.value.status == 0
    assert "refused" in caught.value.message
    assert "object at 0x" not in caught.value.message
    with pytest.raises(HttpProblem, match="larger than 4 bytes"):
        Http().get(f"{base}/good", limit=4)
