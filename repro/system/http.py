"""The one HTTP client. `--offline` is decided here: an offline client never opens a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from repro import __version__
from repro.model.errors import ReproError, Unavailable

TIMEOUT = (10.0, 60.0)  # seconds to connect, seconds between two bytes


class HttpProblem(Unavailable):
    """A request that did not yield what was asked for; `status` is the HTTP status, or 0 for none."""

    reason = "http"

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Offline(Unavailable):
    """A request was needed, and `--offline` forbids it."""

    reason = "offline"


class Http:
    """A session with one User-Agent, time-outs and connection reuse; safe to use from threads."""

    def __init__(self, *, offline: bool = False) -> None:
        self.offline = offline
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"repro/{__version__}"
        self._session.headers["Accept-Encoding"] = "identity"
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=16)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    @contextmanager
    def stream(self, url: str, *, start: int = 0) -> Iterator[requests.Response]:
        """GET `url` from byte `start` on, as a streamed response with status 200 or 206.

        Raises Offline, or HttpProblem for a status other than those or a connection that fails, also midway.
        """
        if self.offline:
            raise Offline(f"{url} is needed, and --offline was given", hint="run once without --offline")
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            with self._session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                if response.status_code not in (200, 206):
                    raise HttpProblem(
                        f"{url}: HTTP {response.status_code} {response.reason}",
                        response.status_code,
                        _seconds(response.headers.get("Retry-After")),
                    )
                yield response
        except (requests.RequestException, OSError) as error:
            if isinstance(error, ReproError):
                raise
            raise HttpProblem(f"{url}: {error}") from error

    def get(self, url: str, *, limit: int) -> bytes:
        """The body at `url`. Raises as `stream` does, and HttpProblem where it is larger than `limit` bytes."""
        with self.stream(url) as response:
            body = bytearray()
            for chunk in response.iter_content(1 << 16):
                body += chunk
                if len(body) > limit:
                    raise HttpProblem(f"{url}: larger than {limit} bytes", response.status_code)
            return bytes(body)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdigit() else None
