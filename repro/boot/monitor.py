"""QEMU's own door (QMP, a JSON object a line)."""

from __future__ import annotations

import json
import select
import socket
from typing import Any

from repro.boot.errors import BootFailed


class Monitor:
    """A QMP connection; `timeout` is in seconds, for each answer."""

    def __init__(self, connection: socket.socket, timeout: float = 30) -> None:
        connection.settimeout(timeout)
        self._connection = connection
        self._unread = b""  # not a file of the socket: that one could not be read any more after a time-out
        self._ready = False
        self._events: set[str] = set()

    def ask(self, command: str, **arguments: object) -> Any:
        """The answer to one QMP command. Raises BootFailed where QEMU refuses it or does not answer."""
        self._greet()
        request = json.dumps({"execute": command, "arguments": arguments})
        try:
            self._connection.sendall(request.encode() + b"\n")
        except OSError as error:
            raise BootFailed(f"QEMU does not listen: {error}") from error
        while True:
            answer = self._next()
            if "error" in answer:
                raise BootFailed(f"QEMU refused {command}: {answer['error'].get('desc', 'no reason given')}")
            if "return" in answer:
                return answer["return"]
            self._events.add(answer.get("event", ""))

    def happened(self, event: str) -> bool:
        """Whether QEMU has said by now that `event` happened. Raises BootFailed where it does not answer."""
        self._greet()
        while b"\n" in self._unread or select.select([self._connection], [], [], 0)[0]:
            try:
                self._events.add(self._next().get("event", ""))
            except BootFailed:
                return False  # it has ended: its process tells
        return event in self._events

    def _greet(self) -> None:
        if not self._ready:
            self._ready = True
            self._next()  # the greeting
            self.ask("qmp_capabilities")

    def screenshot(self, path: str) -> None:
        """Write what the screen shows to `path`, as PNG. Raises BootFailed (QEMU before 7.1 cannot)."""
        self.ask("screendump", filename=path, format="png")

    def _next(self) -> dict[str, Any]:
        try:
            while b"\n" not in self._unread:
                if not (data := self._connection.recv(1 << 16)):
                    raise OSError("it has ended")
                self._unread += data
            line, _, self._unread = self._unread.partition(b"\n")
            answer = json.loads(line)
        except (OSError, ValueError) as error:
            raise BootFailed(f"QEMU does not answer: {error}") from error
        assert isinstance(answer, dict)
        return answer
