"""Messages between the outside and the inside of a sandbox: JSON over SOCK_SEQPACKET, with descriptors.

What is too large for a datagram travels as a file in memory, named by one more descriptor.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from typing import Any

_DATAGRAM = 1 << 16
_DESCRIPTORS = 3


def send(control: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send `message` and up to two `descriptors`."""
    data = json.dumps(message).encode()
    if len(data) <= _DATAGRAM:
        socket.send_fds(control, [data], descriptors)
        return
    with os.fdopen(os.memfd_create("repro-message"), "r+b") as large:
        large.write(data)
        large.seek(0)
        socket.send_fds(control, [b"{}"], [*descriptors, large.fileno()])


def receive(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message and its descriptors, now ours to close; None where the other end has gone."""
    data, descriptors, _, _ = socket.recv_fds(control, _DATAGRAM, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    if data == b"{}":
        with os.fdopen(descriptors.pop(), "rb") as large:
            data = large.read()
    message: dict[str, Any] | None = json.loads(data) if data else None
    return message, descriptors
