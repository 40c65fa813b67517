"""Sessions of the amnesic system in a machine: what is done in them, and what is left of them."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from repro.boot.loader import choose
from repro.boot.machine import Machine, Setup, start
from repro.boot.shell import Shell, log_in
from repro.pipeline.booting import pictured
from repro.system.run import run
from tests.boot.images import ROOT

USER, PASSWORD = "amnesia", "live"
CHECKS = ROOT / "recipes/amnesic/checks"
SERIAL = "console=ttyS0,115200n8"
ADMINISTRATION = f"components=nss-systemd,hostname,user-setup,sudo {SERIAL}"
PERSISTENCE = 1  # the entry of the boot menu
MEMORY = 2048
PATIENCE = 900  # seconds until somebody can log in, on a busy machine that emulates


@dataclass(frozen=True)
class Stick:
    """A stick that an image was written to, larger than that."""

    path: Path

    @classmethod
    def of(cls, image: Path, path: Path, size: int) -> Stick:
        run(["cp", "--sparse=always", str(image), str(path)])
        os.truncate(path, size)
        return cls(path)

    def setup(self, **more: object) -> Setup:
        return replace(Setup(self.path, "usb", memory=MEMORY, write=True), **more)  # type: ignore[arg-type]


@contextlib.contextmanager
def session(
    setup: Setup,
    folder: Path,
    *,
    entry: int = 0,
    append: str = ADMINISTRATION,
    passphrase: str = "",
    then: tuple[str, str] = ("", ""),
    memory: Path | None = None,
) -> Iterator[tuple[Machine, Shell]]:
    """A machine in which the user has logged in on the serial console, who switches it off at the end, where they may.

    `passphrase` is given where it is asked for, `then` is a further question and its answer; `memory`: where the
    machine's memory goes as it is at the end, for a setup that stays.
    """
    with (
        open(folder / f"serial-{entry}.log", "ab") as log,
        start(setup, log) as machine,
        pictured(machine, folder / "screen.png"),
    ):
        if append or entry:
            choose(machine.console, entry=entry, append=append)
        if passphrase:
            machine.console.expect("Please unlock disk", PATIENCE)
            machine.console.send(passphrase)
        if then[0]:
            machine.console.expect(then[0], PATIENCE)
            machine.console.send(then[1])
        shell = log_in(machine.console, USER, PASSWORD, boot=PATIENCE, timeout=300)
        yield machine, shell
        if "sudo" not in append:
            return  # who may not switch it off leaves it to us
        machine.console.send("sudo -n systemctl poweroff")
        machine.wait_off(300)
        if memory:
            machine.dump_memory(memory)


def answer(shell: Shell, command: str, status: int = 0, timeout: float = 300) -> str:
    said = shell.run(command, timeout=timeout)
    assert said.status == status, f"{command}: {said}"
    return said.output


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def holds(path: Path, text: str) -> bool:
    """Whether the file at `path` has `text` anywhere, as it is or in UTF-16."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(text.encode(form)) >= 0 for form in ("utf-8", "utf-16-le"))
