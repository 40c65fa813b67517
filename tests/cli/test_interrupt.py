"""Ctrl-C, while a server stalls: exit 130 within a second or so, and what has arrived is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.worlds import world_with_lock
from tests.snapshot.world import World, sha256

# A process that a shell put into the background ignores SIGINT and would hand that down to us.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from repro.cli.main import main; main()"
)


@pytest.fixture
def stalling(tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A world whose mirror sends half of every file and then says nothing more."""
    world = world_with_lock(tmp_path, (1_200_000, 1_200_000))
    files, release = world.tree(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            release.wait(60)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield world, f"http://127.0.0.1:{server.server_address[1]}/debian"
    release.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("progress", ["plain", "json", "none"])
def test_interrupted_fetch(stalling: tuple[World, str], progress: str) -> None:
    world, mirror = stalling
    argv = [sys.executable, "-c", MAIN, "--store", str(world.store), "--progress", progress, "fetch", "tiny"]
    process = subprocess.Popen(
        argv, env=world.environment(mirror), cwd=world.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    partials = [world.store / "partial" / sha256(body) for body in world.bodies.values()]
    deadline = time.monotonic() + 30
    while not all(path.exists() and path.stat().st_size > 0 for path in partials):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"it did not get as far: {process.communicate()[1]}")
        time.sleep(0.02)
    sizes = [path.stat().st_size for path in partials]
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    took = time.monotonic() - sent
    assert process.returncode == 130, said
    assert took < 2.5, f"{took:.1f} s"
    assert "interrupted" in said
    assert "Traceback" not in said
    assert all(path.stat().st_size >= size > 0 for path, size in zip(partials, sizes, strict=True))
