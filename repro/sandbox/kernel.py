"""The system calls a sandbox is made of, through ctypes. Each raises OSError as the kernel says.

Numbers are those of Linux' uapi headers (sched.h, mount.h, prctl.h, capability.h) and, for pivot_root, x86-64's
or aarch64's syscall table.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PERSONALITIES = {"uname-2.6": 0x0020000, "no-randomize": 0x0040000, "linux32": 0x0000008}

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_LAST_CAPABILITY = 63
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR = 442  # on every architecture
_SIGACTION = {"x86_64": 13, "aarch64": 134}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET = {"x86_64": 41, "aarch64": 198}
# Families that a network namespace bounds: unix, inet, inet6, netlink. A vsock, for one, would reach the hypervisor.
_FAMILIES = (1, 2, 10, 16)
# What neither namespaces nor capabilities keep from the host: its kernel log, the caller's keys, and doors into the
# kernel through which the rest of this filter could be walked around or that no build needs.
_FORBIDDEN = {
    "x86_64": {
        "syslog": 103,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "perf_event_open": 298,
        "bpf": 321,
        "userfaultfd": 323,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
    },
    "aarch64": {
        "syslog": 116,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "perf_event_open": 241,
        "bpf": 280,
        "userfaultfd": 282,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
    },
}
_X32 = 0x40000000  # in the number of a call: x86-64's other table

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces in `flags` (CLONE_NEW…) for new ones."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2); `kind` and `options` may be empty."""
    arguments = [os.fsencode(text) or None for text in (source, target, kind)]
    _check(_libc.mount(*arguments, flags, os.fsencode(options) or None), f"mount {kind or source} on {target}")


def make_readonly(target: str) -> None:
    """Let nothing be written below the mount at `target`, and below those in it (mount_setattr(2), Linux 5.12)."""
    at_recursive, attr_rdonly, here = 0x8000, 1, -100
    attributes = struct.pack("QQQQ", attr_rdonly, 0, 0, 0)
    arguments = (here, os.fsencode(target), at_recursive, attributes, len(attributes))
    _check(_libc.syscall(_MOUNT_SETATTR, *arguments), "mount_setattr")


def umount(target: str) -> None:
    """Take the mount at `target` away at once, whoever still uses it."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root of this mount namespace and put the former one at `old`, below `new`."""
    _check(_libc.syscall(_PIVOT_ROOT[platform.machine()], os.fsencode(new), os.fsencode(old)), "pivot_root")


def set_hostname(name: str, domain: str) -> None:
    """Name this UTS namespace and its domain."""
    _check(_libc.sethostname(name.encode(), len(name)), "sethostname")
    _check(_libc.setdomainname(domain.encode(), len(domain)), "setdomainname")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, however that dies."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "prctl")


def reset_hidden_signals() -> None:
    """Give signals 32 and 33 their default action: glibc keeps them to itself, yet an exec hands down that they
    are ignored."""
    default = bytes(32)  # struct sigaction of the kernel: handler SIG_DFL, no flags, no restorer, empty mask
    for number in (32, 33):
        _check(_libc.syscall(_SIGACTION[platform.machine()], number, default, None, 8), "rt_sigaction")


def keep_capabilities(kept: frozenset[int]) -> None:
    """Drop every capability not in `kept` from the bounding set: no program run from here can regain it."""
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in kept:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL past the kernel's last one


def set_personality(names: list[str]) -> None:
    """Set the execution domain flags called `names` (keys of PERSONALITIES)."""
    flags = 0
    for name in names:
        flags |= PERSONALITIES[name]
    _check(_libc.personality(flags), "personality")


def set_dumpable() -> None:
    """Let our /proc/PID belong to us."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


def listen_to_calls(numbers: list[int]) -> int:
    """Have the calls `numbers` wait for an answer, for us and all that we run; the descriptor where they are heard.
    Asks for CAP_SYS_ADMIN in our user namespace."""
    load, equal, give = 0x20, 0x15, 0x06
    allow, notify = 0x7FFF0000, 0x7FC00000
    steps = [struct.pack("HBBI", load, 0, 0, 0)]
    for number in numbers:
        steps += [struct.pack("HBBI", equal, 0, 1, number), struct.pack("HBBI", give, 0, 0, notify)]
    new_listener = 1 << 3
    return set_filter(b"".join([*steps, struct.pack("HBBI", give, 0, 0, allow)]), new_listener, "seccomp listener")


def set_filter(program: bytes, flags: int, what: str) -> int:
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    set_mode_filter = 1
    result = int(_libc.syscall(_SECCOMP[platform.machine()], set_mode_filter, flags, head))
    _check(result, what)
    return result


def forbid_calls() -> None:
    """Answer ENOSYS to the calls in _FORBIDDEN and to foreign call tables, EAFNOSUPPORT to sockets of families
    that are not in _FAMILIES; for us and all that we run. Asks for CAP_SYS_ADMIN in our user namespace."""
    spec_allow = 1 << 2  # without it, kernels before 5.16 slow every program down
    set_filter(_filter(platform.machine()), spec_allow, "seccomp")


def _filter(machine: str) -> bytes:
    """A classic BPF program over struct seccomp_data: nr at 0, arch at 4, args at 16 (seccomp(2))."""
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    foreign = refuse | errno.ENOSYS
    forbidden = _FORBIDDEN[machine].values()

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    steps = [step(load, 4), step(equal, _AUDIT_ARCH[machine], 1), step(give, foreign)]
    steps += [step(load, 0), step(at_least, _X32, 0, 1), step(give, foreign)]
    for number in forbidden:
        steps += [step(equal, number, 0, 1), step(give, foreign)]
    steps += [step(equal, _SOCKET[machine], 1), step(give, allow), step(load, 16)]
    for family in _FAMILIES:
        steps += [step(equal, family, 0, 1), step(give, allow)]
    return b"".join([*steps, step(give, refuse | errno.EAFNOSUPPORT)])
