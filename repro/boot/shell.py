"""Asking a booted system questions: log in on the console, run a command, get what it said and how it ended."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from repro.boot.console import Console
from repro.boot.errors import BootFailed

LOGIN = r"^[\w.-]+ login: "
_PROMPT = r"^\S*[$#] "


@dataclass(frozen=True)
class Answer:
    """What a command said on both its outputs, and its exit status."""

    output: str
    status: int


class Shell:
    """A shell on a machine's console, as somebody who is logged in."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._numbers = itertools.count(1)

    def run(self, command: str, timeout: float = 60) -> Answer:
        """Run `command` (one line of sh) in a shell of its own.

        Raises BootFailed where it does not end within `timeout` seconds.
        """
        mark = f"answer-{next(self._numbers)}"
        # "an""swer": the marks must not be found in the typed line, should the terminal echo it
        split = f'{mark[:2]}""{mark[2:]}'
        self._console.send(
            f"echo {split}-begins; ( {command} ) 2>&1 </dev/null; status=$?; echo; echo {split}-ends:$status:"
        )
        self._console.expect(f"{mark}-begins\n", timeout)
        match = self._console.expect(rf"(?s)(.*?)\n?^{mark}-ends:(\d+):", timeout)
        return Answer(match[1], int(match[2]))


def log_in(console: Console, user: str, password: str, *, boot: float = 600, timeout: float = 120) -> Shell:
    """Wait up to `boot` seconds for a login prompt, log in, and return a quiet shell.

    `timeout` is for each step after the prompt. Raises BootFailed where there is no prompt, or the login is wrong.
    """
    console.expect(LOGIN, boot)
    console.send(user)
    console.expect(r"^Password: ", timeout)
    console.send(password)
    if console.expect(rf"Login incorrect|{_PROMPT}", timeout)[0] == "Login incorrect":
        raise BootFailed(f"the login as {user} was refused")
    # A shell that does not edit lines, a terminal that does not echo, and a kernel that does not speak in between.
    console.send("exec env PS1= TERM=dumb LC_ALL=C.UTF-8 PAGER=cat SYSTEMD_PAGER=cat /bin/sh")
    console.send("stty -echo; sudo -n dmesg --console-off; echo rea''dy")
    console.expect(r"^ready\n", timeout)
    return Shell(console)
