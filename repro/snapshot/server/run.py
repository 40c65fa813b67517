"""Running the service, by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from repro.model.errors import Unavailable
from repro.snapshot.server.app import Blobs, Service
from repro.snapshot.server.catalogue import Catalogue
from repro.snapshot.server.quirks import Logged, Plain

CONNECTIONS = 256  # at once; those above get 503
IDLE = 15  # seconds that a connection may wait for its next request
GRACE = 10  # seconds that running requests get when the server ends
HEAD_LIMIT = 16 << 10  # bytes of a request line with its headers


class _Server(uvicorn.Server):
    """Ends by a signal, and does not raise that signal again afterwards: the caller goes on."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any free one. Raises Unavailable where the address is not to be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=CONNECTIONS)
    except (OSError, OverflowError) as error:
        raise Unavailable(f"cannot listen on {host} port {port}: {error}", hint="choose another with --bind") from error


def serve(catalogue: Catalogue, blobs: Blobs, listening: socket.socket, log: Callable[[str], None]) -> None:
    """Answer requests until SIGINT or SIGTERM; requests that run then are finished. One line of `log` a request."""
    app = Logged(Plain(Service(catalogue, blobs, log).app()), log)
    config = uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=HEAD_LIMIT,
    )
    with listening:
        asyncio.run(_Server(config).serve(sockets=[listening]))
