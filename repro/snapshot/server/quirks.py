"""What stands between the network and the application: requests as clients of snapshot archives write them, and a log.

apt, curl and Perl's LWP send absolute-form targets where a proxy is set (RFC 9112 section 3.2.2), so that programs with
snapshot.debian.org built in work unmodified with `http_proxy`; debootsnap sends paths that begin with `//archive`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from repro.model.text import printable

_TARGET = re.compile(r"(?:https?://[^/]*)?/*")


TARGET_LIMIT = 8 << 10  # bytes of path and query


class Plain:
    """Makes the path of a request a plain one: no scheme and host, one slash at its beginning; refuses long ones."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if len(scope["path"]) + len(scope["query_string"]) > TARGET_LIMIT:
                await PlainTextResponse("414: the address is too long\n", 414)(scope, receive, send)
                return
            path = _TARGET.sub("/", scope["path"], count=1)
            scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogatepass")}
        await self._app(scope, receive, send)


class Logged:
    """Writes a line of the Combined Log Format for each request, when it is over or broke off."""

    def __init__(self, app: ASGIApp, log: Callable[[str], None]) -> None:
        self._app, self._log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, sent = 0, 0

        async def counting(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            await send(message)
            sent += len(message.get("body", b""))

        try:
            await self._app(scope, receive, counting)
        finally:
            self._log(_line(scope, status, sent))


def _line(scope: MutableMapping[str, Any], status: int, sent: int) -> str:
    headers = dict(scope["headers"])
    target = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    request = _quoted(f"{scope['method']} {target} HTTP/{scope['http_version']}")
    said = " ".join(_quoted(headers.get(name, b"-").decode("latin-1")) for name in (b"referer", b"user-agent"))
    when = time.strftime("[%d/%b/%Y:%H:%M:%S +0000]", time.gmtime())
    return f"{scope['client'][0] if scope['client'] else '-'} - - {when} {request} {status or '-'} {sent} {said}"


def _quoted(text: str) -> str:
    return '"' + printable(text).replace('"', "%22")[:2000] + '"'
