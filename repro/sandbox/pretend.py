"""What the kernel says of itself and of the machine, answered by us instead: another release, another amount of memory.

A seccomp filter hands uname(2) and sysinfo(2) of the programs inside to a process of ours, which writes the answer
into the caller's memory (seccomp_unotify(2)). This reaches statically linked programs too, and leaves no library in
the caller that could be seen. Numbers are those of Linux' uapi headers (seccomp.h, sysinfo.h, utsname.h).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
from dataclasses import dataclass

from repro.sandbox import kernel

_UNAME = {"x86_64": 63, "aarch64": 160}
_SYSINFO = {"x86_64": 99, "aarch64": 179}
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTIFICATION = struct.Struct("QIIiIQ6Q")  # id, pid, flags; nr, arch, instruction pointer, arguments
_ANSWER = struct.Struct("QqiI")  # id, value, error, flags
_MACHINE = struct.Struct("q3Q6QHHxxxxQQIxxxx")  # struct sysinfo of a 64-bit kernel
_FIELD = 65  # bytes of a name in struct new_utsname
_OLDEST = (5, 0)


@dataclass(frozen=True)
class Pretence:
    """What is said in place of the truth; empty or 0 leaves it. `machine` is uname's, `memory` in bytes."""

    release: str = ""
    machine: str = ""
    memory: int = 0

    def __bool__(self) -> bool:
        return bool(self.release or self.memory)


def missing() -> str:
    """Why this kernel cannot be spoken for, in a few words; empty where it can."""
    version = tuple(int(part) for part in platform.release().split(".")[:2] if part.isdigit())
    if version < _OLDEST or platform.machine() not in _UNAME:
        return "the kernel must be Linux 5.0 or newer, on x86-64 or aarch64"
    return ""


def meminfo(memory: int) -> bytes:
    """/proc/meminfo of a machine with `memory` bytes, most of them free."""
    kibibytes = memory // 1024
    rows = {"MemTotal": kibibytes, "MemFree": kibibytes * 9 // 10, "MemAvailable": kibibytes * 9 // 10}
    rows |= {"Buffers": 0, "Cached": 0, "SwapTotal": 0, "SwapFree": 0}
    return "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in rows.items()).encode()


def start(pretence: Pretence, output: int) -> int:
    """Start a process that answers for one program and all that it runs; the descriptor to give to `ask`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        if os.fork():
            return theirs.detach()
        try:
            theirs.close()
            os.dup2(output, 2)
            _, listeners, _, _ = socket.recv_fds(ours, 1, 1)
            _answer_all(listeners[0], pretence)
        finally:
            os._exit(0)


def ask(descriptor: int, pretence: Pretence) -> None:
    """In the child that will be the program: have its calls answered by the process behind `descriptor`."""
    numbers = [_UNAME[platform.machine()]] * bool(pretence.release)
    numbers += [_SYSINFO[platform.machine()]] * bool(pretence.memory)
    with socket.socket(fileno=descriptor) as control:
        listener = kernel.listen_to_calls(numbers)
        socket.send_fds(control, [b"!"], [listener])
        os.close(listener)


def _answer_all(listener: int, pretence: Pretence) -> None:
    """Answer until nobody is left who could ask."""
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    while not waiting.poll()[0][1] & (select.POLLHUP | select.POLLERR):
        request = ctypes.create_string_buffer(_NOTIFICATION.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, request)
        except OSError:  # the caller was killed meanwhile
            continue
        identity, pid, _, number, _, _, address, *_ = _NOTIFICATION.unpack(request.raw)
        error = 0
        try:
            data = _names(pretence) if number == _UNAME[platform.machine()] else _machine(pretence)
            with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
                os.pwrite(memory.fileno(), data, address)
        except OSError as problem:
            error = -(problem.errno or 1)
        try:
            fcntl.ioctl(listener, _SEND, _ANSWER.pack(identity, 0, error, 0))
        except OSError:
            continue


def _names(pretence: Pretence) -> bytes:
    true = os.uname()
    with open("/proc/sys/kernel/domainname", encoding="ascii", errors="replace") as file:
        domain = file.read().strip()
    machine = pretence.machine or true.machine
    names = (true.sysname, true.nodename, pretence.release or true.release, true.version, machine, domain)
    return b"".join(name.encode()[: _FIELD - 1].ljust(_FIELD, b"\0") for name in names)


def _machine(pretence: Pretence) -> bytes:
    free = pretence.memory * 9 // 10
    return _MACHINE.pack(3600, 0, 0, 0, pretence.memory, free, 0, 0, 0, 0, 100, 0, 0, 0, 1)
