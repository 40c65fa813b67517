"""Talking to a machine, with a socket in its place."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro.boot import firmware, machine
from repro.boot.console import Console
from repro.boot.errors import BootFailed, HostLacks
from repro.boot.machine import Setup, start
from repro.boot.shell import Answer, Shell, log_in


class Guest:
    """Our end of a console, and the machine's end of it."""

    def __init__(self) -> None:
        ours, self.end = socket.socketpair()
        self.log = io.BytesIO()
        self.console = Console(ours, self.log)
        self._ours = ours

    def says(self, *parts: str) -> None:
        for part in parts:
            self.end.sendall(part.encode())

    def close(self) -> None:
        self.end.close()
        self._ours.close()


@pytest.fixture
def guest() -> Iterator[Guest]:
    guest = Guest()
    yield guest
    guest.close()


def test_expect_reads_on_where_it_stopped(guest: Guest) -> None:
    guest.says("one\r\ntwo\r\nthr", "ee\r\n")
    assert guest.console.expect("^two$", 5)[0] == "two"
    assert guest.console.expect("^three$", 5)[0] == "three"
    with pytest.raises(BootFailed, match="nothing for"):
        guest.console.expect("one", 0.1)
    assert guest.log.getvalue() == b"one\r\ntwo\r\nthree\r\n"


def test_escapes_and_bytes_that_are_no_text(guest: Guest) -> None:
    guest.says("\x1b[?2004h\x1b[0;32mOK", "\x1b[0m\r\r\n")
    guest.end.sendall(b"\xff\xfe")
    assert guest.console.expect("^OK\n", 5)


@pytest.mark.parametrize(
    "words", ["[    7.1] Kernel panic - not syncing: Attempted to kill init!\n", "BusyBox v1\n(initramfs) "]
)
def test_a_dead_end_is_not_waited_for(guest: Guest, words: str) -> None:
    guest.says("before\n", words)
    with pytest.raises(BootFailed, match=r"stopped at(?s:.*)\| before"):
        guest.console.expect("login: ", 60)


def test_a_machine_that_ends(guest: Guest) -> None:
    guest.says("GRUB\n")
    guest.end.close()
    with pytest.raises(BootFailed, match=r"the machine ended(?s:.*)\| GRUB"):
        guest.console.expect("login: ", 60)
    with pytest.raises(BootFailed, match="ended before it was told"):
        guest.console.send("hello")


def play(guest: Guest, *turns: tuple[str, str]) -> threading.Thread:
    """A machine that answers each line that holds the first of a pair with the second."""

    def run() -> None:
        lines = guest.end.makefile("r")
        for wanted, answer in turns:
            assert wanted in lines.readline()
            guest.says(answer)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


LOGIN = [("user", "user\r\nPassword: "), ("live", "\r\nLast login: never\r\nuser@debian:~$ ")]


def test_log_in_and_ask(guest: Guest) -> None:
    guest.says("\r\nDebian GNU/Linux 12 debian ttyS0\r\n\r\ndebian login: ")
    thread = play(
        guest,
        *LOGIN,
        ("exec env", "exec env …\r\n"),
        ("stty -echo", "stty -echo; …; echo rea''dy\r\nready\r\n"),
        ('an""swer-1-begins; ( false )', "answer-1-begins\r\na\r\n\r\nanswer-1-ends:1:\r\n"),
        ('an""swer-2-begins', "answer-2-begins\r\nno new line\r\nanswer-2-ends:0:\r\n"),
    )
    shell = log_in(guest.console, "user", "live", boot=5, timeout=5)
    assert isinstance(shell, Shell)
    assert shell.run("false", 5) == Answer("a\n", 1)
    assert shell.run("printf 'no new line'", 5) == Answer("no new line", 0)
    thread.join()


def test_a_wrong_password(guest: Guest) -> None:
    guest.says("debian login: ")
    thread = play(guest, LOGIN[0], ("dead", "\r\n\r\nLogin incorrect\r\ndebian login: "))
    with pytest.raises(BootFailed, match="refused"):
        log_in(guest.console, "user", "dead", boot=5, timeout=5)
    thread.join()


def test_a_host_without_a_virtual_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "PROGRAM", "qemu-system-none")
    with pytest.raises(HostLacks, match="no qemu-system-none") as caught, start(Setup(tmp_path), io.BytesIO()):
        pass
    assert "qemu-system-x86" in caught.value.hint


def test_a_host_without_firmware() -> None:
    with pytest.raises(HostLacks) as caught:
        firmware.uefi((("/nowhere/CODE.fd", "/nowhere/VARS.fd"),))
    assert "ovmf" in caught.value.hint


def test_qemu_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image = tmp_path / "image.iso"
    image.write_bytes(bytes(1 << 20))
    monkeypatch.setitem(machine.ACCELERATORS, "tcg", ("-accel", "none-such"))
    with pytest.raises(BootFailed, match=r"QEMU exited with 1: .*none-such"), start(Setup(image), io.BytesIO()) as made:
        made.console.expect("login: ", 60)


def test_the_image_is_never_written_and_the_machine_is_gone(tmp_path: Path) -> None:
    image = tmp_path / "a, b.img"
    image.write_bytes(bytes(1 << 20))
    image.chmod(0o444)
    with start(Setup(image, "ide"), io.BytesIO()) as made:
        made.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").exists()
    assert image.read_bytes() == bytes(1 << 20)
