"""The HTTP service, compatible with snapshot.debian.org: files by archive, time and path, or by SHA-1; questions.

    /archive/ARCHIVE/TIMESTAMP/PATH    a file, or what is in a folder; a time between two imports leads to the earlier
    /file/SHA1                         a file by its hash
    /mr/…, /cgi-bin/api                see repro.snapshot.server.machine
    /healthz                           whether the catalogue can be read, and what is in it

No part of a request becomes a path on this machine: a name is looked up in the catalogue, and what is sent is a blob
that was hashed when this process sent it first.
"""

from __future__ import annotations

import html
import os
import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from email.utils import format_datetime
from typing import IO, Protocol
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from repro.model.errors import ReproError
from repro.model.pin import parse_timestamp
from repro.model.text import printable
from repro.snapshot.server.catalogue import Catalogue, Sum
from repro.snapshot.server.machine import Answer, Machine

QUESTION_LIMIT = 1 << 20  # bytes of a POST to /cgi-bin/api
_PACKAGE = re.compile(r"([a-z0-9][a-z0-9.+-]*):([a-z0-9-]+)=([0-9A-Za-z.+:~-]+)")
_TIME = re.compile(r"(\d{8})(T\d{6}Z)?")
_MR = "/mr/package/{source}/{version}"


class Blobs(Protocol):
    """What the server asks of a store."""

    def path(self, sha256: str) -> os.PathLike[str]: ...

    def open_verified(self, sha256: str, size: int | None = None) -> AbstractContextManager[IO[bytes]]: ...


class Service:
    """The application over a catalogue and a store's blobs."""

    def __init__(self, catalogue: Catalogue, blobs: Blobs, log: Callable[[str], None]) -> None:
        self._catalogue, self._blobs, self._machine, self._log = catalogue, blobs, Machine(catalogue), log
        self._checked: dict[str, tuple[int, int, int]] = {}
        self._lock = threading.Lock()

    def app(self) -> Starlette:
        ask = self._machine
        routes = [
            Route("/", self._front),
            Route("/healthz", self._health),
            Route("/archive/", self._archives),
            Route("/archive/{archive}/", self._imports),
            Route("/archive/{archive}/{timestamp}/{path:path}", self._archive),
            Route("/file/{sha1}", self._file),
            Route("/cgi-bin/api", self._ranges, methods=["POST"]),
            Route("/mr/timestamp/", self._timestamps),
            Route("/mr/package/", _answering(lambda asked, info: ask.packages())),
            Route("/mr/package/{source}/", _answering(lambda asked, info: ask.versions(**asked))),
            Route(f"{_MR}/srcfiles", _answering(lambda asked, info: ask.source_files(**asked, info=info))),
            Route(f"{_MR}/binpackages", _answering(lambda asked, info: ask.binary_packages(**asked))),
            Route(f"{_MR}/allfiles", _answering(lambda asked, info: ask.all_files(**asked, info=info))),
            Route(
                f"{_MR}/binfiles/{{name}}/{{binary}}",
                _answering(lambda asked, info: ask.files_of_source(**asked, info=info)),
            ),
            Route("/mr/binary/{name}/", _answering(lambda asked, info: ask.binary_versions(**asked))),
            Route(
                "/mr/binary/{name}/{version}/binfiles",
                _answering(lambda asked, info: ask.files_of_binary(**asked, info=info)),
            ),
            Route("/mr/file/{sha1}/info", _answering(lambda asked, info: ask.file_info(**asked))),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _said, ReproError: self._unavailable})

    def _front(self, request: Request) -> Response:
        lines = [f"{name}: {number} imports" for name, number in self._counts().items()]
        return _page("A snapshot archive", [("archive/", line) for line in lines] or [("archive/", "nothing imported")])

    def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "imports": self._counts()})

    def _counts(self) -> dict[str, int]:
        return {name: len(self._catalogue.imports(name)) for name in self._catalogue.archives()}

    def _archives(self, request: Request) -> Response:
        return _page("/archive/", [(f"{quote(name)}/", f"{name}/") for name in self._catalogue.archives()])

    def _imports(self, request: Request) -> Response:
        archive = request.path_params["archive"]
        stamps = self._catalogue.imports(archive)
        if not stamps:
            raise HTTPException(404, f"there is no import of {archive}")
        return _page(f"/archive/{archive}/", [(f"{stamp}/", f"{stamp}/") for stamp in stamps])

    def _archive(self, request: Request) -> Response:
        archive, path = request.path_params["archive"], request.path_params["path"]
        asked = _timestamp(request.path_params["timestamp"])
        found = self._catalogue.import_at(archive, asked)
        if found is None:
            raise HTTPException(404, f"there is no import of {archive} at {asked} or before")
        if found != request.path_params["timestamp"]:
            return RedirectResponse(f"/archive/{quote(archive)}/{found}/{quote(path)}", 302)
        file = self._catalogue.file(archive, found, path)
        if file:
            return self._blob(request, file.sum, file.timestamp)
        folder = path if path.endswith("/") or not path else f"{path}/"
        names = self._catalogue.listing(archive, found, folder)
        if not names:
            raise HTTPException(404, f"{archive} had no {path} at {found}")
        if folder != path:
            return RedirectResponse(f"/archive/{quote(archive)}/{found}/{quote(folder)}", 302)
        return _page(f"/archive/{archive}/{found}/{folder}", [(f"./{quote(name)}", name) for name in names])

    def _file(self, request: Request) -> Response:
        found = self._catalogue.by_sha1(request.path_params["sha1"].lower())
        if found is None:
            raise HTTPException(404, "there is no file of that SHA-1")
        first = self._catalogue.places(found.sha256)
        return self._blob(request, found, first[0].timestamp if first else "19700101T000000Z")

    def _blob(self, request: Request, found: Sum, timestamp: str) -> Response:
        path = self._blobs.path(found.sha256)
        headers = {
            "ETag": f'"{found.sha256}"',
            "Last-Modified": format_datetime(parse_timestamp(timestamp), usegmt=True),
            "Cache-Control": "public, max-age=86400",
            "X-Content-Type-Options": "nosniff",
        }
        if _STATIC.is_not_modified(Headers(headers), request.headers):
            return NotModifiedResponse(Headers(headers))
        self._check(found)
        return FileResponse(path, headers=headers, media_type="application/octet-stream", stat_result=os.stat(path))

    def _check(self, found: Sum) -> None:
        """Have the blob hashed, once as long as the same file lies there. Raises what the store does."""

        def identity() -> tuple[int, int, int]:
            stat = os.stat(self._blobs.path(found.sha256))
            return stat.st_ino, stat.st_mtime_ns, stat.st_size

        try:
            known = self._checked.get(found.sha256) == identity()
        except OSError:
            known = False
        if not known:
            with self._blobs.open_verified(found.sha256, found.size), self._lock:
                self._checked[found.sha256] = identity()

    async def _unavailable(self, request: Request, error: Exception) -> Response:
        self._log(f"{printable(request.url.path)}: {error}")
        return PlainTextResponse("503: it cannot be read at present; the server's log says why\n", 503)

    def _timestamps(self, request: Request) -> Response:
        asked = request.query_params
        after, before = (_timestamp(asked[key]) if asked.get(key) else "" for key in ("after", "before"))
        return _json(self._machine.timestamps(asked.get("archive"), after, before or "~"))

    async def _ranges(self, request: Request) -> Response:
        length = request.headers.get("Content-Length", "")
        if not length.isdigit():
            raise HTTPException(411, "say the Content-Length")
        if int(length) > QUESTION_LIMIT:
            raise HTTPException(413, f"more than {QUESTION_LIMIT} bytes")
        async with request.form(max_files=8, max_fields=8, max_part_size=QUESTION_LIMIT) as form:
            parts = [form.get(key, "") for key in ("archive", "arch", "pkgs")]
            texts = [await part.read() if isinstance(part, UploadFile) else part.encode() for part in parts]
        archive, _, packages = (text.decode("utf-8", "replace") for text in texts)
        asked = [_PACKAGE.fullmatch(each.strip()) for each in packages.split(",") if each.strip()]
        wanted = [(match[1], match[2], match[3]) for match in asked if match]
        if len(wanted) < len(asked):
            raise HTTPException(400, "pkgs is a list of NAME:ARCHITECTURE=VERSION with commas between")
        lines, missing = await run_in_threadpool(self._machine.ranges, archive, wanted)
        return PlainTextResponse("".join(f"{line}\n" for line in missing or lines), 404 if missing else 200)


_STYLE = (
    "body{font:16px/1.5 sans-serif;margin:2em}h1{font-size:1.2em;overflow-wrap:anywhere}ul{list-style:none;padding:0}"
)
_STATIC = StaticFiles(check_dir=False)


def _answering(question: Callable[[dict[str, str], bool], Answer | None]) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        answer = question(dict(request.path_params), request.query_params.get("fileinfo") == "1")
        if answer is None:
            raise HTTPException(404, "there is nothing of that name")
        return _json(answer)

    return endpoint


def _json(answer: Answer) -> Response:
    return JSONResponse({"_api": "0.3", "_comment": "imported, see repro serve --help", **answer})


def _timestamp(text: str) -> str:
    """A time as snapshot archives write it; a date alone means its beginning. Raises HTTPException otherwise."""
    match = _TIME.fullmatch(text)
    try:
        if not match:
            raise ValueError
        stamp = match[1] + (match[2] or "T000000Z")
        parse_timestamp(stamp)
    except ValueError:
        raise HTTPException(404, "a time is YYYYMMDDTHHMMSSZ") from None
    return stamp


def _page(title: str, links: list[tuple[str, str]]) -> Response:
    if title.startswith("/"):
        links = [("../", "../"), *links]
    rows = "".join(f'<li><a href="{html.escape(link)}">{html.escape(text)}</a></li>\n' for link, text in links)
    name = html.escape(title)
    head = f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{name}</title>\n<style>{_STYLE}</style>\n'
    return HTMLResponse(f"{head}<h1>{name}</h1>\n<ul>\n{rows}</ul>\n</html>\n")


async def _said(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.status_code}: {error.detail}\n", error.status_code, error.headers)
