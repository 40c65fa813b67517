"""The one HTTP client. `--offline` is decided here: an offline client never opens a socket.

requests and urllib3 are imported at the first request, because urllib3 probes for IPv6 with a socket when imported.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any

from repro import __version__
from repro.model.errors import InvalidInput, ReproError, Unavailable

if TYPE_CHECKING:
    import requests

TIMEOUT = (10.0, 60.0)  # seconds to connect, seconds between two bytes
REDIRECTS = 5  # followed in a row
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class HttpProblem(Unavailable):
    """A request that did not yield what was asked for.

    `status` is the HTTP status, 0 where there was no answer or it broke off, 400 where the address or a redirect is
    not one to follow; `retry_after` is in seconds.
    """

    reason = "http"

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Offline(Unavailable):
    """A request was needed, and `--offline` forbids it."""

    reason = "offline"


@dataclass(frozen=True)
class Body:
    """An answer whose body has not been read yet.

    `url` is where it came from after redirects, `start` the offset of its first byte in the whole document (0 where
    the server ignored the range), `total` the size of the whole document in bytes where the server says it,
    `validator` its strong ETag or nothing.
    """

    url: str
    start: int
    total: int | None
    validator: str
    _raw: Any

    def chunks(self, size: int = 1 << 18) -> Iterator[bytes]:
        """The bytes as the server holds them: never decoded, whatever Content-Encoding says.

        Raises HttpProblem where the connection breaks off before the promised length.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415  (see the module's docstring)

        try:
            while chunk := self._raw.read1(size, decode_content=False):  # what is there: a drip is seen
                yield chunk
        except (HTTPError, OSError) as error:
            raise HttpProblem(f"{self.url}: {_why(error)}") from error


class Http:
    """A session with one User-Agent, time-outs and connection reuse; safe to use from threads."""

    def __init__(self, *, offline: bool = False) -> None:
        self.offline = offline
        self._session: requests.Session | None = None
        self._lock = Lock()

    @contextmanager
    def stream(self, url: str, *, start: int = 0, validator: str = "") -> Iterator[Body]:
        """GET `url` from byte `start` on, or all of it where it is not that of the `validator` any more (If-Range, RFC
        9110 section 13.1.5). A few redirects are followed, also to other hosts, but none from https to http.

        Raises Offline, InvalidInput where `url` is not a web address, or HttpProblem for a status other than 200
        and 206 or a connection that fails, also midway.
        """
        if self.offline:
            raise Offline(f"{url} is needed, and --offline was given", hint="run once without --offline")
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(f"{url}: not a http or https address")
        import requests  # noqa: PLC0415  (see the module's docstring)
        from urllib3.exceptions import LocationValueError  # noqa: PLC0415

        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and validator:
            headers["If-Range"] = validator
        try:
            with self._connected().get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                _refuse_downgrade(url, response)
                yield _body(url, response, start)
        except ReproError:
            raise
        except (requests.ConnectionError, requests.Timeout) as error:
            raise HttpProblem(f"{url}: {_why(error)}") from error
        except (requests.RequestException, LocationValueError) as error:  # the latter for a host that can be none
            raise HttpProblem(f"{url}: {_why(error)}", 400) from error

    def has(self, url: str) -> bool | None:
        """Whether a HEAD of `url` finds something; None where the server does not say. Raises Offline."""
        if self.offline:
            raise Offline(f"{url} is needed, and --offline was given", hint="run once without --offline")
        import requests  # noqa: PLC0415  (see the module's docstring)

        try:
            with self._connected().head(url, allow_redirects=True, timeout=TIMEOUT) as response:
                return {200: True, 404: False, 410: False}.get(response.status_code)
        except requests.RequestException:
            return None

    def get(self, url: str, *, limit: int) -> bytes:
        """The body at `url`. Raises as `stream` does, and HttpProblem where it is larger than `limit` bytes."""
        with self.stream(url) as body:
            return read_bounded(body, limit)

    def _connected(self) -> requests.Session:
        import requests  # noqa: PLC0415  (see the module's docstring)

        with self._lock:
            if self._session is None:
                session = requests.Session()
                session.max_redirects = REDIRECTS
                session.headers["User-Agent"] = f"repro/{__version__}"
                session.headers["Accept-Encoding"] = "identity"
                for scheme in ("http://", "https://"):
                    session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=16))
                self._session = session
            return self._session


def read_bounded(body: Body, limit: int) -> bytes:
    """All of `body`. Raises HttpProblem where it is larger than `limit` bytes or breaks off."""
    data = bytearray()
    for chunk in body.chunks(1 << 16):
        data += chunk
        if len(data) > limit:
            raise HttpProblem(f"{body.url}: larger than {limit} bytes", 200)
    return bytes(data)


def _body(url: str, response: requests.Response, start: int) -> Body:
    status = response.status_code
    if status not in (200, 206):
        raise HttpProblem(
            f"{url}: HTTP {status} {response.reason}", status, _seconds(response.headers.get("Retry-After"))
        )
    if status == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != start:
            raise HttpProblem(f"{url}: answered with another range than asked for", 416)
        total = None if match[2] == "*" else int(match[2])
        return Body(response.url, start, total, _strong(response), response.raw)
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    return Body(response.url, 0, total, _strong(response), response.raw)


def _strong(response: requests.Response) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else ""


def _refuse_downgrade(url: str, response: requests.Response) -> None:
    urls = [each.url for each in (*response.history, response)]
    for before, after in pairwise(urls):
        if before.startswith("https:") and not after.startswith("https:"):
            raise HttpProblem(f"{url}: leads from https to {after}", 400)


def _why(error: BaseException) -> str:
    """The innermost reason, without the object addresses that urllib3 puts into its messages."""
    while inner := getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, Exception)), None):
        if not isinstance(inner, Exception):
            break
        error = inner
    text = re.sub(r"^.*object at 0x[0-9a-f]+>[:,]? *|^HTTPS?Connection\([^)]*\): ", "", str(error))
    return text or type(error).__name__


def _seconds(header: str | None) -> float | None:
    """Retry-After as seconds from now; RFC 9110 section 10.2.3 allows a number or a date."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
