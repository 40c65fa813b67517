"""The serial console of a machine: wait for a text, send a line. All that it says goes to a log."""

from __future__ import annotations

import os
import re
import select
import socket
import time
from typing import IO

from repro.boot.errors import BootFailed
from repro.model.text import printable

_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][0-9A-B]|[=>78cM])|\r")
# After these nothing that is waited for can still come: the kernel gave up, or the initramfs asks a person.
_DEAD_ENDS = re.compile(r"Kernel panic - not syncing[^\n]*|\(initramfs\) |grub rescue> |Entering rescue mode")
ENDING = b"\x1d"  # Ctrl-]
_KEPT = 1 << 20  # bytes of what was not waited for yet
_TAIL = 30  # lines of the console that a message shows


class Console:
    """`expect` reads on from where the last one ended; the machine waits meanwhile if it says too much."""

    def __init__(self, connection: socket.socket, log: IO[bytes]) -> None:
        self._connection, self._log = connection, log
        self._unread = b""
        self._said = b""

    def expect(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait up to `timeout` seconds until `pattern` was said, and forget all up to its end.

        Carriage returns and terminal escapes are left out before matching; `^` and `$` match at lines.
        Raises BootFailed where it does not come, the kernel panics, or the machine ends.
        """
        wanted = re.compile(pattern, re.MULTILINE)
        began = time.monotonic()
        while True:
            text = plain(self._unread)
            if match := wanted.search(text):
                self._unread = text[match.end() :].encode()
                return match
            if dead := _DEAD_ENDS.search(text):
                raise self._failure(f"the machine stopped at “{dead[0].strip()}”", pattern, began)
            left = began + timeout - time.monotonic()
            if left <= 0:
                raise self._failure(f"nothing for {timeout:.0f} s", pattern, began)
            if not self.listen(left):
                raise self._failure("the machine ended", pattern, began)

    def send(self, line: str) -> None:
        """Type `line` and Enter. Raises BootFailed where the machine has ended."""
        self.type(line + "\n")

    def type(self, keys: str) -> None:
        """Type `keys` as they are. Raises BootFailed where the machine has ended."""
        try:
            self._connection.sendall(keys.encode(errors="surrogateescape"))
        except OSError as error:
            raise BootFailed(f"the machine ended before it was told “{printable(keys.strip())}”") from error

    def converse(self, source: int, target: int) -> None:
        """Hand the console to a person until the machine ends, or ENDING is typed: file descriptors of a terminal."""
        while True:
            ours = self._connection.fileno()
            ready = select.select([ours, source], [], [])[0]
            if ours in ready:
                if not self.listen(0):
                    return
                os.write(target, self._unread)
                self._unread = b""
            if source in ready:
                typed = os.read(source, 1 << 10)
                if not typed or ENDING in typed:
                    return
                self.type(typed.decode(errors="surrogateescape"))

    def listen(self, timeout: float) -> bool:
        """Take in what there is within `timeout` seconds; whether the machine is still there."""
        if not select.select([self._connection], [], [], timeout)[0]:
            return True
        try:
            data = self._connection.recv(1 << 16)
        except OSError:
            data = b""
        self._log.write(data)
        self._log.flush()
        self._unread = (self._unread + data)[-_KEPT:]
        self._said = (self._said + data)[-(1 << 14) :]
        return bool(data)

    def _failure(self, what: str, pattern: str, began: float) -> BootFailed:
        lines = [line for line in plain(self._said).splitlines() if line.strip()][-_TAIL:]
        waited = time.monotonic() - began
        said = "\n".join(f"  | {line}" for line in lines) or "  (nothing was said)"
        return BootFailed(f"waiting for /{pattern}/: {what}, after {waited:.0f} s. The console's last lines:\n{said}")


def plain(said: bytes) -> str:
    """What a terminal would show of `said`, roughly: no escapes, no carriage returns."""
    return _ESCAPES.sub("", said.decode(errors="replace"))
