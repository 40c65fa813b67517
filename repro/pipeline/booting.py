"""Booting an image: with what it is attached, by what it is accelerated, and what it is asked."""

from __future__ import annotations

import os
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

from repro import formats
from repro.boot.errors import BootFailed
from repro.boot.loader import choose
from repro.boot.machine import Machine, Setup, start
from repro.boot.probe import kvm_works
from repro.boot.shell import LOGIN, log_in
from repro.model.artifact import Artifact
from repro.model.booted import Booted, judged
from repro.model.checks import Checks
from repro.model.errors import InvalidInput
from repro.pipeline.upgrading import opened_medium, write_content
from repro.system.hashing import sha256_file
from repro.system.progress import Observer
from repro.system.scratch import scratch

_KERNEL = "live/vmlinuz"
_MEMORY = 1024  # MiB
_LOGIN_STEP = 300.0  # seconds for each step of a login

Accelerator = Literal["auto", "tcg", "kvm"]


@dataclass(frozen=True)
class Wishes:
    """What is wanted of a boot besides the machine: the `entry` of the menu and `append` for the kernel, a `screenshot`
    at the end, at most `patience` seconds until somebody can log in."""

    entry: int = 0
    append: str = ""
    screenshot: Path | None = None
    patience: float = 900


def suited(image: Path, attach: str) -> Literal["cd", "usb", "ide", "virtio"]:
    """`attach`, or for `auto` how the image at `image` is used: an ISO as a CD, anything else as a USB stick."""
    if attach in ("cd", "usb", "ide", "virtio"):
        return attach  # type: ignore[return-value]  # one of those, by the line above
    container = formats.opened(opened_medium(image)[0])
    return "cd" if container is not None and container.format == "iso9660" else "usb"


def accelerator(image: Path, wanted: Accelerator, observer: Observer) -> Literal["tcg", "kvm"]:
    """`wanted`, or for `auto` KVM where it runs the image's own kernel, else emulation."""
    if wanted != "auto":
        return wanted
    kernel = next((member for member in opened_medium(image)[1] if member.name == _KERNEL), None)
    if kernel is None or kernel.content is None or not os.path.exists("/dev/kvm"):
        return "tcg"
    with scratch("repro-kernel-") as folder, observer.task("trying whether KVM runs a kernel here"):
        copy = folder / "vmlinuz"
        write_content(kernel.content, copy)
        return "kvm" if kvm_works(copy) else "tcg"


@contextmanager
def pictured(machine: Machine, picture: Path) -> Iterator[None]:
    """Where what is done with `machine` fails, `picture` shows its screen, and the error says so."""
    try:
        yield
    except BootFailed as error:
        try:
            machine.screenshot(picture)
        except BootFailed:
            raise error from None
        raise BootFailed(error.message, hint=f"the screen at that moment: {picture}") from error


def boot(setup: Setup, checks: Checks | None, wishes: Wishes, log: IO[bytes], observer: Observer) -> Booted:
    """Boot `setup`, wait until somebody can log in, and ask what `checks` do; the serial console goes to `log`.

    Raises BootFailed with the console's last lines, and a picture of the screen beside `log`, where it does not get
    so far; HostLacks, InvalidInput.
    """
    if checks and checks.memory:
        setup = replace(setup, memory=max(setup.memory, checks.memory))
    setup = replace(setup, memory=setup.memory or _MEMORY)
    entry = wishes.entry or (checks.entry if checks else 0)
    append = " ".join(filter(None, (checks.append if checks else "", wishes.append)))
    answers = []
    began = time.monotonic()
    with start(setup, log) as machine, pictured(machine, Path(log.name).with_suffix(".png")):
        with observer.task(f"booting {setup.image.name} with {setup.firmware} under {setup.accelerator}"):
            if entry or append:
                choose(machine.console, entry=entry, append=append)
            if checks:
                shell = log_in(machine.console, checks.user, checks.password, boot=wishes.patience, timeout=_LOGIN_STEP)
            else:
                machine.console.expect(LOGIN, wishes.patience)
            seconds = time.monotonic() - began
        if checks:
            with observer.task("asking", total=len(checks.questions)) as task:
                for question in checks.questions:
                    said = shell.run(question.run, timeout=question.timeout)
                    answers.append(judged(question, said.status, said.output))
                    task.say(f"{'holds' if answers[-1].holds else 'FAILS'}: {question.name}")
                    task.advance()
        if wishes.screenshot:
            machine.screenshot(wishes.screenshot)
    return Booted(
        _described(setup.image), setup.firmware, setup.attach, setup.accelerator, round(seconds, 1), tuple(answers)
    )


def converse(setup: Setup, wishes: Wishes, log: IO[bytes], keyboard: int, screen: int) -> None:
    """Boot `setup` and hand its serial console to the person at the terminal whose descriptors these are.

    Raises as `boot` does.
    """
    with start(replace(setup, memory=setup.memory or _MEMORY), log) as machine:
        if wishes.entry or wishes.append:
            choose(machine.console, entry=wishes.entry, append=wishes.append)
        before = termios.tcgetattr(keyboard)
        try:
            tty.setraw(keyboard)
            machine.console.converse(keyboard, screen)
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _described(image: Path) -> Artifact:
    try:
        return Artifact(image.name, image.suffix.lstrip(".") or "image", image.stat().st_size, sha256_file(image))
    except OSError as error:
        raise InvalidInput(f"{image} cannot be read: {error.strerror}") from error
