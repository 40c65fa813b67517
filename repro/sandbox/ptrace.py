"""The calls by which one process watches others (ptrace(2), process_vm_readv(2)), and the filter that stops them only
where something is to be seen: with SECCOMP_RET_TRACE all other calls run at full speed.

Numbers are those of Linux' uapi headers (ptrace.h, seccomp.h, auxvec.h) and of the syscall tables.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from dataclasses import dataclass

from repro.sandbox import kernel

EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_SECCOMP, EVENT_STOP = 1, 2, 3, 4, 7, 128
FORKS = (EVENT_FORK, EVENT_VFORK, EVENT_CLONE)
WALL = 0x40000000  # waitpid: threads too

_SEIZE, _CONT, _LISTEN, _GETEVENTMSG, _GET_SYSCALL_INFO = 0x4206, 7, 0x4208, 0x4201, 0x420E
# fork, vfork, clone, exec, seccomp; and all die with whoever watches
_OPTIONS = 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
_INFO = struct.Struct("BxxxIQQQ6Q")  # op, arch, instruction pointer, stack pointer; number and arguments of the call
_AT_IGNORE, _AT_SYSINFO_EHDR = 1, 33
_PAGE = 4096
_LONGEST_STACK = 4 << 20  # bytes of arguments and variables that are searched

_WRITING = 0x1 | 0x2 | 0x40 | 0x200  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC of <fcntl.h>
CALLS = {
    "x86_64": {
        **{"open": 2, "creat": 85, "openat": 257, "truncate": 76, "rename": 82, "renameat": 264, "renameat2": 316},
        **{"link": 86, "linkat": 265, "symlink": 88, "symlinkat": 266, "mkdir": 83, "mkdirat": 258},
        **{"mknod": 133, "mknodat": 259, "getdents": 78, "getdents64": 217, "getrandom": 318, "uname": 63},
        **{"clock_gettime": 228, "gettimeofday": 96, "time": 201},
    },
    "aarch64": {
        **{"openat": 56, "truncate": 45, "renameat": 38, "renameat2": 276, "linkat": 37, "symlinkat": 36},
        **{"mkdirat": 34, "mknodat": 33, "getdents64": 61, "getrandom": 278, "uname": 160},
        **{"clock_gettime": 113, "gettimeofday": 169},
    },
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


class _Range(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


def _ptrace(request: int, pid: int, address: int, data: int) -> None:
    """Raises ProcessLookupError for a process that is gone, OSError."""
    if _libc.ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def seize(pid: int) -> None:
    """Watch `pid` and all that it starts; all of them die with us."""
    _ptrace(_SEIZE, pid, 0, _OPTIONS)


def go_on(pid: int, signal: int = 0) -> None:
    """Let the stopped `pid` go on, with `signal` where one is to be delivered."""
    _ptrace(_CONT, pid, 0, signal)


def stay_stopped(pid: int) -> None:
    """Leave `pid` in the stop of its whole group until SIGCONT, as without us."""
    _ptrace(_LISTEN, pid, 0, 0)


def message(pid: int) -> int:
    """What comes with an event: of a fork the new process."""
    found = ctypes.c_ulong()
    _ptrace(_GETEVENTMSG, pid, 0, ctypes.addressof(found))
    return found.value


@dataclass(frozen=True)
class Stop:
    """Where a process stands: its stack pointer, and the system call that it is about to make."""

    stack: int
    number: int
    arguments: tuple[int, ...]


def where(pid: int) -> Stop:
    """Where the stopped `pid` stands."""
    buffer = ctypes.create_string_buffer(_INFO.size + 16)
    _ptrace(_GET_SYSCALL_INFO, pid, len(buffer), ctypes.addressof(buffer))
    _, _, _, stack, number, *arguments = _INFO.unpack_from(buffer)
    return Stop(stack, number, tuple(arguments))


def read(pid: int, address: int, size: int) -> bytes:
    """At most `size` bytes of the memory of `pid`. Raises OSError."""
    buffer = ctypes.create_string_buffer(size)
    ours, theirs = _Range(ctypes.addressof(buffer), size), _Range(address, size)
    got = _libc.process_vm_readv(pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
    if got < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return buffer.raw[:got]


def string(pid: int, address: int) -> bytes:
    """The bytes at `address` up to a zero, at most a path's worth. Raises OSError."""
    found = b""
    while len(found) < _PAGE:
        chunk = read(pid, address + len(found), _PAGE - (address + len(found)) % _PAGE)
        head, zero, _ = chunk.partition(b"\0")
        found += head
        if zero or not chunk:
            return found
    return found


def hide_vdso(pid: int, stack: int) -> None:
    """Have the program that `pid` just became ask the kernel for the time: without the vDSO, which answers unseen.

    At a program's start the stack holds the arguments, the environment and the auxiliary vector (System V ABI for
    x86-64, 3.4.1); the entry that names the vDSO is passed over from then on. Raises OSError.
    """
    words, at, zeros = b"", 8, 0
    while at < _LONGEST_STACK:
        while len(words) < at + 16:
            more = read(pid, stack + len(words), _PAGE - (stack + len(words)) % _PAGE)
            if not more:
                return
            words += more
        kind = int.from_bytes(words[at : at + 8], "little")
        if zeros < 2:  # one ends the arguments, one the environment
            zeros += not kind
            at += 8
        elif kind == _AT_SYSINFO_EHDR:
            with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
                os.pwrite(memory.fileno(), struct.pack("<Q", _AT_IGNORE), stack + at)
            return
        elif not kind:
            return
        else:
            at += 16


def stop_at_calls() -> None:
    """Have those in CALLS stop us and all that we run, for who watches; opening only where it is for writing, the
    clock only where it is the time of day. Asks for CAP_SYS_ADMIN in our user namespace."""
    machine = platform.machine()
    load, equal, any_of, give = 0x20, 0x15, 0x45, 0x06
    allow, trace = 0x7FFF0000, 0x7FF00000

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    stop, pass_by = step(give, trace), step(give, allow)
    unless = {
        "open": [step(load, 24), step(any_of, _WRITING, 0, 1), stop, pass_by],
        "openat": [step(load, 32), step(any_of, _WRITING, 0, 1), stop, pass_by],
        "clock_gettime": [step(load, 16), step(equal, 0, 1), step(equal, 5, 0, 1), stop, pass_by],  # …_REALTIME_COARSE
    }
    steps = [step(load, 0)]
    for name, number in CALLS[machine].items():
        block = unless.get(name, [stop])
        steps += [step(equal, number, 0, len(block)), *block]
    kernel.set_filter(b"".join([*steps, pass_by]), 1 << 2, "seccomp filter")
