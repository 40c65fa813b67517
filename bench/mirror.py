"""A Debian mirror on the loopback interface that keeps what it was once asked for.

What is missing is fetched from the host's own mirrors and counted, so that a measurement can tell whether all came
from here. The pinned InRelease is served in place of the mirror's, so that both builders install the same versions.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from repro.model.errors import ReproError
from repro.snapshot.hosts import mirrors
from repro.system.http import Http, HttpProblem


class Mirror:
    """The archive `debian`, kept in `folder`; `misses` counts what had to be fetched from elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.misses = 0
        self._http = Http()
        self._lock = threading.Lock()

    def put(self, path: str, source: Path) -> None:
        """Offer `source` as `path` of the archive."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)

    def find(self, path: str) -> Path | None:
        """The file at `path` of the archive, fetched if need be; None where nobody has it."""
        target, absent = self.folder / path, self.folder / f"{path}.absent"
        with self._lock:
            if not target.is_file() and not absent.exists():
                self.misses += 1
                target.parent.mkdir(parents=True, exist_ok=True)
                if not self._fetch(path, target):
                    absent.touch()
        return target if target.is_file() else None

    def _fetch(self, path: str, target: Path) -> bool:
        part = target.with_name(target.name + ".part")
        for base in mirrors()["debian"]:
            try:
                with self._http.stream(f"{base}/{path}") as body, open(part, "wb") as file:
                    for chunk in body.chunks():
                        file.write(chunk)
            except HttpProblem as problem:
                if problem.status == 404:
                    continue
                raise
            os.replace(part, target)
            return True
        return False

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on 127.0.0.1; gives the base address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/debian"
        finally:
            server.shutdown()
            server.server_close()


def _handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            path = PurePosixPath(unquote(urlsplit(self.path).path).removeprefix("/debian/"))
            try:
                found = None if ".." in path.parts or path.is_absolute() else mirror.find(str(path))
            except ReproError as error:
                self.send_error(502, str(error.message)[:100])
                return
            if found is None:
                self.send_error(404)
                return
            with open(found, "rb") as file:
                self.send_response(200)
                self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
                self.end_headers()
                if body:
                    shutil.copyfileobj(file, self.wfile, 1 << 20)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
